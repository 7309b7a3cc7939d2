"""Compiles the merger's kernel in C while the package is built. Where that cannot be, the package is pure Python, and
the merger sums the same bytes by numpy.

A wheel takes the library along; an editable install leaves it beside its source, where git ignores it.
"""

import os
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "mergesearch_merger"
SOURCE = Path("merger_image", PACKAGE, "kernel.c")
LIBRARY = "libkernel.so"
"""`compiled.py` of the merger knows it by this name."""
FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden")
"""What determines the bytes of a merge: no others are taken from the environment."""
COMPILER_VARIABLE = "CC"
KERNEL_VARIABLE = "MERGESEARCH_KERNEL"
"""Environment variable; `required` makes it an error when the kernel cannot be compiled."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling finds it by this name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is written. Raises RuntimeError where the kernel is required and cannot be compiled."""
        source = Path(self.root, SOURCE)
        if not source.is_file():  # the images of the other parts hold no merger
            return
        if version == "editable":
            self._compile(source, source.with_name(LIBRARY))
            return
        self._folder = tempfile.TemporaryDirectory()
        target = Path(self._folder.name, LIBRARY)
        if self._compile(source, target):
            build_data["force_include"][str(target)] = f"{PACKAGE}/{LIBRARY}"
            build_data["pure_python"] = False
            # It is loaded by ctypes: any Python 3 of this platform can.
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """After the wheel is written."""
        del version, build_data, artifact_path
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    def _compile(self, source: Path, target: Path) -> bool:
        """Whether it worked; if not, nothing is at `target`, be it from before."""
        trouble = compile_library(source, target)
        if not trouble:
            return True
        target.unlink(missing_ok=True)
        sentence = f"the merger's kernel is not compiled, and numpy takes its place: {trouble}"
        if os.environ.get(KERNEL_VARIABLE) == "required":
            raise RuntimeError(sentence)
        self.app.display_warning(sentence)
        return False


def compile_library(source: Path, target: Path) -> str:
    """Write the library of `source` to `target`, at once. Returns why that failed, or nothing."""
    command = [*shlex.split(os.environ.get(COMPILER_VARIABLE) or "cc"), *FLAGS]
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        done = subprocess.run(
            [*command, "-o", str(beside), str(source)], capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode:
            return f"{command[0]} exited {done.returncode}: {' '.join(done.stderr.split())[:500]}"
        beside.replace(target)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        beside.unlink(missing_ok=True)
    return ""
