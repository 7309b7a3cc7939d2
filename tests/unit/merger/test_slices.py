"""Several processes that share a merge: the same bytes, whatever dies, and one of them publishes."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch import contract, files, worker
from mergesearch.contract import MergeReport, MergeRequest
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger import compiled, inspection, layout
from mergesearch_merger import slices as merger_slices
from mergesearch_merger.layout import OutputTensor
from mergesearch_merger.main import Merger
from mergesearch_merger.parts import Parts
from mergesearch_merger.settings import Settings
from unit.merger import scenes
from unit.merger.scenes import Scene

WEIGHTS = (0.25, 0.5, 0.25)
COUNT = 3


def own(index: int, count: int | None = None) -> Settings:
    """The limits of one process among several."""
    return Settings(threads=1, slice=(index, count))


def shared(slices: int = COUNT) -> MergeRequest:
    """A request whose output has a shard for each tensor, to be written by COUNT processes."""
    return scenes.a_request("abc", WEIGHTS, slices=slices, max_shard_bytes=1024)


def keep(request: MergeRequest) -> MergeRequest:
    candidates = tuple(candidate.model_copy(update={"keep": True}) for candidate in request.candidates)
    return request.model_copy(update={"candidates": candidates})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def parts(scene: Scene) -> Parts:
    request = shared()
    found = inspection.inspect(request.checkpoints, scene.volumes(), "a").checkpoints
    prints = {checkpoint.name: checkpoint.fingerprint for checkpoint in found}
    return Parts(scene.workspace, request, request.candidates[0], prints, own(0))


def tensors(base: float) -> dict[str, scenes.Entry]:
    """Those of the small model, and some that fill a shard each."""
    layers = {f"model.layers.{n}.weight": ("BF16", (512,), scenes.bf16([base + n] * 512)) for n in range(4)}
    return {**scenes.tensors(base), **layers}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = scenes.a_scene(tmp_path / "sliced")
    for number, name in enumerate("abc", start=1):
        scenes.write_checkpoint(scene.checkpoints / name, tensors(float(number)))
    return scene


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The files of the same merge, written by one process."""
    scene = scenes.a_scene(tmp_path / "whole")
    for name in "abc":
        shutil.rmtree(scene.checkpoints / name)
        shutil.copytree(tmp_path / "sliced" / "checkpoints" / name, scene.checkpoints / name)
    assert scene.ask(keep(shared(slices=1))).exit.code == ExitCode.DONE
    return contents(scene.merged())


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40), st.integers(1, 12))
def test_every_shard_belongs_to_one_slice_and_none_is_much_larger_than_its_share(sizes: list[int], count: int) -> None:
    tensors = [OutputTensor(f"t{number}", "U8", (size,)) for number, size in enumerate(sizes)]
    found = layout.lay_out(tensors, 1)

    taken = [merger_slices.shards(found, index, count) for index in range(count)]

    assert sorted(number for some in taken for number in some) == list(range(len(found.shards)))
    largest = max(shard.size for shard in found.shards)
    for some in taken:
        assert sum(found.shards[number].size for number in some) <= found.size / count + largest
        assert not some or sorted(some) == list(range(min(some), max(some) + 1)), "neighbours"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=str)
def test_the_last_slice_publishes_the_bytes_of_a_whole_merge(
    scene: Scene, whole: dict[str, bytes], order: tuple[int, ...]
) -> None:
    request = keep(shared())

    answered = [scene.ask(request, own(index)) for index in order]

    assert [one.exit.code for one in answered] == [ExitCode.DONE] * COUNT
    assert [len(one.reports) for one in answered] == [0, 0, 1]
    assert contents(scene.merged()) == whole
    assert scene.leftovers() == ["g0-0"]


def test_its_record_names_all_that_summed(scene: Scene, tmp_path: Path) -> None:
    request = keep(shared())
    without = tmp_path / "no-library.so"

    for index in range(COUNT):
        scene.ask(request, replace(own(index), library=without) if index else own(index))

    kernels = "compiled, numpy" if compiled.LIBRARY.is_file() else "numpy"
    assert json.loads((scene.merged() / files.MERGE_RECORD).read_bytes())["versions"]["kernel"] == kernels


