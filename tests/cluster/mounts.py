"""Unmounts what the kubelet and the container runtime have left mounted, so that a folder can be removed."""

import subprocess
from pathlib import Path

from cluster.settings import ClusterError


def beneath(folder: Path) -> list[Path]:
    """Every mount point in a folder, the innermost and newest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # The fifth field is the mount point, with blanks as octal escapes.
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point.is_relative_to(folder):
            found.append(point)
    return found[::-1]


def unmount(folder: Path) -> None:
    """Returns when nothing is mounted in a folder any more: to remove it before would remove what is mounted there.

    Raises:
        ClusterError: Something stays mounted.
    """
    said = ""
    for point in beneath(folder):
        # Lazily: a process that is just ending may hold it for a moment longer.
        done = subprocess.run(["umount", "--lazy", str(point)], capture_output=True, text=True, check=False)
        said += done.stderr
    left = beneath(folder)
    if left:
        raise ClusterError(f"still mounted: {', '.join(map(str, left))}\n{said}".rstrip())
