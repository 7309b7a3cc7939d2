"""Limits of containers: those of both versions of control groups are kept, and what cannot be read limits nothing."""

import os
from collections.abc import Mapping
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