def test_its_report_tells_of_all_slices(scene: Scene) -> None:
    request = keep(shared())
    for index in range(COUNT - 1):
        scene.ask(request, own(index))

    (report,) = scene.ask(request, own(COUNT - 1)).reports

    assert isinstance(report, MergeReport)
    assert report.bytes_read == 3 * (36 + 4 * 1024)
    assert report.parameters == 18 + 4 * 512
    assert report.weights_digest is not None
    stored = scene.workspace / files.merge_report(scenes.SEARCH.uid, "g0-0")
    assert MergeReport.model_validate_json(stored.read_text()) == report


def test_a_batch_is_shared_as_well_and_an_empty_slice_has_nothing_to_do(scene: Scene) -> None:
    wanted = (WEIGHTS, (1.0, 0.0, 0.0))
    request = scenes.a_request("abc", *wanted, slices=2 * COUNT, max_shard_bytes=1024)

    answered = [scene.ask(request, own(index)) for index in range(2 * COUNT)]

    assert [len(one.reports) for one in answered] == [0] * (2 * COUNT - 1) + [2]
    assert scene.leftovers() == ["g0-0", "g0-1"]
    for number in range(2):
        sliced = contents(scene.merged(f"g0-{number}"))
        shutil.rmtree(scene.merged(f"g0-{number}"))
        scene.ask(request.model_copy(update={"slices": 1}))
        alone = contents(scene.merged(f"g0-{number}"))
        assert {name: sliced[name] for name in sliced} == alone


def test_a_slice_that_is_there_is_not_written_again(scene: Scene) -> None:
    scene.ask(shared(), own(0))
    before = {path: path.stat().st_ino for path in parts(scene).place(0).iterdir()}

    again = scene.ask(shared(), own(0))

    assert again.exit.code == ExitCode.DONE
    assert {path: path.stat().st_ino for path in parts(scene).place(0).iterdir()} == before


def test_a_torn_slice_is_written_again(scene: Scene, whole: dict[str, bytes]) -> None:
    request = keep(shared())
    scene.ask(request, own(0))
    next(parts(scene).place(0).glob("*.safetensors")).write_bytes(b"short")
    for index in (1, 2):
        assert scene.ask(request, own(index)).reports == ()

    (report,) = scene.ask(request, own(0)).reports

    assert report.failure is None
    assert contents(scene.merged()) == whole


def test_a_slice_after_everything_is_published_reports_it_again(scene: Scene) -> None:
    for index in range(COUNT):
        scene.ask(shared(), own(index))

    (report,) = scene.ask(shared(), own(0)).reports

    assert isinstance(report, MergeReport)
    assert report.reused


def test_what_another_process_still_writes_is_not_published(scene: Scene, whole: dict[str, bytes]) -> None:
    request = keep(shared())
    for index in range(COUNT - 1):
        scene.ask(request, own(index))
    late = parts(scene).folder / ".tmp-slice-0-of-an-old-pod"
    late.mkdir()
    (late / "model-00001-of-00005.safetensors").write_bytes(b"half")

    scene.ask(request, own(COUNT - 1))

    assert contents(scene.merged()) == whole


def test_a_second_pod_of_a_slice_leaves_the_first_ones_alone_and_ends_well(scene: Scene) -> None:
    """As after a lost node: both have begun, one is done before the other."""
    during: list[int] = []

    def meanwhile(_folder: Path) -> int:
        if not during:
            during.append(1)
            assert scene.ask(shared(), own(0)).exit.code == ExitCode.DONE
            during.append(parts(scene).place(0).stat().st_ino)
        return 10**12

    document = shared().to_json()
    limits = replace(own(0), free_bytes=meanwhile)
    end = worker.answer(Merger(limits), document, scene.volumes(), lambda _report: None, lambda _line: None)

    assert end.code == ExitCode.DONE
    assert parts(scene).place(0).stat().st_ino == during[1]
    assert sorted(path.name for path in parts(scene).folder.iterdir()) == ["slice-0"]


def test_a_slice_that_ends_after_another_pod_of_it_has_published_the_merge_ends_well(
    scene: Scene, whole: dict[str, bytes]
) -> None:
    request = keep(shared())
    for index in range(COUNT - 1):
        scene.ask(request, own(index))
    asked: list[int] = []

    def meanwhile(_folder: Path) -> int:
        if not asked:
            asked.append(1)
            assert len(scene.ask(request, own(COUNT - 1)).reports) == 1
        return 10**12

    limits = replace(own(COUNT - 1), free_bytes=meanwhile)
    end = worker.answer(Merger(limits), request.to_json(), scene.volumes(), lambda _report: None, lambda _line: None)

    assert end.code == ExitCode.DONE
    assert contents(scene.merged()) == whole
    assert scene.leftovers() == ["g0-0"]


