"""One vLLM process and one hf process for all tests of this folder, and the models that they score.

The models are the quickstart's family: given by MERGESEARCH_TEST_FAMILY, a folder that `train_family.py` has written,
or trained here, shorter than for the demo.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from evaluator_support import models, process, tasks
from mergesearch import contract, files, worker

FAMILY_VARIABLE = "MERGESEARCH_TEST_FAMILY"
QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
SCALE = "0.3"
"""Of the demo's training: the checkpoints know something, and not the same."""
CHECKPOINTS = ("reverse", "sort", "next-swap")
SEARCH = contract.SearchRef(name="soup", uid="uid-1")
MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get(FAMILY_VARIABLE)
    if given:
        return Path(given)
    out = tmp_path_factory.mktemp("family")
    program = [sys.executable, str(QUICKSTART / "train_family.py"), "--out", str(out), "--scale", SCALE]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def volumes(family: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The family, and tiny models of other shapes with tasks of their own."""
    workspace, tiny = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("tiny")
    for head in ("tied", "untied", "both", "copied"):
        for seed in (1, 2):
            models.write_model(tiny / f"{head}-{seed}", seed, head=head)
    tasks.write_tasks(tiny / "shared")
    return {"checkpoints": family, "tasks": QUICKSTART / "tasks", "workspace": workspace, "tiny": tiny}


@pytest.fixture(scope="session")
def merge(volumes: dict[str, Path]) -> contract.EvaluationCandidate:
    """The uniform merge of the checkpoints, by the real merger."""
    checkpoints = tuple(
        contract.Checkpoint(name=name, location=contract.VolumePath(volume="checkpoints", path=name))
        for name in CHECKPOINTS
    )
    candidate = contract.MergeCandidate(id="uniform", weights=(1 / len(CHECKPOINTS),) * len(CHECKPOINTS))
    request = contract.MergeRequest(
        version=1, search=SEARCH, checkpoints=checkpoints, candidates=(candidate,), tokenizer_from=CHECKPOINTS[0]
    )
    arguments = [part for name, folder in volumes.items() for part in ("--volume", f"{name}={folder}")]
    program = [str(Path(sys.executable).with_name("mergesearch-merger")), *arguments]
    environment = {**os.environ, worker.REQUEST_VARIABLE: request.to_json()}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return contract.EvaluationCandidate(
        id="uniform",
        model=contract.VolumePath(volume="workspace", path=str(files.merge_folder(SEARCH.uid, "uniform"))),
        merge_hash=request.hash_of(candidate),
    )


@pytest.fixture(scope="session")
def published(
    volumes: dict[str, Path], merge: contract.EvaluationCandidate, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """That merge as `mergesearch export --with-weights` hands it out: a folder of the workspace."""
    claim = {"persistentVolumeClaim": {"claimName": "c"}}
    ready = {"type": "Ready", "status": "False", "reason": "Running", "observedGeneration": 1}
    scored = {"state": "Scored", "fitness": 0.5, "scores": [0.5], "errors": [0.1]}
    resource = {
        "apiVersion": "mergesearch.io/v1alpha1",
        "kind": "MergeSearch",
        "metadata": {"name": SEARCH.name, "uid": SEARCH.uid},
        "spec": {
            "checkpoints": [{"name": name, "path": name} for name in CHECKPOINTS],
            "storage": {"checkpoints": claim, "workspace": claim},
            "objective": {"tasks": [{"name": "toy_reverse", "metric": "exact_match"}]},
        },
        "status": {
            "startTime": "2026-01-01T00:00:00Z",
            "phase": "Baselines",
            "preflightDue": [],
            "baselines": [{"id": merge.id, "kind": "Uniform", "members": [0, 1, 2]} | scored],
            "conditions": [ready | {"lastTransitionTime": "2026-01-01T00:00:00Z"}],
        },
    }
    document = tmp_path_factory.mktemp("status") / "status.yaml"
    document.write_text(yaml.safe_dump(resource))
    out, given = volumes["workspace"] / "published", f"--volume=workspace={volumes['workspace']}"
    program = [str(Path(sys.executable).with_name("mergesearch")), "export", str(document), "--with-weights", given]
    done = subprocess.run(
        [*program, "--candidate", merge.id, "--output", str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out.name


@pytest.fixture(scope="session")
def evaluator(volumes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.ResidentProcess]:
    """One process for both backends: importing lm-eval and torch twice takes longer than both engines."""
    running = process.ResidentProcess(volumes, tmp_path_factory.mktemp("home"))
    yield running
    assert running.end() == 0


@pytest.fixture
def measured(pytestconfig: pytest.Config) -> list[str]:
    """Sentences for the end of the run."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for sentence in config.stash.get(MEASURED, []):
        terminalreporter.write_line(sentence)
