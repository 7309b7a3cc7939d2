"""How much of the machine a merge may use, and other numbers that never change its result."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

THREADS_VARIABLE = "MERGESEARCH_MERGER_THREADS"
"""Environment variable that sets the number of threads."""

MAX_DEFAULT_THREADS = 8
"""More threads than this rarely help: the disk is busy before them."""

TILE_BYTES = 128 * 2**10
"""Bytes that a tile takes in the output. Its sums, scratch and input then stay in a core's cache: 64 Ki elements took
1.6-2.1 ns each with four inputs, 16 Ki 2.6 ns (calls), 1 Mi 4.8 ns (memory).
"""

DIGEST_CHUNK_BYTES = 16 * 2**20
"""Unit of work of one thread and of the digests. Changing it changes every digest, so merge.json names it."""

DIGEST_TRANSIENT = False
"""Whether outputs that will not be kept are digested. For 4 inputs of 0.7 GB it took 0.45 s of processor time beside
the merge's own 2.4 s; an output that lives for minutes gains nothing from it, as fsync before the rename keeps a torn
file from sight.
"""

SYNC_TRANSIENT = True
"""Whether outputs that will not be kept are synced before they are published. After a power cut a file that was not
may hold zeros in place of weights, and nothing would notice; syncing 0.7 GB took 0.35 s beside 5-6 s for the merge.
"""


def default_threads() -> int:
    """As many as this process has processors, unless the environment says otherwise."""
    said = os.environ.get(THREADS_VARIABLE, "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    return min(len(os.sched_getaffinity(0)), MAX_DEFAULT_THREADS)


def free_bytes(folder: Path) -> int:
    """Bytes that a process may still write below `folder`. Raises OSError."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@dataclass(frozen=True, slots=True)
class Settings:
    """The result of a merge does not depend on any of these."""

    threads: int = field(default_factory=default_threads)
    tile_bytes: int = TILE_BYTES
    chunk_bytes: int = DIGEST_CHUNK_BYTES
    free_bytes: Callable[[Path], int] = free_bytes
