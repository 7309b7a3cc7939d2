"""How a merge uses the machine: numbers and switches that never change its result."""

import argparse
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mergesearch.contract import SLICE_VARIABLE
from mergesearch_merger import budget, compiled, linux, machine

THREADS_VARIABLE = "MERGESEARCH_MERGER_THREADS"
"""Environment variable that says the same as --threads."""
MEMORY_VARIABLE = "MERGESEARCH_MERGER_MEMORY"
"""Environment variable that says the same as --memory."""
DEVICE_VARIABLE = "MERGESEARCH_MERGER_DEVICE"
"""Environment variable that says the same as --device."""
VERIFY_VARIABLE = "MERGESEARCH_MERGER_VERIFY"
"""Environment variable that says the same as --verify, if it is 1."""
DROP_CACHE_VARIABLE = "MERGESEARCH_MERGER_DROP_CACHE"
"""Environment variable that says the same as --drop-cache, if it is 1."""
MEMORY_SHARE = 0.5
"""Of what this process may hold; the rest is left to the page cache, which counts as the container's too."""
UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
DEVICES = ("cpu", "cuda")

TILE_BYTES = 128 * 2**10
"""Bytes that a tile takes in the output at most, and where the cache is not known. Its sums, scratch and input then
stay in a core's cache of 2 MiB: 64 Ki elements took 1.6-2.1 ns each with four inputs, 16 Ki 2.6 ns (calls), 1 Mi 4.8 ns
(memory).
"""
LEAST_TILE_BYTES = 32 * 2**10
"""With less, calls cost more than a cache saves."""
TILES_PER_CACHE = 16
"""A tile of bf16 takes eight times its size with an input, its value, scratch and one sum: so that is half a cache."""

DIGEST_CHUNK_BYTES = 128 * 2**10
"""What the digests are made of, and the least that a slot takes of an output. Changing it changes every digest, so
merge.json names it.
"""

DIGEST_TRANSIENT = False
"""Whether outputs that will not be kept are digested. For 4 inputs of 0.7 GB it took 0.6 s of processor time beside
the merge's own 2.7 s, and 0.3 s of 2.7 s on two cores (medians of six); an output that lives for minutes gains nothing
from it, as fsync before the rename keeps a torn file from sight.
"""

SYNC_TRANSIENT = True
"""Whether outputs that will not be kept are synced before they are published. After a power cut a file that was not
may hold zeros in place of weights, and nothing would notice. As its pages begin to go to the disk while the merge goes
on, it costs less than one run differs from the next: 2.69 s with it and 2.70 s without (medians of six, as above).
"""


def free_bytes(folder: Path) -> int:
    """Bytes that a process may still write below `folder`. Raises OSError."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def default_memory() -> int:
    """Bytes: a share of what this process may hold."""
    return int(machine.memory_bytes() * MEMORY_SHARE)


def tile_bytes(cache: int) -> int:
    """Bytes of a tile in the output, for processors that have so many bytes of cache each; 0 where nobody knows."""
    return min(max(cache // TILES_PER_CACHE, LEAST_TILE_BYTES), TILE_BYTES) if cache else TILE_BYTES


def default_tile() -> int:
    """Bytes of a tile in the output, for the processors that are here."""
    return tile_bytes(machine.level2_cache_bytes())


@dataclass(frozen=True, slots=True)
class Settings:
    """The result of a merge does not depend on any of these."""

    threads: int = field(default_factory=machine.cpus)
    """How many merge; those that read and write come on top."""
    memory_bytes: int = field(default_factory=default_memory)
    device: str = "cpu"
    """One of DEVICES."""
    verify: bool = False
    """Read what was written again, and compare it with its digests."""
    drop_cache: bool = False
    """Leave nothing of what was read and written in the page cache."""
    slice: tuple[int, int | None] | None = None
    """Number of this process, and of how many if it was told; None merges all, whatever the request says."""
    bar: bool = False
    """Show progress as a bar on a terminal instead of lines."""
    slot_bytes: int = budget.LARGEST_SLOT_BYTES
    tile_bytes: int = field(default_factory=default_tile)
    chunk_bytes: int = DIGEST_CHUNK_BYTES
    library: Path = compiled.LIBRARY
    """Where the compiled kernel lies, if there is one."""
    free_bytes: Callable[[Path], int] = free_bytes
    system: linux.System = field(default_factory=linux.System)


def options() -> argparse.ArgumentParser:
    """What may be said on the command line, as a parent of the entry point's parser."""
    parser = argparse.ArgumentParser(
        add_help=False, epilog="`mergesearch-merger plan --help`: what a merge will read, write, hold and take."
    )
    parser.add_argument("--threads", type=_count, metavar="N", help=f"threads that merge (or ${THREADS_VARIABLE})")
    parser.add_argument(
        "--memory", type=size, metavar="SIZE", help=f"bytes to use at most, such as 512Mi (or ${MEMORY_VARIABLE})"
    )
    parser.add_argument("--device", choices=DEVICES, help=f"where weights are summed (or ${DEVICE_VARIABLE})")
    parser.add_argument(
        "--slice",
        type=_slice,
        metavar="I/N",
        help=f"merge slice I of N of the output's shards, from 0 (or I alone in ${SLICE_VARIABLE})",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help=f"read what was written again and compare the digests (or ${VERIFY_VARIABLE}=1)",
    )
    parser.add_argument(
        "--drop-cache", action="store_true", help=f"leave nothing in the page cache (or ${DROP_CACHE_VARIABLE}=1)"
    )
    return parser


def of(given: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """The settings that the command line gives, then the environment. Raises ValueError where that cannot be read."""
    threads = given.threads or _said(environment, THREADS_VARIABLE, _count) or machine.cpus()
    memory = given.memory or _said(environment, MEMORY_VARIABLE, size) or default_memory()
    device = given.device or environment.get(DEVICE_VARIABLE) or DEVICES[0]
    if device not in DEVICES:
        raise ValueError(f"${DEVICE_VARIABLE} is {device!r}, not one of {', '.join(DEVICES)}")
    index = _said(environment, SLICE_VARIABLE, _index)
    return Settings(
        threads=threads,
        memory_bytes=memory,
        device=device,
        verify=given.verify or bool(_said(environment, VERIFY_VARIABLE, _switch)),
        drop_cache=given.drop_cache or bool(_said(environment, DROP_CACHE_VARIABLE, _switch)),
        slice=given.slice or (None if index is None else (index, None)),
    )


def _said(environment: Mapping[str, str], variable: str, parse: Callable[[str], int]) -> int | None:
    text = environment.get(variable, "")
    try:
        return parse(text) if text else None
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"${variable}: {error}") from error


def size(text: str) -> int:
    """Bytes, from a number with one of the units of Kubernetes. Raises argparse.ArgumentTypeError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kKMGT]?i?)", text)
    if found is None or found[2] not in UNITS or not int(float(found[1]) * UNITS[found[2]]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 512Mi or 2G")
    return int(float(found[1]) * UNITS[found[2]])


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads from 1 to 1024")
    return int(text)


def _switch(text: str) -> int:
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 0 nor 1")
    return int(text)


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a slice")
    return int(text)


def _slice(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 0 to N - 1, such as 0/4")
    return int(index), int(count)