def test_slices_stay_when_putting_them_together_fails(scene: Scene, whole: dict[str, bytes]) -> None:
    request = keep(shared())
    for index in range(COUNT - 1):
        scene.ask(request, own(index))
    companion = scene.checkpoints / "a" / "chat_template.jinja"
    text = companion.read_text()

    def lose_a_companion(report: object) -> int:
        del report
        companion.unlink()
        return 10**12

    limits = replace(own(COUNT - 1), free_bytes=lose_a_companion)
    end = worker.answer(Merger(limits), request.to_json(), scene.volumes(), lambda _report: None, lambda _line: None)
    there = sorted(path.name for path in parts(scene).folder.iterdir())
    companion.write_text(text)
    again = scene.ask(request, own(0))

    assert end.code == ExitCode.TRANSIENT
    assert there == [f"slice-{index}" for index in range(COUNT)]
    assert len(again.reports) == 1
    assert contents(scene.merged()) == whole


def test_a_batch_of_which_some_slices_are_there_is_completed_with_its_warnings(scene: Scene) -> None:
    for number, name in enumerate("abc"):
        entries = {**tensors(1.0), "model.ids": ("I64", (1,), number.to_bytes(8, "little"))}
        scenes.write_checkpoint(scene.checkpoints / name, entries)
    both = scenes.a_request("abc", (0.0, 0.5, 0.5), (0.5, 0.5, 0.0), slices=2, max_shard_bytes=1024)
    first = both.model_copy(update={"candidates": both.candidates[:1]})
    scene.ask(both, own(0))
    scene.ask(first, own(1))

    answered = scene.ask(both, own(1))

    assert answered.exit.code == ExitCode.DONE
    warnings = answered.warnings
    assert len(warnings) == 1
    assert "candidate g0-1" in warnings[0]
    assert "taken from checkpoints/a" in warnings[0]
    assert scene.leftovers() == ["g0-0", "g0-1"]


def test_slices_of_checkpoints_that_have_changed_in_between_are_not_mixed(scene: Scene) -> None:
    for index in range(COUNT - 1):
        scene.ask(shared(), own(index))
    scenes.write_checkpoint(scene.checkpoints / "b", tensors(7.0))

    late = [scene.ask(shared(), own(index)) for index in (COUNT - 1, 0, 1)]

    assert [len(one.reports) for one in late] == [0, 0, 1]
    sliced = contents(scene.merged())
    scene.ask(scenes.a_request("abc", (1.0, 0.0, 0.0)))
    scene.ask(shared(slices=1))
    assert contents(scene.merged()) == sliced


def test_a_merge_that_is_to_be_kept_from_now_on_gets_the_digests_of_slices_that_were_not(
    scene: Scene, whole: dict[str, bytes]
) -> None:
    scene.ask(shared(), own(0))
    for index in range(1, COUNT):
        scene.ask(keep(shared()), own(index))

    assert contents(scene.merged()) == whole


def test_slices_that_stayed_beside_their_published_merge_go_with_the_next_look(scene: Scene) -> None:
    """As after a process that died between the two."""
    for index in range(COUNT):
        scene.ask(shared(), own(index))
    (parts(scene).place(0)).mkdir(parents=True)

    scene.ask(shared(), own(0))

    assert scene.leftovers() == ["g0-0"]


def test_what_a_dead_pod_has_left_among_the_slices_is_removed(scene: Scene) -> None:
    scene.ask(shared(), own(0))
    token = "from mergesearch import files; print(files.writer_token())"
    ended = subprocess.run([sys.executable, "-c", token], capture_output=True, check=True)
    dead = parts(scene).folder / f".tmp-slice-1-{ended.stdout.decode().strip()}"
    dead.mkdir()

    scene.ask(shared(), own(1))

    assert sorted(path.name for path in parts(scene).folder.iterdir()) == ["slice-0", "slice-1"]


def test_slices_of_a_candidate_that_is_pruned_go_with_it(scene: Scene) -> None:
    scene.ask(shared(), own(0))

    scene.ask(contract.CleanupRequest(version=1, search=scenes.SEARCH, prune=("g0-1",)))
    stayed = parts(scene).folder.exists()
    scene.ask(contract.CleanupRequest(version=1, search=scenes.SEARCH, prune=("g0-0",)))

    assert stayed
    assert scene.leftovers() == []


