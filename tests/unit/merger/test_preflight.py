"""The merger's half of the preflight: facts from headers, every problem at once, space, searches that are gone."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mergesearch import files
from mergesearch.contract import MergeReport, PreflightCheckpointsReport, PreflightCheckpointsRequest
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger.findings import MESSAGE_CHARACTERS
from mergesearch_merger.settings import Settings
from unit.merger import scenes
from unit.merger.scenes import Scene

NOW = time.time()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scenes.a_scene(tmp_path)


def asked(
    scene: Scene, request: PreflightCheckpointsRequest | None = None, limits: Settings | None = None
) -> PreflightCheckpointsReport:
    answered = scene.ask(request or scene.preflight(), limits)
    assert answered.exit.code == ExitCode.DONE, answered.exit.message
    (report,) = answered.reports
    assert isinstance(report, PreflightCheckpointsReport)
    return report


def fingerprints(scene: Scene) -> list[str]:
    return [facts.fingerprint for facts in asked(scene).checkpoints]


def test_the_report_holds_what_the_headers_say(scene: Scene) -> None:
    request = scene.preflight()

    report = asked(scene, request)

    assert report.failure is None
    assert report.request_hash == request.hash()
    assert [(f.name, f.parameters, f.dtypes) for f in report.checkpoints] == [
        (name, 18, ("BF16",)) for name in ("a", "b", "c")
    ]
    assert report.checkpoints[0].bytes == (scene.checkpoints / "a" / "model.safetensors").stat().st_size
    assert report.model_type == "llama"
    assert report.free_bytes == scene.free


def test_the_size_that_it_foretells_covers_what_a_merge_takes(scene: Scene) -> None:
    foretold = asked(scene).output_bytes

    scene.ask(scene.request())

    taken = sum(path.stat().st_size for path in scene.merged().iterdir())
    assert taken <= foretold <= taken + 2**20


def test_it_foretells_what_a_batch_reads_and_holds(scene: Scene) -> None:
    limits = Settings(threads=2, memory_bytes=2**30)
    alone, batch = (asked(scene, scene.preflight().model_copy(update={"batch": n}), limits) for n in (1, 8))

    (merge,) = scene.ask(scene.request(), limits).reports

    assert isinstance(merge, MergeReport)
    assert alone.read_bytes == batch.read_bytes == merge.bytes_read
    assert 0 < alone.memory_bytes < batch.memory_bytes < 2**30


def test_too_little_memory_for_a_batch_is_told_before_the_first_merge(scene: Scene) -> None:
    limits = Settings(threads=2, memory_bytes=68 * 2**20)
    alone, batch = (asked(scene, scene.preflight().model_copy(update={"batch": n}), limits) for n in (1, 8))

    weights = [scene.weights] * 8
    refused = scene.ask(scenes.a_request("abc", *weights), limits).exit

    assert alone.failure is None
    assert batch.failure is not None
    assert (batch.failure.reason, batch.failure.transient) == (Reason.OUT_OF_MEMORY, False)
    assert refused.reason == Reason.OUT_OF_MEMORY
    assert "68 MiB of memory are too little: a merge of 3 inputs with 8 candidates" in batch.failure.message
    assert batch.failure.message.partition(";")[0] == refused.message.partition(";")[0]
    assert batch.memory_bytes == 0


def test_all_problems_of_all_checkpoints_stand_in_one_message(scene: Scene) -> None:
    shutil.rmtree(scene.checkpoints / "a")
    os.truncate(scene.checkpoints / "b" / "model.safetensors", 100)
    (scene.checkpoints / "c" / "config.json").unlink()

    report = asked(scene)

    assert report.failure is not None
    assert report.failure.reason == Reason.CHECKPOINT_MISSING
    assert not report.failure.transient
    lines = report.failure.message.splitlines()
    assert [name for line, name in zip(lines, "abc", strict=True) if f"checkpoints/{name}" in line] == ["a", "b", "c"]


def test_a_message_that_would_be_too_long_says_how_much_was_left_out(scene: Scene) -> None:
    base = scene.request().checkpoints[0]
    many = tuple(
        base.model_copy(
            update={
                "name": f"checkpoint-{number}",
                "location": base.location.model_copy(update={"path": f"{number}-" + "x" * 60}),
            }
        )
        for number in range(64)
    )

    report = asked(scene, scene.preflight().model_copy(update={"checkpoints": many, "tokenizer_from": "checkpoint-0"}))

    assert report.failure is not None
    assert len(report.failure.message) <= MESSAGE_CHARACTERS
    shown = report.failure.message.splitlines()
    assert shown[-1] == f"and {64 - (len(shown) - 1)} more problems"


WARNINGS = {
    "another rope base": ("config.json", {"rope_theta": 1e6}, "rope_theta is 1000000.0, in checkpoints/a 10000.0"),
    "a longer context": ("config.json", {"max_position_embeddings": 8192}, "max_position_embeddings is 8192"),
    "a token more": (
        "tokenizer.json",
        scenes.tokenizer((*scenes.VOCABULARY, "<tool>")),
        "has 1 token that the other tokenizer lacks: '<tool>'",
    ),
    "no tokenizer": ("tokenizer.json", None, "its vocabulary could not be compared"),
}


@pytest.mark.parametrize(("file", "changes", "says"), WARNINGS.values(), ids=WARNINGS)
def test_differences_between_relatives_are_warnings(
    scene: Scene, file: str, changes: dict[str, object] | None, says: str
) -> None:
    for name in "abc":
        scenes.edit_json(scene.checkpoints / name / "config.json", rope_theta=1e4, max_position_embeddings=4096)
    path = scene.checkpoints / "b" / file
    if changes is None:
        path.unlink()
    else:
        scenes.edit_json(path, **changes)

    report = asked(scene)

    assert report.failure is None
    (warning,) = report.warnings
    assert says in warning


def test_keys_that_only_one_config_holds_are_not_compared(scene: Scene) -> None:
    scenes.edit_json(scene.checkpoints / "b" / "config.json", num_key_value_heads=1, rope_theta=1e4)

    assert asked(scene).warnings == ()


# --- Fingerprints ---


def test_fingerprints_stay_while_nothing_changes_and_tell_checkpoints_apart(scene: Scene) -> None:
    first = fingerprints(scene)

    assert fingerprints(scene) == first
    assert len(set(first)) == 3


def test_a_moved_folder_keeps_its_fingerprint(scene: Scene) -> None:
    first = fingerprints(scene)
    (scene.checkpoints / "b").rename(scene.checkpoints / "moved")
    b = scene.request().checkpoints[1]
    moved = b.model_copy(update={"location": b.location.model_copy(update={"path": "moved"})})
    request = scene.preflight().model_copy(update={"checkpoints": (moved,), "tokenizer_from": "b"})

    assert [facts.fingerprint for facts in asked(scene, request).checkpoints] == [first[1]]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_other_content_changes_the_fingerprint_and_a_restored_copy_does_not(scene: Scene, file: str) -> None:
    first = fingerprints(scene)
    path = scene.checkpoints / "b" / file
    content = path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
    assert fingerprints(scene) == first
    # White space in a text, the last bit of the last weight.
    last = bytes([content[-1] ^ 1])
    path.write_bytes(content[:-1] + last if file.endswith(".safetensors") else content + b"\n")

    assert [one != other for one, other in zip(first, fingerprints(scene), strict=True)] == [False, True, False]


# --- Space ---


def test_space_is_asked_for_all_merges_that_may_lie_there_at_once(scene: Scene) -> None:
    one = asked(scene).output_bytes
    small = replace(scene, free=3 * one)

    fits = asked(small, small.preflight().model_copy(update={"outputs": 3}))
    too_small = asked(small, small.preflight().model_copy(update={"outputs": 4}))

    assert fits.failure is None
    assert too_small.failure is not None
    assert (too_small.failure.reason, too_small.failure.transient) == (Reason.NO_SPACE, True)
    assert "4 merges" in too_small.failure.message
    assert f"need {4 * one}; {3 * one} bytes are free, so {one} are missing" in too_small.failure.message


def test_merges_that_the_search_has_written_already_are_counted(scene: Scene) -> None:
    one = asked(scene).output_bytes
    scene.ask(scene.request())
    written = (scene.merged() / "model.safetensors").stat().st_size

    small = replace(scene, free=2 * one - written)
    assert asked(small, small.preflight().model_copy(update={"outputs": 2})).failure is None
    short = asked(replace(small, free=small.free - 7), small.preflight().model_copy(update={"outputs": 2})).failure
    assert short is not None
    assert f"need {2 * one}, of which {written} are written; {small.free - 7} bytes are free" in short.message
    assert short.message.endswith(", so 7 are missing")


# --- Searches that are gone ---


def a_search(scene: Scene, uid: str, *, begun: float, marker_uid: str | None = None) -> Path:
    folder = files.claim_search_folder(scene.workspace, uid, "some search")
    (folder / "merges" / "g0-0").mkdir(parents=True)
    (folder / "merges" / "g0-0" / "model.safetensors").write_bytes(b"weights")
    if marker_uid is not None:
        scenes.edit_json(folder / files.MARKER, uid=marker_uid)
    os.utime(folder / files.MARKER, (begun, begun))
    return folder


def preflight_knowing(scene: Scene, *living: str, as_of: float | None = NOW) -> PreflightCheckpointsRequest:
    return scene.preflight().model_copy(update={"living_searches": living, "living_as_of": as_of})


def test_folders_of_searches_that_are_gone_are_removed_and_those_of_the_living_stay(scene: Scene) -> None:
    gone, living = (a_search(scene, uid, begun=NOW - 1000) for uid in ("gone-1", "living-1"))

    asked(scene, preflight_knowing(scene, "living-1"))

    assert not gone.exists()
    assert (living / "merges" / "g0-0" / "model.safetensors").is_file()
    assert (scene.workspace / scenes.SEARCH.uid).is_dir(), "its own folder stays, though it is not in the list"


def test_nothing_is_removed_while_nobody_knows_which_searches_live(scene: Scene) -> None:
    folder = a_search(scene, "gone-1", begun=0)

    asked(scene)

    assert folder.is_dir()


def test_a_search_that_began_after_the_list_was_read_is_spared(scene: Scene) -> None:
    newer = a_search(scene, "newer", begun=NOW)

    asked(scene, preflight_knowing(scene, as_of=NOW - 1000))

    assert newer.is_dir()


def test_a_list_of_unknown_age_removes_only_what_is_older_than_a_day(scene: Scene) -> None:
    young = a_search(scene, "young", begun=NOW - 3600)
    old = a_search(scene, "old", begun=NOW - 2 * 86400)

    asked(scene, preflight_knowing(scene, as_of=None))

    assert young.is_dir()
    assert not old.exists()


def test_folders_without_a_marker_of_their_own_name_are_nobodys_to_remove(scene: Scene) -> None:
    renamed = a_search(scene, "copy-of-gone", begun=0, marker_uid="gone")
    plain = scene.workspace / "datasets"
    plain.mkdir()
    outside = scene.root / "outside"
    (scene.root / "elsewhere").mkdir()
    real = files.claim_search_folder(scene.root / "elsewhere", "outside", "x")
    os.utime(real / files.MARKER, (0, 0))
    (scene.workspace / "outside").symlink_to(real)
    garbled = scene.workspace / "garbled"
    garbled.mkdir()
    (garbled / files.MARKER).write_text("{")

    asked(scene, preflight_knowing(scene))

    assert renamed.is_dir()
    assert plain.is_dir()
    assert garbled.is_dir()
    assert (real / files.MARKER).is_file()
    assert not outside.exists()


def test_a_removal_that_was_cut_off_is_completed(scene: Scene) -> None:
    folder = a_search(scene, "gone-1", begun=0)
    shutil.rmtree(folder / "merges")
    (folder / "stray").symlink_to(scene.checkpoints)

    asked(scene, preflight_knowing(scene))

    assert not folder.exists()
    assert (scene.checkpoints / "a").is_dir(), "a symlink is removed, not followed"
