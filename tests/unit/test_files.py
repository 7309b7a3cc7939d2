"""Files in a workspace: names stay inside it, writes are whole or absent, and only what is ours is removed."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch import errors, files, reasons

UID = "3f2a-77"


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def a_merge(workspace: pathlib.Path, candidate: str, uid: str = UID) -> pathlib.Path:
    folder = workspace / files.merge_folder(uid, candidate)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


# --- Names ---


PLACES = {
    "merge": (files.merge_folder(UID, "g0-c0"), "3f2a-77/merges/g0-c0"),
    "merge report": (files.merge_report(UID, "g0-c0"), "3f2a-77/reports/merge/g0-c0.json"),
    "evaluation": (files.evaluation_folder(UID, "unseen", "g0-c0"), "3f2a-77/evaluations/unseen/g0-c0"),
    "samples": (
        files.samples_file(UID, "unseen", "g0-c0", "rev"),
        "3f2a-77/evaluations/unseen/g0-c0/rev.jsonl.zst",
    ),
    "comparison": (files.comparison_report(UID), "3f2a-77/comparison.json"),
}


@pytest.mark.parametrize(("path", "place"), PLACES.values(), ids=PLACES)
def test_everything_a_search_writes_has_its_place_below_its_uid(path: pathlib.PurePosixPath, place: str) -> None:
    assert str(path) == place


@given(st.text(min_size=1, max_size=40))
def test_the_name_of_a_task_never_leads_out_of_the_candidates_folder(task: str) -> None:
    path = files.samples_file(UID, "search", "g0-c0", task)

    assert path.parent == files.evaluation_folder(UID, "search", "g0-c0")
    assert path.name not in (".", "..")


def test_two_tasks_never_share_a_file() -> None:
    tasks = ["a/b", "a%2Fb", "a b", "a_b", "A_b", "a.b"]

    assert len({files.samples_file(UID, "search", "c", task) for task in tasks}) == len(tasks)


# --- resolve_inside ---


@pytest.mark.parametrize("relative", ["sft-03", "deep/er/folder", ".", "a/../b", "does/not/exist"])
def test_a_path_inside_the_volume_is_resolved(workspace: pathlib.Path, relative: str) -> None:
    assert files.resolve_inside(workspace, relative).is_relative_to(workspace.resolve())


OUTSIDE = ["..", "../sibling", "a/../../sibling", "/etc/passwd", "/"]


@pytest.mark.parametrize("relative", OUTSIDE)
def test_a_path_that_leaves_the_volume_is_refused(workspace: pathlib.Path, relative: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        files.resolve_inside(workspace, relative)

    assert caught.value.reason == reasons.Reason.PATH_OUTSIDE_VOLUME
    assert caught.value.message.startswith(f"{relative}: leads to ")


def test_a_sibling_whose_name_begins_like_the_volumes_is_outside(workspace: pathlib.Path) -> None:
    workspace.with_name("workspace-2").mkdir()

    with pytest.raises(errors.InvalidRequestError, match="outside its volume"):
        files.resolve_inside(workspace, "../workspace-2")


@pytest.mark.parametrize("target", ["../outside", "{absolute}"], ids=["relative", "absolute"])
@pytest.mark.parametrize("below", ["link", "link/model.safetensors", "hop/model.safetensors"])
def test_a_link_that_leads_out_of_the_volume_is_refused(workspace: pathlib.Path, target: str, below: str) -> None:
    outside = workspace.with_name("outside")
    outside.mkdir()
    (workspace / "link").symlink_to(target.format(absolute=outside))
    (workspace / "hop").symlink_to("link")

    with pytest.raises(errors.InvalidRequestError, match="outside its volume"):
        files.resolve_inside(workspace, below)


def test_a_link_that_stays_inside_is_followed(workspace: pathlib.Path) -> None:
    (workspace / "real").mkdir()
    (workspace / "link").symlink_to("real")

    assert files.resolve_inside(workspace, "link") == workspace.resolve() / "real"


def test_the_volume_itself_may_be_a_link(workspace: pathlib.Path) -> None:
    link = workspace.with_name("mount")
    link.symlink_to(workspace)

    assert files.resolve_inside(link, "sft-03") == workspace.resolve() / "sft-03"


# --- write_atomically ---


@pytest.mark.parametrize(("content", "stored"), [("größe\n", "größe\n".encode()), (b"\0\xff", b"\0\xff")])
def test_a_write_creates_folders_and_leaves_nothing_else_behind(
    workspace: pathlib.Path, content: str | bytes, stored: bytes
) -> None:
    path = workspace / "reports" / "merge" / "g0-c0.json"

    files.write_atomically(path, content)

    assert path.read_bytes() == stored
    assert list(path.parent.iterdir()) == [path]


def test_a_write_replaces_the_whole_file_and_not_its_bytes(workspace: pathlib.Path) -> None:
    path = workspace / "report.json"
    files.write_atomically(path, "old and long")
    with path.open() as reader:
        files.write_atomically(path, "new")
        still_open = reader.read()

    assert still_open == "old and long"
    assert path.read_text() == "new"


def test_a_write_that_fails_keeps_the_old_file_and_no_temporary_one(workspace: pathlib.Path) -> None:
    path = workspace / "report.json"
    files.write_atomically(path, "old")

    with pytest.raises(UnicodeEncodeError):
        files.write_atomically(path, "\ud800")
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write_atomically(path, "new")

    assert list(workspace.iterdir()) == [path]


def test_temporary_names_differ_by_writer() -> None:
    path = pathlib.Path("folder/report.json")
    code = "from mergesearch import files; from pathlib import Path; print(files.temporary_sibling(Path('x')))"

    def name_in(**environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert files.temporary_sibling(path) == path.with_name(f".tmp-report.json-{files.process_space()}-{os.getpid()}")
    assert name_in(MERGESEARCH_WRITER="pod-1") == ".tmp-x-pod-1"
    assert name_in(MERGESEARCH_WRITER="") != files.temporary_sibling(pathlib.Path("x")).name


def test_the_first_process_of_a_container_is_another_writer_than_that_of_the_machine(tmp_path: pathlib.Path) -> None:
    code = "import os; from mergesearch import files; print(os.getpid(), files.process_space())"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    contained = ["unshare", *user, "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]

    said = subprocess.run(contained, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split()

    assert said[0] == "1"
    assert said[1] != files.process_space()


WRITER = """
import itertools, sys
from pathlib import Path
from mergesearch import files
for letter in itertools.cycle("ab"):
    files.write_atomically(Path(sys.argv[1]), letter * 2_000_000)
    print(letter, flush=True)
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_the_old_file_or_the_new_one(workspace: pathlib.Path) -> None:
    path = workspace / "report.json"
    for writes in range(1, 9):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(writes):
                writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)

        assert path.read_bytes() in (b"a" * 2_000_000, b"b" * 2_000_000)
        others = [entry.name for entry in workspace.iterdir() if entry != path]
        assert all(name.startswith(files.TEMPORARY_PREFIX) for name in others)


