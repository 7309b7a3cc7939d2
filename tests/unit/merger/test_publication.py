"""What a merge leaves on the workspace: whole or not at all, found again, replaced, withdrawn."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mergesearch import contract, files, worker
from mergesearch.contract import MergeReport, MergeRequest, Report, SearchRef
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger import digests
from mergesearch_merger.main import Merger
from mergesearch_merger.record import MergeRecord
from mergesearch_merger.settings import Settings
from unit.merger import scenes
from unit.merger.scenes import Scene

HALVES = (0.5, 0.5, 0.0)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scenes.a_scene(tmp_path)


def only_report(answered: scenes.Answered) -> MergeReport:
    (report,) = answered.reports
    assert isinstance(report, MergeReport)
    return report


def record_of(folder: Path) -> MergeRecord:
    return MergeRecord.model_validate_json((folder / files.MERGE_RECORD).read_text())


def kept(request: MergeRequest) -> MergeRequest:
    candidates = tuple(candidate.model_copy(update={"keep": True}) for candidate in request.candidates)
    return request.model_copy(update={"candidates": candidates})


def stored_report(scene: Scene, candidate: str = "g0-0") -> Path:
    return scene.workspace / files.merge_report(scenes.SEARCH.uid, candidate)


# --- What is published ---


def test_a_merge_is_a_whole_hugging_face_folder_with_its_record(scene: Scene) -> None:
    request = scenes.a_request("abc", HALVES)

    answered = scene.ask(request)

    assert sorted(path.name for path in scene.merged().iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "merge.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    record = record_of(scene.merged())
    assert record.request_hash == request.hash_of(request.candidates[0])
    assert record.weights == {"a": 0.5, "b": 0.5, "c": 0.0}
    assert record.shards[0].bytes == (scene.merged() / "model.safetensors").stat().st_size
    assert {"mergesearch", "numpy", "python"} <= record.versions.keys()
    report = only_report(answered)
    assert report.request_hash == record.request_hash
    assert report.parameters == record.parameters == 18
    assert report.bytes_written == record.bytes
    assert not report.reused
    assert report.peak_bytes > 2**20
    assert MergeReport.model_validate_json(stored_report(scene).read_text()) == report


def test_the_named_checkpoint_gives_config_tokenizer_and_chat_template(scene: Scene) -> None:
    (scene.checkpoints / "b" / "chat_template.jinja").write_text("of b")
    (scene.checkpoints / "b" / "generation_config.json").write_text('{"do_sample": false}')
    (scene.checkpoints / "b" / "training_args.bin").write_text("not of the model")
    (scene.checkpoints / "b" / "modeling_own.py").write_text("not referred to")

    scene.ask(scenes.a_request("abc", HALVES, tokenizer_from="b"))

    assert (scene.merged() / "chat_template.jinja").read_text() == "of b"
    assert (scene.merged() / "generation_config.json").read_text() == '{"do_sample": false}'
    assert not (scene.merged() / "training_args.bin").exists()
    assert not (scene.merged() / "modeling_own.py").exists()


def test_it_may_be_one_that_has_no_weight_in_the_merge(scene: Scene) -> None:
    (scene.checkpoints / "c" / "chat_template.jinja").write_text("of c")

    assert scene.ask(scenes.a_request("abc", HALVES, tokenizer_from="c")).exit.code == ExitCode.DONE
    assert (scene.merged() / "chat_template.jinja").read_text() == "of c"


DTYPE_KEYS = {
    "torch_dtype": ({"torch_dtype": "float32"}, {"torch_dtype": "float16"}),
    "dtype": ({"dtype": "float32"}, {"dtype": "float16"}),
    "neither": ({}, {"torch_dtype": "float16"}),
    "nested": (
        {"dtype": "float32", "text_config": {"dtype": "float32", "layers": 2}},
        {"dtype": "float16", "text_config": {"dtype": "float16", "layers": 2}},
    ),
}


@pytest.mark.parametrize(("before", "after"), DTYPE_KEYS.values(), ids=DTYPE_KEYS)
def test_the_config_names_the_dtype_of_the_output(
    scene: Scene, before: dict[str, object], after: dict[str, object]
) -> None:
    rest = {key: value for key, value in scenes.CONFIG.items() if key != "torch_dtype"}
    for name in "abc":
        scenes.write_json(scene.checkpoints / name / "config.json", {**rest, **before})

    scene.ask(scenes.a_request("abc", HALVES, dtype="float16"))

    assert json.loads((scene.merged() / "config.json").read_text()) == {**rest, **after}


def test_code_that_the_config_refers_to_is_carried_along(scene: Scene) -> None:
    (scene.checkpoints / "a" / "modeling_own.py").write_text("class Own: ...")
    scenes.edit_json(scene.checkpoints / "a" / "config.json", auto_map={"AutoModel": "modeling_own.Own"})

    scene.ask(scenes.a_request("abc", HALVES))

    assert (scene.merged() / "modeling_own.py").read_text() == "class Own: ..."


# --- Digests ---


def test_a_merge_that_is_kept_carries_digests_of_what_lies_on_the_disk(scene: Scene) -> None:
    limits = Settings(threads=2, chunk_bytes=64, tile_bytes=8)

    report = only_report(scene.ask(kept(scenes.a_request("abc", HALVES, max_shard_bytes=1024)), limits))

    record = record_of(scene.merged())
    found = [
        (shard.file, shard.bytes, digests.of_file(scene.merged() / shard.file, record.digest_chunk_bytes))
        for shard in record.shards
    ]
    assert [shard.digest for shard in record.shards] == [digest for _, _, digest in found]
    assert record.weights_digest == report.weights_digest == digests.of_weights(found)


def test_the_digest_notices_a_flipped_bit(scene: Scene) -> None:
    scene.ask(kept(scenes.a_request("abc", HALVES)))
    path = scene.merged() / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    record = record_of(scene.merged())
    assert digests.of_file(path, record.digest_chunk_bytes) != record.shards[0].digest


def test_a_finished_merge_that_is_to_be_kept_from_now_on_gets_its_digests_without_being_merged_again(
    scene: Scene,
) -> None:
    request = scenes.a_request("abc", HALVES)
    transient = only_report(scene.ask(request))
    inode = (scene.merged() / "model.safetensors").stat().st_ino

    report = only_report(scene.ask(kept(request)))

    assert transient.weights_digest is None
    assert report.reused
    assert report.weights_digest == record_of(scene.merged()).weights_digest is not None
    assert (scene.merged() / "model.safetensors").stat().st_ino == inode
    assert only_report(scene.ask(request)).weights_digest == report.weights_digest


# --- Found again, or not ---


def test_the_same_request_again_returns_the_same_report_and_touches_nothing(scene: Scene) -> None:
    first = only_report(scene.ask(scenes.a_request("abc", HALVES)))
    before = (scene.merged() / "model.safetensors").stat()
    shutil.rmtree(scene.checkpoints)
    scene.checkpoints.mkdir()

    second = only_report(scene.ask(scenes.a_request("abc", HALVES)))

    assert second == first.model_copy(update={"reused": True})
    assert (scene.merged() / "model.safetensors").stat().st_mtime_ns == before.st_mtime_ns


def test_a_lost_report_is_written_again_from_the_record(scene: Scene) -> None:
    first = only_report(scene.ask(scenes.a_request("abc", HALVES)))
    stored_report(scene).unlink()

    second = only_report(scene.ask(scenes.a_request("abc", HALVES)))

    assert second.reused
    assert (second.parameters, second.bytes_written) == (first.parameters, first.bytes_written)
    assert stored_report(scene).is_file()


def shorten(folder: Path) -> None:
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size - 1)


def garble(folder: Path) -> None:
    (folder / "merge.json").write_text('{"version": 1, "requestH')


TORN: dict[str, Callable[[Path], None]] = {
    "a short weight file": shorten,
    "no weight file": lambda folder: (folder / "model.safetensors").unlink(),
    "no record": lambda folder: (folder / "merge.json").unlink(),
    "half a record": garble,
}


@pytest.mark.parametrize("tear", TORN.values(), ids=TORN)
def test_a_torn_folder_is_merged_again(scene: Scene, tear: Callable[[Path], None]) -> None:
    scene.ask(scenes.a_request("abc", HALVES))
    whole = (scene.merged() / "model.safetensors").read_bytes()
    tear(scene.merged())

    report = only_report(scene.ask(scenes.a_request("abc", HALVES)))

    assert not report.reused
    assert (scene.merged() / "model.safetensors").read_bytes() == whole
    assert scene.leftovers() == ["g0-0"]


def test_the_folder_of_another_request_is_replaced(scene: Scene) -> None:
    scene.ask(scenes.a_request("abc", HALVES))
    (scene.merged() / "of-the-old-one").write_text("")
    other = scenes.a_request("abc", (0.25, 0.75, 0.0))

    report = only_report(scene.ask(other))

    assert not report.reused
    assert record_of(scene.merged()).request_hash == other.hash_of(other.candidates[0])
    assert not (scene.merged() / "of-the-old-one").exists()
    assert scene.leftovers() == ["g0-0"]


def test_only_what_is_missing_of_a_batch_is_merged(scene: Scene) -> None:
    scene.ask(scenes.a_request("abc", HALVES))

    answered = scene.ask(scenes.a_request("abc", HALVES, (0.0, 0.5, 0.5)))

    assert [(r.candidate, r.reused) for r in answered.reports if isinstance(r, MergeReport)] == [
        ("g0-0", True),
        ("g0-1", False),
    ]


# --- Failures and interruptions ---


def test_one_bad_candidate_does_not_spoil_its_batch(scene: Scene) -> None:
    entries = {**scenes.tensors(3.0), scenes.NORM: ("BF16", (2,), scenes.bf16([float("nan"), float("inf")]))}
    (scene.checkpoints / "c" / "model.safetensors").write_bytes(scenes.file_content(entries))

    answered = scene.ask(scenes.a_request("abc", HALVES, (0.0, 0.5, 0.5), (1.0, 0.0, 0.0)))

    failures = [r.failure for r in answered.reports if isinstance(r, MergeReport)]
    assert answered.exit.code == ExitCode.DONE
    assert [failure is None for failure in failures] == [True, False, True]
    assert failures[1] is not None
    assert failures[1].reason == Reason.NON_FINITE_WEIGHTS
    assert not failures[1].transient
    assert "1 NaN and 1 infinite weights in 1 tensor" in failures[1].message
    assert "'checkpoints/c'" in failures[1].message
    assert scene.leftovers() == ["g0-0", "g0-2"]
    assert MergeReport.model_validate_json(stored_report(scene, "g0-1").read_text()).failure == failures[1]


def test_a_failed_candidate_leaves_no_older_weights_behind(scene: Scene) -> None:
    scene.ask(scenes.a_request("abc", HALVES))
    entries = {**scenes.tensors(3.0), scenes.NORM: ("BF16", (2,), scenes.bf16([float("nan"), 1.0]))}
    (scene.checkpoints / "c" / "model.safetensors").write_bytes(scenes.file_content(entries))

    answered = scene.ask(scenes.a_request("abc", (0.0, 0.0, 1.0)))

    assert answered.exit.code == ExitCode.INVALID_CANDIDATE
    assert scene.leftovers() == []


def test_an_interrupted_batch_keeps_what_it_has_published_and_nothing_else(scene: Scene) -> None:
    request = scenes.a_request("abc", HALVES, (0.0, 0.5, 0.5))
    published: list[Report] = []

    def stop_after_the_first(report: Report) -> None:
        published.append(report)
        raise worker.Interruption("asked to stop")

    end = worker.answer(
        Merger(Settings(threads=1)), request.to_json(), scene.volumes(), stop_after_the_first, lambda _text: None
    )

    assert end.code == ExitCode.INTERRUPTED
    assert scene.leftovers() == ["g0-0"]
    assert [r.reused for r in scene.ask(request).reports if isinstance(r, MergeReport)] == [True, False]


def test_a_checkpoint_that_changes_while_it_is_merged_is_noticed(scene: Scene) -> None:
    def touch_and_measure(_folder: Path) -> int:
        os.utime(scene.checkpoints / "b" / "model.safetensors", ns=(0, 0))
        return 10**12

    limits = Settings(threads=1, free_bytes=touch_and_measure)
    request = scenes.a_request("abc", HALVES)
    end = worker.answer(Merger(limits), request.to_json(), scene.volumes(), lambda _r: None, lambda _t: None)

    assert (end.code, end.reason) == (ExitCode.INVALID_REQUEST, Reason.CHECKPOINT_CHANGED)
    assert "'checkpoints/b/model.safetensors': changed while being merged" in end.message
    assert scene.leftovers() == []


def test_a_checkpoint_that_is_cut_off_while_it_is_merged_is_noticed(scene: Scene) -> None:
    def cut_and_measure(_folder: Path) -> int:
        os.truncate(scene.checkpoints / "b" / "model.safetensors", 290)
        return 10**12

    limits = Settings(threads=2, free_bytes=cut_and_measure)
    request = scenes.a_request("abc", HALVES)
    end = worker.answer(Merger(limits), request.to_json(), scene.volumes(), lambda _r: None, lambda _t: None)

    assert (end.code, end.reason) == (ExitCode.INVALID_REQUEST, Reason.CHECKPOINT_CHANGED)
    assert "checkpoints/b/model.safetensors: ends at byte 290; it had 300 when" in end.message
    assert scene.leftovers() == []


def test_a_batch_needs_space_for_all_its_candidates_that_are_not_there_yet(scene: Scene) -> None:
    request = scenes.a_request("abc", HALVES, (0.0, 0.5, 0.5))
    for_one = replace(scene, free=2**20 + 1000)

    refused = for_one.ask(request)
    scene.ask(scenes.a_request("abc", HALVES))
    allowed = for_one.ask(request)

    assert (refused.exit.code, refused.exit.reason) == (ExitCode.NO_SPACE, Reason.NO_SPACE)
    assert "2 merges" in refused.exit.message
    assert allowed.exit.code == ExitCode.DONE


# --- Fingerprints ---


def test_a_checkpoint_as_the_preflight_saw_it_is_merged_and_an_overwritten_one_refused(scene: Scene) -> None:
    (facts,) = scene.ask(scene.preflight()).reports
    assert isinstance(facts, contract.PreflightCheckpointsReport)
    checkpoints = tuple(
        checkpoint.model_copy(update={"fingerprint": fact.fingerprint})
        for checkpoint, fact in zip(scene.request().checkpoints, facts.checkpoints, strict=True)
    )

    before = scene.ask(scenes.a_request("abc", HALVES, checkpoints=checkpoints))
    scenes.write_checkpoint(scene.checkpoints / "b", scenes.tensors(5.0))
    after = scene.ask(scenes.a_request("abc", (0.25, 0.75, 0.0), checkpoints=checkpoints))

    assert before.exit.code == ExitCode.DONE
    assert (after.exit.code, after.exit.reason) == (ExitCode.INVALID_REQUEST, Reason.CHECKPOINT_CHANGED)


# --- Removal ---


def test_what_is_pruned_goes_before_anything_is_merged(scene: Scene) -> None:
    scene.ask(scenes.a_request("abc", HALVES, (0.0, 0.5, 0.5)))
    small = replace(scene, free=0)

    refused = small.ask(scenes.a_request("abc", (0.25, 0.75, 0.0), prune=("g0-1", "g9-9")))

    assert refused.exit.code == ExitCode.NO_SPACE
    assert scene.leftovers() == ["g0-0"]
    assert stored_report(scene, "g0-1").is_file()


def test_a_cleanup_removes_the_listed_merges_and_says_which_were_there(scene: Scene) -> None:
    scene.ask(scenes.a_request("abc", HALVES, (0.0, 0.5, 0.5)))
    request = contract.CleanupRequest(version=1, search=scenes.SEARCH, prune=("g0-0", "g7-0"))

    (report,) = scene.ask(request).reports

    assert isinstance(report, contract.CleanupReport)
    assert report.removed == ("g0-0",)
    assert report.request_hash == request.hash()
    assert scene.leftovers() == ["g0-1"]


def test_a_cleanup_of_a_search_that_never_wrote_removes_nothing(scene: Scene) -> None:
    stranger = SearchRef(name="other", uid="77")

    (report,) = scene.ask(contract.CleanupRequest(version=1, search=stranger, prune=("g0-0",))).reports

    assert isinstance(report, contract.CleanupReport)
    assert report.removed == ()


def test_a_request_for_the_evaluator_is_refused(scene: Scene) -> None:
    request = contract.CompareRequest(
        version=1,
        search=scenes.SEARCH,
        finalists=(contract.CompareCandidate(id="g0-0", evaluation_hash="0" * 64),),
        tasks=("t",),
        task_weights=(1.0,),
    )

    answered = scene.ask(request)

    assert (answered.exit.code, answered.exit.reason) == (ExitCode.INVALID_REQUEST, Reason.MALFORMED_REQUEST)
    assert "'compare'" in answered.exit.message


def test_a_candidate_that_stands_twice_is_refused(scene: Scene) -> None:
    request = scenes.a_request("abc", HALVES)
    twice = request.model_copy(update={"candidates": request.candidates * 2})

    answered = scene.ask(twice)

    assert answered.exit.reason == Reason.MALFORMED_REQUEST
    assert "'g0-0'" in answered.exit.message
