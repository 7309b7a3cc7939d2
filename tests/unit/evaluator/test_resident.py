"""When an engine is kept, when another is started, and what becomes of its errors; engines are doubles."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mergesearch.contract import Engine, VolumePath
from mergesearch.errors import GiveUpError, InvalidRequestError, MergeSearchError, TryAgainError
from mergesearch.reasons import Reason
from mergesearch_evaluator.folders import ModelFolder
from mergesearch_evaluator.resident import Resident

SETTINGS = Engine(backend="hf")


def folder(name: str, *, shape: tuple[int, ...] = (2,), surroundings: str = "same") -> ModelFolder:
    return ModelFolder(Path(name), (), {"tensor": shape}, surroundings)


class EngineDeadError(Exception):
    """As vLLM names the death of its engine."""


@dataclass
class Double:
    """An engine that notes what it is asked, and fails where it is told to."""

    notes: list[str]
    fail: dict[str, Exception] = field(default_factory=dict)
    model: Any = None

    def note(self, what: str, name: str) -> None:
        self.notes.append(f"{what} {name}".strip())
        if what in self.fail:
            raise self.fail[what]

    def start(self, settings: Engine, found: ModelFolder) -> "Double":
        self.note("start", f"{found.path}")
        return self

    def swap(self, found: ModelFolder) -> None:
        self.note("swap", f"{found.path}")

    def close(self) -> None:
        self.note("close", "")


def resident(**fail: Exception) -> tuple[Resident, list[str]]:
    double = Double([], fail)
    return Resident(double.start), double.notes


def silent(_: str) -> None:
    pass


def test_an_engine_takes_one_candidate_after_the_other() -> None:
    engines, notes = resident()
    for name in "abc":
        engines.ready(SETTINGS, folder(name), silent)
    engines.close()
    engines.close()
    assert notes == ["start a", "swap b", "swap c", "close"]


def test_the_same_folder_is_loaded_again_its_files_may_be_others_by_now() -> None:
    engines, notes = resident()
    engines.ready(SETTINGS, folder("a"), silent)
    engines.ready(SETTINGS, folder("a"), silent)
    assert notes == ["start a", "swap a"]


@pytest.mark.parametrize(
    ("settings", "found", "kept"),
    [
        pytest.param({}, folder("b"), True, id="same"),
        pytest.param({}, folder("b", shape=(3,)), False, id="other-shape"),
        pytest.param({}, folder("b", surroundings="other"), False, id="other-tokenizer-or-config"),
        pytest.param({"backend": "vllm"}, folder("b"), False, id="other-backend"),
        pytest.param({"dtype": "float32"}, folder("b"), False, id="other-dtype"),
        pytest.param({"seed": 1}, folder("b"), False, id="other-seed"),
        pytest.param({"engine_args": {"max_length": 4}}, folder("b"), False, id="other-arguments"),
        pytest.param({"batch_size": 4}, folder("b"), False, id="other-batch-size"),
        pytest.param({"max_gen_toks": 4}, folder("b"), True, id="other-length-of-answers"),
        pytest.param(
            {"include_paths": (VolumePath(volume="t", path="."),)}, folder("b"), True, id="other-task-folders"
        ),
    ],
)
def test_an_engine_is_kept_only_for_what_it_was_started_with(
    settings: dict[str, Any], found: ModelFolder, kept: bool
) -> None:
    engines, notes = resident()
    engines.ready(SETTINGS, folder("a"), silent)
    engines.ready(SETTINGS.model_copy(update=settings), found, silent)
    assert notes == (["start a", "swap b"] if kept else ["start a", "close", "start b"])


def test_counted_prompts_stay_with_their_engine() -> None:
    engines, _ = resident()
    engines.ready(SETTINGS, folder("a"), silent).prompt_tokens["prompt"] = 3
    assert engines.ready(SETTINGS, folder("b"), silent).prompt_tokens == {"prompt": 3}
    assert engines.ready(SETTINGS, folder("b", surroundings="other"), silent).prompt_tokens == {}


FAILURES = [
    pytest.param(ImportError("no vllm"), InvalidRequestError, "EngineRefused", id="final"),
    pytest.param(ValueError("Free memory on device cuda:0 (1/80 GiB)"), TryAgainError, "EngineFailed", id="passing"),
    pytest.param(MemoryError("no more"), TryAgainError, "OutOfMemory", id="memory"),
    pytest.param(
        InvalidRequestError("a tensor is missing", reason=Reason.CHECKPOINT_UNREADABLE),
        InvalidRequestError,
        "CheckpointUnreadable",
        id="an-error-of-ours",
    ),
]


@pytest.mark.parametrize(("error", "kind", "reason"), FAILURES)
def test_an_engine_that_does_not_start_says_whether_trying_again_helps(
    error: Exception, kind: type[MergeSearchError], reason: str
) -> None:
    engines, notes = resident(start=error)
    with pytest.raises(kind) as caught:
        engines.ready(SETTINGS, folder("a"), silent)
    assert caught.value.reason == reason
    assert str(error) in caught.value.message
    with pytest.raises(kind):
        engines.ready(SETTINGS, folder("a"), silent)
    assert notes == ["start a", "start a"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(ValueError("odd tensor"), "EngineFailed", id="value"),
        pytest.param(OSError("gone"), "EngineFailed", id="file"),
        pytest.param(RuntimeError("out of memory"), "OutOfMemory", id="memory"),
    ],
)
def test_an_engine_that_could_not_take_weights_is_given_up(error: Exception, reason: str) -> None:
    engines, notes = resident(swap=error)
    engines.ready(SETTINGS, folder("a"), silent)
    with pytest.raises(TryAgainError) as caught:
        engines.ready(SETTINGS, folder("b"), silent)
    assert caught.value.reason == reason
    engines.ready(SETTINGS, folder("b"), silent)
    assert notes == ["start a", "swap b", "close", "start b"]


def failing(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "kind", "closed"),
    [
        pytest.param(RuntimeError("CUDA out of memory"), TryAgainError, True, id="memory"),
        pytest.param(EngineDeadError("gone"), TryAgainError, True, id="engine-died"),
        pytest.param(ZeroDivisionError("the task's own code"), ZeroDivisionError, True, id="anything-else"),
        pytest.param(GiveUpError("nothing to do with it", reason=Reason.METRIC_MISSING), GiveUpError, False, id="ours"),
        pytest.param(TryAgainError("no space", reason=Reason.NO_SPACE), TryAgainError, False, id="ours-that-may-pass"),
    ],
)
def test_after_an_error_in_use_the_engine_goes_unless_it_had_no_part_in_it(
    error: Exception, kind: type[Exception], closed: bool
) -> None:
    engines, notes = resident()
    engines.ready(SETTINGS, folder("a"), silent)
    with pytest.raises(kind):
        engines.use(failing(error))
    assert ("close" in notes) is closed


def test_what_the_engine_is_used_for_is_returned() -> None:
    engines, _ = resident()
    assert engines.use(lambda: 3) == 3