# --- The marker, and what it allows ---


def test_claiming_a_folder_marks_it_once(workspace: pathlib.Path) -> None:
    folder = files.claim_search_folder(workspace, UID, "soup")
    marked = (folder / files.MARKER).stat()

    again = files.claim_search_folder(workspace, UID, "soup")

    assert again == folder == workspace / UID
    assert json.loads((folder / files.MARKER).read_text()) == {"uid": UID, "name": "soup"}
    assert (folder / files.MARKER).stat().st_ino == marked.st_ino


def test_removing_takes_the_named_merges_and_says_which_were_there(workspace: pathlib.Path) -> None:
    files.claim_search_folder(workspace, UID, "soup")
    gone, stays = a_merge(workspace, "g0-c0"), a_merge(workspace, "g0-c1")

    removed = files.remove_merges(workspace, UID, ("g0-c0", "g0-c7"))

    assert removed == ("g0-c0",)
    assert not gone.exists()
    assert stays.is_dir()
    assert list(gone.parent.iterdir()) == [stays]


MARKERS = {
    "no marker": None,
    "another search's marker": {"uid": "other", "name": "soup"},
    "a marker without a UID": {"name": "soup"},
}


@pytest.mark.parametrize("marker", MARKERS.values(), ids=MARKERS)
def test_nothing_is_removed_from_a_folder_with(workspace: pathlib.Path, marker: dict[str, str] | None) -> None:
    stays = a_merge(workspace, "g0-c0")
    if marker is not None:
        (workspace / UID / files.MARKER).write_text(json.dumps(marker))

    assert files.remove_merges(workspace, UID, ("g0-c0",)) == ()
    assert (stays / "model.safetensors").read_bytes() == b"weights"


