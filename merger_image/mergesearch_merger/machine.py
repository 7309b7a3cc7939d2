"""How many processors and how much memory this process may use: what the machine has, and what its container allows.

Control groups of version 2 and 1 are read where a container mounts its own, at the root of their file system. What is
not there, or is not a number, limits nothing.
"""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMORY_FILES = ("memory.max", "memory/memory.limit_in_bytes")
"""Of version 2 and of version 1."""
UNLIMITED_BYTES = 2**60
"""Version 1 says "no limit" by a number near 2**63."""


def cpus(groups: Path = CGROUPS) -> int:
    """Processors that this process may keep busy, at least one: its affinity, and the quota of its container."""
    return max(1, min(len(os.sched_getaffinity(0)), _quota(groups) or 2**31))


def memory_bytes(groups: Path = CGROUPS) -> int:
    """Bytes that this process may hold: the limit of its container, or what the machine has."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [found for name in MEMORY_FILES if (found := _number(groups / name)) is not None]
    return min([machine, *(limit for limit in limits if 0 < limit < UNLIMITED_BYTES)])


def _quota(groups: Path) -> int | None:
    """Whole processors that the quota pays for; a part of one counts as one."""
    words = _words(groups / "cpu.max")
    if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
        return math.ceil(int(words[0]) / int(words[1]))
    quota, period = _number(groups / "cpu/cpu.cfs_quota_us"), _number(groups / "cpu/cpu.cfs_period_us")
    return math.ceil(quota / period) if quota and period and quota > 0 else None


def _number(path: Path) -> int | None:
    words = _words(path)
    try:
        return int(words[0]) if words else None
    except ValueError:  # "max"
        return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []
