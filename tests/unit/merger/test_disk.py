"""Disk manners: places are taken ahead, pages go to the disk early and out of the cache on request, what was written is
read again on request, and a full disk is told with its numbers.
"""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mergesearch import files
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger import inspection, linux
from mergesearch_merger.inputs import Inputs
from mergesearch_merger.linux import System
from mergesearch_merger.settings import Settings
from unit.merger import scenes
from unit.merger.scenes import Scene

HALVES = (0.5, 0.5, 0.0)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scenes.a_scene(tmp_path)


@dataclass
class Calls:
    """A system that takes note of what it is asked for, by the names of files."""

    advised: list[tuple[str, int]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    refusal: int | None = None

    def system(self) -> System:
        return System(fallocate=self._fallocate, start_writing=self._start, advise=self._advise, fsync=self._fsync)

    def _fallocate(self, descriptor: int, size: int) -> None:
        if self.refusal is not None:
            raise OSError(self.refusal, os.strerror(self.refusal))
        linux.fallocate(descriptor, size)

    def _start(self, descriptor: int, _offset: int, _size: int) -> None:
        self.started.append(_folder_of(descriptor))

    def _fsync(self, descriptor: int) -> None:
        self.synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.removesuffix(f"-{files.writer_token()}"))

    def _advise(self, descriptor: int, _offset: int, _size: int, advice: int) -> None:
        self.advised.append((_folder_of(descriptor), advice))

    def forgotten(self) -> set[str]:
        """The folders of files that were dropped from the cache."""
        return {folder for folder, advice in self.advised if advice == os.POSIX_FADV_DONTNEED}


def _folder_of(descriptor: int) -> str:
    return Path(f"/proc/self/fd/{descriptor}").readlink().parent.name.removesuffix(f"-{files.writer_token()}")


def test_inputs_are_read_ahead_and_outputs_begin_to_go_to_the_disk_at_once(scene: Scene) -> None:
    calls = Calls()

    scene.ask(scenes.a_request("abc", HALVES), Settings(system=calls.system()))

    assert {folder for folder, advice in calls.advised if advice == os.POSIX_FADV_SEQUENTIAL} == {"a", "b"}
    assert set(calls.started) == {".tmp-g0-0"}
    assert calls.forgotten() == set()


COMPANIONS = ["chat_template.jinja", "config.json", "merge.json", "model.safetensors", "tokenizer.json"]


def test_a_merge_that_is_kept_lies_on_the_disk_with_its_folders_before_it_is_reported(scene: Scene) -> None:
    calls, request = Calls(), scenes.a_request("abc", HALVES)
    kept = request.model_copy(update={"candidates": (request.candidates[0].model_copy(update={"keep": True}),)})

    scene.ask(kept, Settings(system=calls.system()))

    assert sorted(calls.synced[:-2]) == [*COMPANIONS, "tokenizer_config.json"]
    assert calls.synced[-2:] == [".tmp-g0-0", "merges"]


@pytest.mark.parametrize(("verify", "times"), [(False, 1), (True, 3)], ids=["plain", "verified"])
def test_inputs_and_outputs_leave_the_cache_on_request(scene: Scene, verify: bool, times: int) -> None:
    """What is verified is dropped before it is read again, so that the disk answers, and after that."""
    calls = Calls()

    scene.ask(scenes.a_request("abc", HALVES), Settings(system=calls.system(), drop_cache=True, verify=verify))

    assert calls.forgotten() == {"a", "b", ".tmp-g0-0"}
    assert calls.advised.count((".tmp-g0-0", os.POSIX_FADV_DONTNEED)) == times


def test_where_no_place_can_be_taken_ahead_the_file_only_gets_its_length(scene: Scene) -> None:
    calls = Calls(refusal=errno.EOPNOTSUPP)

    answered = scene.ask(scenes.a_request("abc", HALVES), Settings(system=calls.system()))

    assert answered.exit.code == ExitCode.DONE


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_disk_that_is_full_is_told_with_file_and_numbers(scene: Scene, number: int) -> None:
    calls = Calls(refusal=number)

    answered = scene.ask(scenes.a_request("abc", HALVES), Settings(system=calls.system()))

    assert (answered.exit.code, answered.exit.reason) == (ExitCode.NO_SPACE, Reason.NO_SPACE)
    assert "g0-0: no space for " in answered.exit.message
    assert "bytes of model.safetensors, of 1 weight files with " in answered.exit.message
    assert os.strerror(number) in answered.exit.message
    assert scene.leftovers() == []


def test_other_trouble_of_the_disk_is_tried_again(scene: Scene) -> None:
    answered = scene.ask(scenes.a_request("abc", HALVES), Settings(system=Calls(refusal=errno.EIO).system()))

    assert answered.exit.code == ExitCode.TRANSIENT
    assert scene.leftovers() == []


def test_what_the_disk_holds_is_compared_with_what_was_written(scene: Scene) -> None:
    damaged: list[Path] = []

    def damage(descriptor: int, _offset: int, _size: int, advice: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if advice == os.POSIX_FADV_DONTNEED and ".tmp-" in str(path):
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)
            damaged.append(path)

    answered = scene.ask(scenes.a_request("abc", HALVES), Settings(system=System(advise=damage), verify=True))

    assert damaged
    assert (answered.exit.code, answered.exit.reason) == (ExitCode.TRANSIENT, Reason.VERIFICATION_FAILED)
    assert "model.safetensors: the disk holds other bytes than were written" in answered.exit.message
    assert scene.leftovers() == []


def test_a_candidate_that_is_not_finite_is_not_verified(scene: Scene) -> None:
    entries = {**scenes.tensors(3.0), scenes.NORM: ("BF16", (2,), scenes.bf16([float("nan"), 1.0]))}
    (scene.checkpoints / "c" / "model.safetensors").write_bytes(scenes.file_content(entries))

    answered = scene.ask(scenes.a_request("abc", HALVES, (0.0, 0.5, 0.5)), Settings(verify=True))

    assert [report.failure is None for report in answered.reports] == [True, False]


def test_a_place_is_really_taken_on_the_disk(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        System().allocate(file.fileno(), 2**20)

        status = os.fstat(file.fileno())
        assert (status.st_size, status.st_blocks * 512 >= 2**20) == (2**20, True)


def test_inputs_that_cannot_all_be_opened_stay_closed(scene: Scene) -> None:
    found = inspection.inspect(scene.request().checkpoints, scene.volumes(), "a").checkpoints
    (scene.checkpoints / "c" / "model.safetensors").unlink()
    before = sorted(Path("/proc/self/fd").iterdir())

    with pytest.raises(FileNotFoundError), Inputs(found):
        raise AssertionError("it opens")

    assert sorted(Path("/proc/self/fd").iterdir()) == before
