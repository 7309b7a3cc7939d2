"""Pods of one merge that meet: whoever comes second ends well, nothing of other checkpoints is mixed in, and nothing is
lost where a file system does less than others.
"""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mergesearch import worker
from mergesearch.contract import MergeRequest
from mergesearch.errors import ExitCode
from mergesearch_merger.linux import System
from mergesearch_merger.main import Merger
from mergesearch_merger.settings import Settings
from unit.merger import scenes
from unit.merger.scenes import Scene
from unit.merger.test_slices import COUNT, contents, keep, own, parts, shared, tensors


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = scenes.a_scene(tmp_path / "sliced")
    for number, name in enumerate("abc", start=1):
        scenes.write_checkpoint(scene.checkpoints / name, tensors(float(number)))
    return scene


def whole(scene: Scene, request: MergeRequest) -> dict[str, bytes]:
    """The files of the same merge, written by one process."""
    alone = scenes.a_scene(scene.root.parent / "whole")
    for name in "abc":
        shutil.rmtree(alone.checkpoints / name)
        shutil.copytree(scene.checkpoints / name, alone.checkpoints / name)
    assert alone.ask(request.model_copy(update={"slices": 1})).exit.code == ExitCode.DONE
    return contents(alone.merged())


@dataclass
class Once:
    """Does something the first time, and nothing after that."""

    act: Callable[[], None]
    done: list[bool] = field(default_factory=list)

    def __call__(self) -> None:
        if not self.done:
            self.done.append(True)
            self.act()


def stale() -> OSError:
    """What a client of NFS answers for a file that another client has removed."""
    return OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def test_a_pod_whose_files_another_has_removed_on_a_file_server_ends_well(scene: Scene) -> None:
    request = keep(shared())
    for index in range(COUNT - 1):
        scene.ask(request, own(index))

    def other_publishes() -> None:
        assert len(scene.ask(request, own(COUNT - 1)).reports) == 1
        raise stale()

    once = Once(other_publishes)
    system = System(start_writing=lambda *_: once())

    answered = scene.ask(request, replace(own(COUNT - 1), system=system))

    assert once.done
    assert answered.exit.code == ExitCode.DONE
    assert contents(scene.merged()) == whole(scene, request)


def test_a_slice_that_is_replaced_while_it_is_linked_is_not_mixed_in(scene: Scene) -> None:
    request = shared()
    for index in range(COUNT - 1):
        scene.ask(request, own(index))

    def replace_a_slice() -> None:
        scenes.write_checkpoint(scene.checkpoints / "b", tensors(70.0))
        assert scene.ask(request, own(1)).exit.code == ExitCode.DONE

    once = Once(replace_a_slice)

    def link(source: Path, target: Path) -> None:
        os.link(source, target)
        once()

    answered = scene.ask(request, replace(own(COUNT - 1), system=System(link=link)))

    assert once.done
    assert answered.exit.code == ExitCode.TRANSIENT
    assert not scene.merged().exists()
    for index in (0, COUNT - 1):
        answered = scene.ask(request, own(index))
    assert len(answered.reports) == 1
    assert contents(scene.merged()) == whole(scene, request)


def test_slices_of_another_layout_are_not_mixed_though_its_checkpoint_has_no_weight(scene: Scene) -> None:
    request = scenes.a_request("abc", (0.5, 0.5, 0.0), slices=COUNT, max_shard_bytes=1024, tokenizer_from="c")
    scene.ask(request, own(0))
    (content,) = scene.checkpoints.glob("c/model.safetensors")
    names = list(tensors(3.0))
    scenes.write_checkpoint(content.parent, {name: tensors(3.0)[name] for name in [*names[:3], *names[:2:-1]]})

    answered = [scene.ask(request, own(index)) for index in (1, 2, 0)]

    assert [len(one.reports) for one in answered] == [0, 0, 1]
    assert contents(scene.merged()) == whole(scene, request)


def test_slices_with_digests_of_other_chunks_are_not_mixed(scene: Scene) -> None:
    request = keep(shared())
    scene.ask(request, replace(own(0), chunk_bytes=4096))

    answered = [scene.ask(request, own(index)) for index in (1, 2, 0)]

    assert [len(one.reports) for one in answered] == [0, 0, 1]
    assert contents(scene.merged()) == whole(scene, request)


def refuse(_source: Path, _target: Path) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def without_links(index: int) -> Settings:
    return replace(own(index), system=System(link=refuse))


def test_where_a_file_has_one_name_only_its_shards_are_moved(scene: Scene) -> None:
    request = keep(shared())

    answered = [scene.ask(request, without_links(index)) for index in range(COUNT)]

    assert [len(one.reports) for one in answered] == [0, 0, 1]
    assert contents(scene.merged()) == whole(scene, request)


def test_where_shards_are_moved_a_failure_gives_them_back(scene: Scene) -> None:
    request = keep(shared())
    for index in range(COUNT - 1):
        scene.ask(request, without_links(index))
    expected = whole(scene, request)
    companion = scene.checkpoints / "a" / "chat_template.jinja"
    text = companion.read_text()

    def lose_a_companion(_folder: Path) -> int:
        companion.unlink()
        return 10**12

    limits = replace(without_links(COUNT - 1), free_bytes=lose_a_companion)
    end = worker.answer(Merger(limits), request.to_json(), scene.volumes(), lambda _report: None, lambda _line: None)

    companion.write_text(text)
    assert end.code == ExitCode.TRANSIENT
    assert None not in parts(scene).all()
    assert len(scene.ask(request, without_links(0)).reports) == 1
    assert contents(scene.merged()) == expected


def test_a_slice_that_cannot_be_read_is_not_taken_for_missing(scene: Scene) -> None:
    scene.ask(shared(), own(0))
    (parts(scene).place(0) / "slice.json").unlink()
    (parts(scene).place(0) / "slice.json").mkdir()

    answered = scene.ask(shared(), own(1))

    assert answered.exit.code == ExitCode.TRANSIENT
    assert "slice.json" in answered.exit.message
