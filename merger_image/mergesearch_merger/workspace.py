"""What the merger keeps in order on the workspace: the search's own folder, leftovers of dead writers, and folders of
searches that are gone.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from mergesearch import files
from mergesearch.contract import SearchRef
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason

IDLE_SECONDS = 3600.0
"""A writer that has not touched its temporary folder for so long is taken for dead."""
SLICES_IDLE_SECONDS = 86400.0
"""Slices that were written wait for others, whose pods may wait in a queue: so long."""
UNKNOWN_AGE_SECONDS = 86400.0
"""A list of living searches whose age is not known says nothing about folders younger than this."""
CLOCK_SKEW_SECONDS = 300.0
"""How far the clocks of the list's writer and of the file server may differ."""


def claim(workspace: Path, search: SearchRef) -> Path:
    """The search's folder, made where it is missing. Raises InvalidRequestError where nothing can be written, or where
    a symlink leads out of the workspace.
    """
    files.resolve_inside(workspace, files.merges_folder(search.uid))
    try:
        folder = files.claim_search_folder(workspace, search.uid, search.name)
        (workspace / files.merges_folder(search.uid)).mkdir(exist_ok=True)
    except (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _unwritable(search, error) from error
    except OSError as error:
        if error.strerror == "Read-only file system":
            raise _unwritable(search, error) from error
        raise
    return folder


def _unwritable(search: SearchRef, error: OSError) -> InvalidRequestError:
    return InvalidRequestError(
        f"{files.WORKSPACE_VOLUME}: the folder {search.uid} of search {search.name!r} cannot be written: "
        f"{error.strerror}",
        reason=Reason.WORKSPACE_UNWRITABLE,
    )


def remove_stale(workspace: Path, uid: str) -> None:
    """Remove temporary folders among the search's merges, and among their slices, whose writers are dead. Raises
    OSError.
    """
    merges = workspace / files.merges_folder(uid)
    waiting = (entry for entry in merges.iterdir() if entry.name.endswith(files.SLICES_SUFFIX))
    for folder in (*waiting, merges):
        with contextlib.suppress(FileNotFoundError):  # published, and removed, by another process
            for entry in folder.iterdir():
                if entry.name.startswith(files.TEMPORARY_PREFIX) and not entry.is_symlink() and _is_dead(entry):
                    shutil.rmtree(entry, ignore_errors=True)


def _is_dead(temporary: Path) -> bool:
    """A process of this machine, or container, is asked for by its number; of any other writer we see only whether it
    still writes.
    """
    *_, space, last = temporary.name.rsplit("-", 2)
    is_process = space == files.process_space() and last.isdigit()
    if is_process and (int(last) == os.getpid() or not Path(f"/proc/{last}").exists()):
        return True
    try:
        newest = max(path.stat().st_mtime for path in (temporary, *temporary.rglob("*")))
    except FileNotFoundError:  # somebody is at work in it
        return False
    waits = temporary.name.endswith(files.SLICES_SUFFIX)
    return time.time() - newest > (SLICES_IDLE_SECONDS if waits else IDLE_SECONDS)


def remove_gone_searches(workspace: Path, living: frozenset[str], as_of: float | None) -> tuple[str, ...]:
    """Remove the folders of searches that were begun before `as_of` (Unix time) and are not among `living`; returns
    their UIDs. Raises OSError.

    Only folders that carry a marker with their own name are touched. The marker goes last, so that a removal that was
    cut off is completed by the next.
    """
    begun_before = time.time() - UNKNOWN_AGE_SECONDS if as_of is None else as_of - CLOCK_SKEW_SECONDS
    removed = []
    for folder in sorted(workspace.iterdir()):
        if folder.name in living or folder.is_symlink() or _marked(folder) != folder.name:
            continue
        if (folder / files.MARKER).stat().st_mtime >= begun_before:
            continue
        for entry in folder.iterdir():
            if entry.name != files.MARKER:
                _remove(entry)
        (folder / files.MARKER).unlink()
        folder.rmdir()
        removed.append(folder.name)
    return tuple(removed)


def merged_bytes(workspace: Path, uid: str) -> int:
    """Bytes that the search's published merges take."""
    merges = workspace / files.merges_folder(uid)
    return sum(path.stat().st_size for path in _files(merges) if path.suffix == ".safetensors")


def _files(merges: Path) -> Iterator[Path]:
    for folder in merges.iterdir():
        if folder.is_dir() and not folder.name.startswith(files.TEMPORARY_PREFIX):
            yield from (path for path in folder.iterdir() if path.is_file())


def _marked(folder: Path) -> str | None:
    """The UID in a folder's marker, if it has one."""
    try:
        found = json.loads((folder / files.MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    uid = found.get("uid") if isinstance(found, dict) else None
    return uid if isinstance(uid, str) else None


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
