"""Starts a child process for one program, and reads its verdict; whatever goes wrong with the child is no verdict."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mergesearch_evaluator.sandbox import child, programs
from mergesearch_evaluator.sandbox.programs import Job, Limits, Outcome, Verdict

COMMAND = (sys.executable, "-P", "-s", "-B", "-m", child.__name__)
"""Not from the working directory, not from the user's own packages, and without leaving compiled files."""
ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - a folder of the sandbox
    "TMPDIR": "/tmp",  # noqa: S108
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    # The order of a set is the same every time.
    "PYTHONHASHSEED": "0",
    # A library of linear algebra would reserve memory for as many threads as there are cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""All that a program can read in its environment."""
PATIENCE = 30.0
"""Seconds that a child may take beyond what it allows itself."""


def run(program: str, limits: Limits, *, own_walls: bool) -> Verdict:
    """Run one program; raises nothing that has to do with it or its child.

    With `own_walls` the child shuts itself off from this machine; without, a container is around us.
    """
    if len(program) > programs.LONGEST_MESSAGE // 8:
        return Verdict(Outcome.FAILED, f"a program of {len(program)} characters")
    try:
        with _folder(owned_by_nobody=not own_walls and os.geteuid() == 0) as folder:
            job = programs.job(Job(program, limits, str(folder), own_walls))
            return _ask(job, limits)
    except OSError as error:
        return Verdict(Outcome.LOST, f"no child for it: {error}")


@contextlib.contextmanager
def _folder(*, owned_by_nobody: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mergesearch-program-"))
    try:
        if owned_by_nobody:
            os.chown(folder, child.NOBODY, child.NOBODY)
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a program's folder, or what it has put in its place; that it tidied up itself is no fault."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        return
    clear(folder)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _ask(job: bytes, limits: Limits) -> Verdict:
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
        # What a terminal or a shell sends to its group is not for it, and it can be ended as a whole.
        start_new_session=True,
    )
    try:
        said, errors = process.communicate(job, child.START_SECONDS + limits.wall_seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        return Verdict(Outcome.LOST, "its child does not answer")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    try:
        return programs.verdict(said)
    except ValueError:
        words = errors.decode("utf-8", "replace").strip().split("\n")[-1]
        return Verdict(Outcome.LOST, f"its child ended with code {process.returncode}: {words}")


def clear(folder: Path) -> None:
    """Remove all that a program has left in a folder, however deep, and whatever rights it has taken from it. Links are
    removed, never followed. Raises OSError if something stays.
    """
    for entry in list(folder.iterdir()):
        if entry.is_symlink() or not entry.is_dir():
            entry.unlink()
            continue
        entry.chmod(0o700)
        try:
            shutil.rmtree(entry)
        except (OSError, RecursionError):
            # Deeper than Python's stack or than a path may be, or shut further down.
            _flatten(entry, folder)


def _flatten(deep: Path, folder: Path) -> None:
    """Remove a tree by lifting each of its folders to the top, so that no path grows long."""
    waiting, number = [deep], 0
    while waiting:
        current = waiting.pop()
        for entry in list(current.iterdir()):
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink()
                continue
            entry.chmod(0o700)
            waiting.append(entry.rename(folder / f".mergesearch-lifted-{number}"))
            number += 1
        current.rmdir()
