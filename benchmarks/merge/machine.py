"""The machine and the versions that a table was measured with."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import platform
from importlib.metadata import version
names = ["mergekit", "torch", "numpy", "safetensors"]
print(", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)]))
"""


def describe(work: Path, mergekit: Path | None) -> str:
    """Markdown lines."""
    return "\n".join(f"- {line}" for line in _lines(work, mergekit))


def _lines(work: Path, mergekit: Path | None) -> Iterator[str]:
    yield f"measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, revision {_revision()}"
    yield f"processor: {_field('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores"
    yield f"memory: {int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.1f} GiB"
    yield f"disk: {_disk(work)}"
    yield f"kernel: {platform.system()} {platform.release()}"
    ours = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "torch"))
    yield f"MergeSearch's environment: Python {platform.python_version()}, {ours}"
    if mergekit is not None:
        said = subprocess.run([mergekit, "-c", ASK], capture_output=True, text=True, check=True).stdout.strip()
        yield f"mergekit's environment: {said}"


def _revision() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _disk(work: Path) -> str:
    """Device, file system and options of the deepest mount that holds `work`."""
    mounts = [line.split()[:4] for line in Path("/proc/mounts").read_text().splitlines()]
    held = [mount for mount in mounts if work.resolve().is_relative_to(mount[1])]
    device, _, kind, options = max(held, key=lambda mount: len(mount[1]))
    return f"{device}, {kind} ({options})"


if sys.platform != "linux":
    raise SystemExit("the benchmark reads /proc")
