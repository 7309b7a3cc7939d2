"""How far a merge is: lines of key and value for a log, or a bar on a terminal."""

import json
import sys
import time
from collections.abc import Callable

from mergesearch.worker import Progress

LINE_SECONDS = 5.0
BAR_SECONDS = 0.5
BAR_CHARACTERS = 30


class Meter:
    """Says now and then how many of `total` bytes are done, as `done` counts them."""

    def __init__(
        self,
        total: int,
        done: Callable[[], int],
        say: Progress,
        *,
        bar: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = max(total, 1)
        self._done = done
        self._say = say
        self._bar = bar
        self._clock = clock
        self._began = self._last = clock()

    def watch(self) -> None:
        """To be called often; says something when it is time."""
        now = self._clock()
        if now - self._last < (BAR_SECONDS if self._bar else LINE_SECONDS):
            return
        self._last = now
        if self._bar:
            sys.stderr.write("\r" + bar(self._done(), self._total, now - self._began))
            sys.stderr.flush()
        else:
            self._say(line(self._done(), self._total, now - self._began))

    def end(self) -> None:
        """The work is over: what was drawn is wiped off."""
        if self._bar:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def start(kernel: str, reason: str, candidates: int, inputs: int, threads: int) -> str:
    """`merging kernel=numpy candidates=1 inputs=8 threads=2 reason="..."`: what sums, and why not the library."""
    told = f" reason={json.dumps(reason)}" if reason else ""
    return f"merging kernel={kernel} candidates={candidates} inputs={inputs} threads={threads}{told}"


def line(done: int, total: int, seconds: float) -> str:
    """`merging done=1073741824 total=... percent=25 bytes_per_second=... eta_seconds=9`: for people and tools."""
    rate = done / max(seconds, 1e-9)
    eta = f"{(total - done) / rate:.0f}" if rate else "unknown"
    return (
        f"merging done={done} total={total} percent={100 * done // total} bytes_per_second={rate:.0f} eta_seconds={eta}"
    )


def bar(done: int, total: int, seconds: float) -> str:
    """`[#####.....]  50%  1.0 of 2.0 GiB, 512 MiB/s, 2 s left`."""
    filled = BAR_CHARACTERS * done // total
    rate = done / max(seconds, 1e-9)
    left = f", {(total - done) / rate:.0f} s left" if rate else ""
    return (
        f"[{'#' * filled}{'.' * (BAR_CHARACTERS - filled)}] {100 * done // total:3d}%  "
        f"{done / 2**30:.1f} of {total / 2**30:.1f} GiB, {rate / 2**20:.0f} MiB/s{left}\033[K"
    )
