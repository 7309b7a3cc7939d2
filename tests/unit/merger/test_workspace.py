"""Leftovers of dead writers are removed; those of writers that may live are not."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mergesearch import files
from mergesearch_merger import workspace
from unit.merger import scenes

POD = "5b1e7f0c-8f8e-4a52-9d36-b7a0f1f7c001"
POD_OF_DIGITS = "5b1e7f0c-8f8e-4a52-9d36-123456789012"
ELSEWHERE = "0" * files.PROCESS_SPACE_CHARACTERS
LONG_AGO = time.time() - 2 * workspace.IDLE_SECONDS


def a_dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def here(pid: int) -> str:
    """The token of a process of this machine."""
    return f"{files.process_space()}-{pid}"


def temporary(root: Path, token: str, touched: float | None = None) -> Path:
    workspace.claim(root, scenes.SEARCH)
    folder = root / files.merges_folder(scenes.SEARCH.uid) / f"{files.TEMPORARY_PREFIX}g0-0-{token}"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    if touched is not None:
        for path in (folder / "model.safetensors", folder):
            os.utime(path, (touched, touched))
    return folder


WRITERS = {
    "a dead process": (lambda: here(a_dead_process()), None, False),
    "this process, in an earlier request": (lambda: here(os.getpid()), None, False),
    "a living process": (lambda: here(os.getppid()), None, True),
    "a process of another machine, whose number nobody has here": (
        lambda: f"{ELSEWHERE}-{a_dead_process()}",
        None,
        True,
    ),
    "a process of another container, whose number is ours": (lambda: f"{ELSEWHERE}-{os.getpid()}", None, True),
    "a process of another machine that has long stopped": (lambda: f"{ELSEWHERE}-1", LONG_AGO, False),
    "a pod that writes": (lambda: POD, None, True),
    "a pod whose UID ends in digits": (lambda: POD_OF_DIGITS, None, True),
    "a pod that has long stopped": (lambda: POD, LONG_AGO, False),
    "a number that was given to another process": (lambda: here(os.getppid()), LONG_AGO, False),
}


@pytest.mark.parametrize(("token", "touched", "stays"), WRITERS.values(), ids=WRITERS)
def test_a_temporary_folder_stays_only_while_its_writer_may_live(
    tmp_path: Path, token: Callable[[], str], touched: float | None, stays: bool
) -> None:
    folder = temporary(tmp_path, token(), touched)

    workspace.remove_stale(tmp_path, scenes.SEARCH.uid)

    assert folder.exists() is stays


def test_published_merges_are_never_stale(tmp_path: Path) -> None:
    workspace.claim(tmp_path, scenes.SEARCH)
    folder = tmp_path / files.merge_folder(scenes.SEARCH.uid, "g0-0")
    folder.mkdir()
    os.utime(folder, (0, 0))

    workspace.remove_stale(tmp_path, scenes.SEARCH.uid)

    assert folder.is_dir()


def test_a_file_that_was_written_lately_shows_a_living_writer(tmp_path: Path) -> None:
    folder = temporary(tmp_path, POD, LONG_AGO)
    (folder / "model.safetensors").write_bytes(b"more")
    os.utime(folder, (LONG_AGO, LONG_AGO))

    workspace.remove_stale(tmp_path, scenes.SEARCH.uid)

    assert folder.is_dir()