def test_nothing_is_removed_where_the_workspace_is_empty(workspace: pathlib.Path) -> None:
    assert files.remove_merges(workspace, UID, ("g0-c0",)) == ()


def test_a_merge_that_is_a_link_out_of_the_workspace_is_left_alone_with_its_target(workspace: pathlib.Path) -> None:
    files.claim_search_folder(workspace, UID, "soup")
    target = a_merge(workspace.with_name("checkpoints"), "sft-03")
    a_merge(workspace, "g0-c1")
    (workspace / files.merge_folder(UID, "g0-c0")).symlink_to(target)

    assert files.remove_merges(workspace, UID, ("g0-c0",)) == ()

    assert (target / "model.safetensors").is_file()


def test_a_merge_that_is_a_link_to_another_searchs_merge_does_not_remove_that(workspace: pathlib.Path) -> None:
    files.claim_search_folder(workspace, UID, "soup")
    a_merge(workspace, "g0-c1")
    target = a_merge(workspace, "g0-c0", uid="other")
    (workspace / files.merge_folder(UID, "g0-c0")).symlink_to(target)

    assert files.remove_merges(workspace, UID, ("g0-c0",)) == ()
    assert (target / "model.safetensors").is_file()


@pytest.mark.parametrize("candidate", ["..", "../..", ".", "g0-c0/model.safetensors"])
def test_a_candidate_that_is_not_a_merges_folder_removes_nothing(workspace: pathlib.Path, candidate: str) -> None:
    files.claim_search_folder(workspace, UID, "soup")
    merge = a_merge(workspace, "g0-c0")

    assert files.remove_merges(workspace, UID, (candidate,)) == ()
    assert (merge / "model.safetensors").is_file()


# --- Out of the way, whole ---


def test_a_folder_set_aside_lies_whole_under_a_temporary_name_of_this_writer(workspace: pathlib.Path) -> None:
    folder = a_merge(workspace, "g0-c0")
    within = sorted(path.name for path in folder.iterdir())

    aside = files.set_aside(folder)

    assert aside is not None
    assert not folder.exists()
    assert aside.parent == folder.parent
    assert aside.name.startswith(files.TEMPORARY_PREFIX)
    assert aside.name.endswith(f"-{os.getpid()}")
    assert aside != files.temporary_sibling(folder), "there its successor may be being written"
    assert sorted(path.name for path in aside.iterdir()) == within


def test_what_an_earlier_end_of_this_writer_has_left_aside_makes_room(workspace: pathlib.Path) -> None:
    first = files.set_aside(a_merge(workspace, "g0-c0"))
    assert first is not None
    (first / "old").touch()

    again = files.set_aside(a_merge(workspace, "g0-c0"))

    assert again == first
    assert not (first / "old").exists()


def test_there_is_nothing_to_set_aside_or_to_remove_where_no_folder_is(workspace: pathlib.Path) -> None:
    (workspace / "file").touch()

    assert files.set_aside(workspace / "nobody") is None
    assert files.set_aside(workspace / "file") is None
    files.remove_folder(workspace / "nobody")

    assert [entry.name for entry in workspace.iterdir()] == ["file"]
