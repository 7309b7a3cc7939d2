"""What it costs to begin: the imports that a merge needs, and those that another kernel would need.

Cold: the files of the packages were put out of the page cache before each start.
"""

import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from merge import cache, records
from merge.records import Start

IMPORTS = {
    "python -c pass": "pass",
    "import numpy": "import numpy",
    "the merger's own imports": "import mergesearch_merger.main, mergesearch_merger.batch",
    "import torch": "import torch",
}
PACKAGES = ("numpy", "numpy.libs", "pydantic", "pydantic_core", "torch", "nvidia", "triton")


def measure(states: list[str], rounds: int) -> Iterator[Start]:
    """Each import in a process of its own, in this interpreter's environment."""
    for number in range(rounds):
        for state in states:
            for what, code in IMPORTS.items():
                if state == records.COLD:
                    cache.drop(_files())
                yield Start(what, state, number, _seconds(code))


def _seconds(code: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.monotonic() - began


def _files() -> list[Path]:
    packages = Path(sysconfig.get_paths()["platlib"])
    found = (path for name in PACKAGES for path in (packages / name).rglob("*"))
    return [path for path in found if path.is_file() and path.stat().st_size]
