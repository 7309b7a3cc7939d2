"""The control groups of the node: all of its pods lie under one, so nobody else's processes are ever touched."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

NAME = "mergesearch-test"
"""The kubelet's cgroup root."""
_ROOT = Path("/sys/fs/cgroup")


def create() -> None:
    """Makes the group in every hierarchy; what is there already is fine."""
    for hierarchy in _hierarchies():
        group = hierarchy / NAME
        group.mkdir(exist_ok=True)
        # A new cpuset (version 1) has neither processors nor memory, and takes no process until it has.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / "cpuset.cpu_exclusive").exists() and not (group / name).read_text().strip():
                (group / name).write_text((hierarchy / name).read_text())


def remove() -> None:
    """Kills every process in the group and removes it; nothing there is fine too."""
    for _ in range(100):
        pids = {int(line) for group in _groups() for line in _processes(group)}
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if not pids:
            break
        time.sleep(0.05)
    for group in _groups():
        with contextlib.suppress(FileNotFoundError):
            group.rmdir()


def _hierarchies() -> list[Path]:
    """One for version 2, one for each controller in version 1, and both where both are mounted."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return sorted(path for path in _ROOT.iterdir() if path.is_dir() and not path.is_symlink())


def _groups() -> Iterator[Path]:
    """Every group below ours and ours, the innermost first; what vanishes meanwhile, as a pod's does, is left out."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / NAME, topdown=False):
            yield Path(folder)


def _processes(group: Path) -> list[str]:
    try:
        return (group / "cgroup.procs").read_text().split()
    except OSError:
        return []
