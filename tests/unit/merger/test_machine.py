"""Limits of containers: those of both versions of control groups are kept, and what cannot be read limits nothing. And
the cache of a processor, as far as anybody tells.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mergesearch_merger import machine

PROCESSORS = len(os.sched_getaffinity(0))
LIMITS: dict[str, tuple[Mapping[str, str], int, int | None]] = {
    "nothing is there": ({}, PROCESSORS, None),
    "version 2": ({"cpu.max": "100000 100000\n", "memory.max": "536870912\n"}, 1, 2**29),
    "version 2, a part of a processor": ({"cpu.max": "25000 100000"}, 1, None),
    "version 2, no limit": ({"cpu.max": "max 100000", "memory.max": "max"}, PROCESSORS, None),
    "version 2, more than there is": ({"cpu.max": "99900000 100000", "memory.max": str(2**59)}, PROCESSORS, None),
    "version 1": (
        {
            "cpu/cpu.cfs_quota_us": "50000",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "1073741824",
        },
        1,
        2**30,
    ),
    "version 1, no limit": (
        {
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
        },
        PROCESSORS,
        None,
    ),
    "nonsense": ({"cpu.max": "x y", "memory.max": ""}, PROCESSORS, None),
}


@pytest.mark.parametrize(("written", "cpus", "memory"), LIMITS.values(), ids=LIMITS)
def test_a_process_uses_what_its_container_allows(
    tmp_path: Path, written: Mapping[str, str], cpus: int, memory: int | None
) -> None:
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert machine.cpus(tmp_path) == cpus
    assert machine.memory_bytes(tmp_path) == (memory or machine.memory_bytes(tmp_path / "nowhere"))


def nobody_knows(name: str) -> int:
    """What the C library answers that has never heard of `name`."""
    raise ValueError(name)


def answers(size: int) -> Callable[[str], int]:
    return {machine.CACHE_NAME: size}.__getitem__


LEVEL_1 = {"index0/level": "1\n", "index0/size": "48K\n", "index1/level": "1\n", "index1/size": "32K\n"}
LEVEL_2 = {"index2/level": "2\n", "index2/size": "1280K\n"}
CACHES: dict[str, tuple[Mapping[str, str], Callable[[str], int], int]] = {
    "the kernel tells": ({**LEVEL_1, **LEVEL_2}, nobody_knows, 1280 * 2**10),
    "the kernel tells, the library does not know": (LEVEL_2, answers(0), 1280 * 2**10),
    "another place": ({"index1/level": "2", "index1/size": "512K"}, nobody_knows, 2**19),
    "only the library tells": ({}, answers(2**21), 2**21),
    "no cache of level 2 is listed": (LEVEL_1, answers(2**18), 2**18),
    "a size that is none": ({"index2/level": "2", "index2/size": "much"}, answers(0), 0),
    "an error of the library": ({}, answers(-1), 0),
    "nobody tells": ({}, nobody_knows, 0),
}


@pytest.mark.parametrize(("written", "ask", "expected"), CACHES.values(), ids=CACHES)
def test_the_cache_of_level_2_is_asked_for_where_it_may_be_known(
    tmp_path: Path, written: Mapping[str, str], ask: Callable[[str], int], expected: int
) -> None:
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert machine.level2_cache_bytes(tmp_path, ask) == expected
