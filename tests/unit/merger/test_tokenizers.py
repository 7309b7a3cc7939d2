"""Tokenizer files of several formats, whole and damaged, seen through the preflight."""

from pathlib import Path

import pytest

from mergesearch.contract import PreflightCheckpointsReport
from mergesearch.reasons import Reason
from unit.merger import scenes
from unit.merger.scenes import Scene


def seen(scene: Scene) -> PreflightCheckpointsReport:
    (report,) = scene.ask(scene.preflight()).reports
    assert isinstance(report, PreflightCheckpointsReport)
    return report


DAMAGED = {
    "the one that is carried is cut off": ("a", b'{"model": {"voc', "checkpoints/a/tokenizer.json: not JSON"),
    "the one that is carried is a list": ("a", b"[]", "checkpoints/a/tokenizer.json: not a JSON object"),
    "the one that is carried holds no vocabulary": ("a", b"{}", "checkpoints/a/tokenizer.json: model.vocab"),
    "another is cut off": ("b", b'{"model": {"voc', "checkpoints/b/tokenizer.json: not JSON"),
}


@pytest.mark.parametrize(("name", "content", "says"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    scene = scenes.a_scene(tmp_path)
    (scene.checkpoints / name / "tokenizer.json").write_bytes(content)

    failure = seen(scene).failure

    assert failure is not None
    assert failure.reason == Reason.CHECKPOINT_UNREADABLE
    assert says in failure.message


def older_format(scene: Scene, contents: str) -> None:
    for name, content in zip("abc", contents, strict=True):
        (scene.checkpoints / name / "tokenizer.json").unlink()
        (scene.checkpoints / name / "tokenizer.model").write_text(content)


def test_equal_tokenizers_of_an_older_format_are_nothing_to_speak_of(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    older_format(scene, "xxx")

    report = seen(scene)

    assert (report.failure, report.warnings) == (None, ())


def test_tokenizers_of_an_older_format_that_differ_are_a_warning(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    older_format(scene, "xxy")

    report = seen(scene)

    assert report.failure is None
    (warning,) = report.warnings
    assert warning.startswith("checkpoints/c/tokenizer.model: differs from checkpoints/a/tokenizer.model")
