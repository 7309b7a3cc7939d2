"""Folders in the place of volumes: what is wrong with them is said before anything starts, with the folder's name."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mergesearch.errors import InvalidManifestError
from mergesearch_cli import volumes
from unit.cli.searches import search

NOBODY = 65534


def test_folders_are_absolute_and_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = volumes.parse(["checkpoints=a/b", "workspace=~/w", "odd=x=y"])
    assert found == {"checkpoints": tmp_path / "a/b", "workspace": Path.home() / "w", "odd": tmp_path / "x=y"}


@pytest.mark.parametrize("text", ["checkpoints", "=dir", "checkpoints=", ""])
def test_what_is_not_name_and_folder_is_shown_with_an_example(text: str) -> None:
    with pytest.raises(InvalidManifestError, match=f"'{text}' is not NAME=DIR, such as checkpoints=/data/checkpoints"):
        volumes.parse([text])


def test_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidManifestError, match="there is no such user"):
        volumes.parse(["checkpoints=~no-such-user-here/x"])


def test_a_volume_that_is_given_twice_is_refused_with_both_folders() -> None:
    with pytest.raises(InvalidManifestError, match=r"--volume tasks: given twice, as /a and as /b"):
        volumes.parse(["tasks=/a", "tasks=/b"])


def test_all_problems_of_the_volumes_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    given = {"checkpoints": tmp_path / "missing", "tasks": tmp_path / "file", "task": tmp_path}
    with pytest.raises(InvalidManifestError) as caught:
        volumes.check(search(volumes=("tasks",)).spec, given)
    assert caught.value.message.splitlines() == [
        "volume 'workspace' of the manifest is not given: add --volume workspace=DIR",
        "--volume task: the manifest has no such volume; it has checkpoints, tasks, workspace",
        f"--volume checkpoints: {tmp_path}/missing: there is no such folder",
        f"--volume tasks: {tmp_path}/file: this is no folder",
    ]


def test_a_folder_that_may_not_be_read_is_named() -> None:
    # pytest's own folders are closed to everybody but their owner, and root may read everything.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        closed = Path(place) / "closed"
        closed.mkdir(mode=0o000)
        assert as_nobody(lambda: said_of(closed)) == f"--volume checkpoints: {closed}: this folder may not be read"


def said_of(folder: Path) -> str:
    """What is wrong with a folder of checkpoints."""
    try:
        volumes.check_inputs(search().spec, {"checkpoints": folder})
    except InvalidManifestError as error:
        return error.message
    return ""


def as_nobody(action: Callable[[], str]) -> str:
    """The text that a process of a user without rights comes to."""
    if os.geteuid() != 0:
        return action()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            os.write(writer, action().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as text:
        found = text.read()
    os.waitpid(child, 0)
    return found


def test_a_workspace_that_is_missing_is_made_but_not_by_the_check(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    workspace = tmp_path / "a" / "workspace"
    given = {"checkpoints": tmp_path / "checkpoints", "workspace": workspace}
    volumes.check(search().spec, given)
    assert not workspace.parent.exists()
    volumes.make_workspace(given)
    assert workspace.is_dir()


def test_a_workspace_that_may_not_be_made_is_refused_by_the_check() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        (Path(place) / "checkpoints").mkdir(mode=0o755)
        given = {"checkpoints": Path(place) / "checkpoints", "workspace": Path(place) / "a" / "b"}
        said = as_nobody(lambda: said_of_all(given))
        assert said == f"--volume workspace: {place}/a/b cannot be created: {place} cannot be written to"


def said_of_all(given: dict[str, Path]) -> str:
    """What is wrong with the folders of a search."""
    try:
        volumes.check(search().spec, given)
    except InvalidManifestError as error:
        return error.message
    return ""


def test_a_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "file").touch()
    given = {"checkpoints": tmp_path / "checkpoints", "workspace": tmp_path / "file"}
    assert said_of_all(given) == f"--volume workspace: {tmp_path}/file: this is no folder"


@pytest.mark.parametrize("name", ["checkpoints", "tasks", "workspace"])
@pytest.mark.parametrize("below", ["", "sort-swap/st"], ids=["the folder itself", "below it"])
def test_a_state_folder_in_a_volume_is_refused_with_both_names(tmp_path: Path, name: str, below: str) -> None:
    given = {one: tmp_path / one for one in ("checkpoints", "tasks", "workspace")}
    given[name].mkdir()
    (tmp_path / "link").symlink_to(given[name])
    for state in (given[name] / below, tmp_path / "link" / below):
        with pytest.raises(InvalidManifestError) as caught:
            volumes.check_state(state, given)
        assert caught.value.message.startswith(f"--state {state}: lies in --volume {name}={given[name]}, which ")


def test_a_state_folder_around_the_volumes_or_beside_them_is_taken(tmp_path: Path) -> None:
    given = {"checkpoints": tmp_path / "checkpoints", "workspace": tmp_path / "workspace"}
    volumes.check_state(tmp_path, given)
    volumes.check_state(tmp_path / "workspace-2", given)


def test_a_workspace_below_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "file").touch()
    given = {"checkpoints": tmp_path / "checkpoints", "workspace": tmp_path / "file" / "workspace"}
    with pytest.raises(InvalidManifestError, match=r"file/workspace cannot be created: Not a directory"):
        volumes.check(search().spec, given)


def test_merges_are_not_written_among_the_inputs(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError, match=r"is also a volume of inputs"):
        volumes.check(search().spec, {"checkpoints": tmp_path, "workspace": tmp_path / "." / ""})