def test_every_slice_says_what_it_holds_and_how_many_are_there(scene: Scene) -> None:
    said = [scene.ask(shared(), own(index)).progress[-1] for index in range(COUNT)]

    assert said[0].startswith("candidate g0-0: slice 0 of 3 holds ")
    assert said[0].endswith("1 of 3 slices are there")
    assert said[-1].endswith("3 of 3 slices are there: publishing")


def test_weights_that_are_no_numbers_in_one_slice_fail_the_candidate_and_no_other(scene: Scene) -> None:
    entries = {**tensors(3.0), scenes.NORM: ("BF16", (2,), scenes.bf16([float("nan"), float("inf")]))}
    (scene.checkpoints / "c" / "model.safetensors").write_bytes(scenes.file_content(entries))
    request = scenes.a_request("abc", WEIGHTS, (0.5, 0.5, 0.0), slices=COUNT, max_shard_bytes=1024)

    reports = [report for index in range(COUNT) for report in scene.ask(request, own(index)).reports]

    failures = {report.candidate: report.failure for report in reports if isinstance(report, MergeReport)}
    assert failures["g0-1"] is None
    assert failures["g0-0"] is not None
    assert failures["g0-0"].reason == Reason.NON_FINITE_WEIGHTS
    assert scene.leftovers() == ["g0-1"]


def test_a_failed_batch_of_one_ends_the_process_that_reports_it_with_65(scene: Scene) -> None:
    entries = {**tensors(3.0), scenes.NORM: ("BF16", (2,), scenes.bf16([float("nan"), 1.0]))}
    (scene.checkpoints / "c" / "model.safetensors").write_bytes(scenes.file_content(entries))

    codes = [scene.ask(shared(), own(index)).exit.code for index in range(COUNT)]

    assert codes == [ExitCode.DONE, ExitCode.DONE, ExitCode.INVALID_CANDIDATE]


def test_one_report_of_a_larger_batch_is_not_the_end_of_its_process(scene: Scene) -> None:
    entries = {**tensors(3.0), scenes.NORM: ("BF16", (2,), scenes.bf16([float("nan"), 1.0]))}
    (scene.checkpoints / "c" / "model.safetensors").write_bytes(scenes.file_content(entries))
    request = scenes.a_request("abc", WEIGHTS, (0.5, 0.5, 0.0), slices=COUNT, max_shard_bytes=1024)
    for index in range(COUNT - 1):
        scene.ask(request, own(index))
    (of_the_other,) = (scene.merged().parent).glob(".tmp-g0-1-*")
    shutil.rmtree(of_the_other / "slice-0")

    answered = scene.ask(request, own(COUNT - 1))

    assert [report.failure is None for report in answered.reports] == [False]
    assert answered.exit.code == ExitCode.DONE


def test_slices_wait_for_a_day_before_they_are_taken_for_leftovers(scene: Scene) -> None:
    scene.ask(shared(), own(0))
    folder = parts(scene).folder
    for hours, stays in ((20, True), (30, False)):
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (0, time.time() - hours * 3600))
        scene.ask(scenes.a_request("abc", (1.0, 0.0, 0.0)))
        assert folder.exists() is stays


def test_a_slice_needs_space_for_itself_only(scene: Scene) -> None:
    for_one = replace(scene, free=2**20 + 2700)

    assert for_one.ask(shared(), own(0)).exit.code == ExitCode.DONE
    assert for_one.ask(scenes.a_request("abc", WEIGHTS, max_shard_bytes=1024)).exit.code == ExitCode.NO_SPACE


def test_without_a_number_of_its_own_one_process_merges_all(scene: Scene, whole: dict[str, bytes]) -> None:
    scene.ask(keep(shared()))

    assert contents(scene.merged()) == whole


REFUSED = {
    "a number past the last": (own(3), COUNT, "slice 3: the request is made for 3 slices"),
    "of another number of slices": (own(0, 2), COUNT, "slice 0/2: the request is made for 3 slices"),
    "of a request for one": (own(0, 2), 1, "slice 0/2: the request is made for 1 slice"),
}


@pytest.mark.parametrize(("limits", "count", "message"), REFUSED.values(), ids=REFUSED)
def test_a_slice_that_does_not_fit_the_request_is_refused(
    scene: Scene, limits: Settings, count: int, message: str
) -> None:
    answered = scene.ask(shared(slices=count), limits)

    assert (answered.exit.code, answered.exit.message) == (ExitCode.INVALID_REQUEST, message)
