"""The process of the sandbox container: `python -m mergesearch_evaluator.sandbox.server SOCKET`.

It connects to the evaluator's socket, and runs what it is sent, one program after the other, until it is told to end.
The evaluator listens and this process connects, so that the folder of the socket can be read-only here: a program has
nothing to put into the place of the socket, and could not open one. Programs have the user of this process, which
therefore shows them neither its memory nor its descriptors; the filter keeps them from sending it a signal.
"""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn, cast

from mergesearch_evaluator.sandbox import linux, programs, runner
from mergesearch_evaluator.sandbox.programs import Outcome, Verdict

RETRY_SECONDS = 0.1
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a container has one that every program can write to


def main() -> NoReturn:
    """Run the process; it ends by a signal."""
    signal.signal(signal.SIGTERM, _leave)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    path, places = sys.argv[1], (Path(tempfile.gettempdir()), Path(SHARED_MEMORY))
    told = ""
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(path)
            except OSError as error:
                # The evaluator starts after us, and listens when it needs us.
                if str(error) != told:
                    told = str(error)
                    print(f"waiting for the evaluator at {path}: {told}", file=sys.stderr)  # noqa: T201 - its log
                time.sleep(RETRY_SECONDS)
                continue
            with connection.makefile("rwb") as stream, contextlib.suppress(OSError):
                serve(cast("BinaryIO", stream), places)


def serve(stream: BinaryIO, places: tuple[Path, ...]) -> None:
    """Answer every request of one connection. What a program leaves in one of the places is removed after it."""
    for line in stream:
        try:
            program, limits = programs.asked(line)
        except ValueError as error:
            verdict = Verdict(Outcome.LOST, str(error))
        else:
            verdict = _run(program, limits, places)
        stream.write(programs.answer(verdict))
        stream.flush()


def _run(program: str, limits: programs.Limits, places: tuple[Path, ...]) -> Verdict:
    verdict = runner.run(program, limits, own_walls=False)
    try:
        for place in places:
            if place.is_dir():
                runner.clear(place)
    except OSError as error:
        # The next program must not find what this one has left.
        return Verdict(Outcome.LOST, f"its files cannot be removed: {error}")
    return verdict


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(0)


if __name__ == "__main__":
    main()
