"""The environment that heavy frameworks find."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mergesearch_evaluator import environment


def test_defaults_do_not_override_what_is_set() -> None:
    given = {"VLLM_LOGGING_LEVEL": "INFO"}
    environment.set_defaults(given, cpu=True)
    assert given["VLLM_LOGGING_LEVEL"] == "INFO"
    assert given["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    assert given["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"


@pytest.mark.parametrize("cpu", [True, False])
def test_the_space_for_the_cache_is_set_on_a_cpu_alone(cpu: bool) -> None:
    given: dict[str, str] = {}
    environment.set_defaults(given, cpu=cpu)
    assert ("VLLM_CPU_KVCACHE_SPACE" in given) is cpu


def test_whether_the_hub_may_be_asked_is_left_as_it_is() -> None:
    given: dict[str, str] = {}
    environment.set_defaults(given, cpu=True)
    assert not {"HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"} & set(given)


def test_a_disabled_bar_would_kill_vllm() -> None:
    given = {"TQDM_DISABLE": "1"}
    environment.set_defaults(given, cpu=True)
    assert "TQDM_DISABLE" not in given


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        pytest.param("main", ("torch", "vllm", "lm_eval", "transformers", "numpy", "datasets"), id="entry-point"),
        pytest.param("compare", ("torch", "vllm", "lm_eval", "transformers", "datasets"), id="comparison"),
        pytest.param("preflight", ("vllm", "lm_eval.models.huggingface"), id="preflight"),
    ],
)
def test_nothing_is_imported_that_a_request_does_not_need(module: str, absent: tuple[str, ...]) -> None:
    program = f"import sys, mergesearch_evaluator.{module}; print(*(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="unset"),
        pytest.param({"HOME": ""}, id="empty"),
        pytest.param({"HOME": "/nonexistent"}, id="not-there"),
    ],
)
def test_a_user_without_a_home_gets_the_folder_for_temporary_files(given: dict[str, str]) -> None:
    found = dict(given)
    environment.find_a_home(found)
    assert found["HOME"] == tempfile.gettempdir()


def test_a_home_that_can_be_written_and_a_name_stay(tmp_path: Path) -> None:
    found = {"HOME": str(tmp_path), "LOGNAME": "anna"}
    environment.find_a_home(found)
    assert found == {"HOME": str(tmp_path), "LOGNAME": "anna"}


def test_a_user_without_a_name_gets_one_that_python_finds() -> None:
    code = (
        "import getpass, os; from mergesearch_evaluator import environment\n"
        "environment.find_a_home(os.environ); print(getpass.getuser())"
    )
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "mergesearch"
