"""How many processors and how much memory this process may use: what the machine has, and what its container allows.
And how large a processor's cache is.

Control groups of version 2 and 1 are read where a container mounts its own, at the root of their file system. What is
not there, or is not a number, limits nothing.
"""

import math
import os
import re
import resource
from collections.abc import Callable
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMORY_FILES = ("memory.max", "memory/memory.limit_in_bytes")
"""Of version 2 and of version 1."""
UNLIMITED_BYTES = 2**60
"""Version 1 says "no limit" by a number near 2**63."""
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
CACHE_NAME = "SC_LEVEL2_CACHE_SIZE"
"""By which the C library knows it; on some processors it answers 0, and not every library knows the name."""


def cpus(groups: Path = CGROUPS) -> int:
    """Processors that this process may keep busy, at least one: its affinity, and the quota of its container."""
    return max(1, min(len(os.sched_getaffinity(0)), _quota(groups) or 2**31))


def memory_bytes(groups: Path = CGROUPS) -> int:
    """Bytes that this process may hold: the limit of its container, or what the machine has."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [found for name in MEMORY_FILES if (found := _number(groups / name)) is not None]
    return min([machine, *(limit for limit in limits if 0 < limit < UNLIMITED_BYTES)])


def allow_files(count: int) -> int:
    """Raise this process's own limit of open files to `count` where it is lower; returns how many it may open then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def level2_cache_bytes(caches: Path = CACHES, ask: Callable[[str], int] = os.sysconf) -> int:
    """Size of the cache of level 2 of the first processor, or 0 where nobody tells."""
    for folder in sorted(caches.glob("index*")):
        size = re.fullmatch(r"(\d+)K", "".join(_words(folder / "size")))
        if size is not None and _number(folder / "level") == 2:
            return int(size[1]) * 2**10
    try:
        return max(ask(CACHE_NAME), 0)
    except (OSError, ValueError):
        return 0


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
