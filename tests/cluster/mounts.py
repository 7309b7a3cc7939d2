"""Unmounts what the kubelet and the container runtime have left mounted, so that a folder can be removed."""

import subprocess
from pathlib import Path


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
    """Returns when nothing is mounted in a folder any more."""
    for point in beneath(folder):
        # Lazily: a process that is just ending may hold it for a moment longer.
        subprocess.run(["umount", "--lazy", str(point)], capture_output=True, check=False)
