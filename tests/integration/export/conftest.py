"""mergekit itself, in a folder of its own that is made once and kept in pytest's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import pytest

from cluster import locks

ROOT = Path(__file__).resolve().parents[3]
PINS = ROOT / "constraints" / "mergekit.txt"
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+).*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
PROGRAM = """
import sys
from mergekit.scripts.run_yaml import main
for recipe, out in zip(sys.argv[1::2], sys.argv[2::2]):
    main([recipe, out, "--quiet"], standalone_mode=False)
"""
"""`mergekit-yaml RECIPE OUT`, several times with one start of its libraries."""

Mergekit = Callable[[Sequence[tuple[Path, Path]]], None]
"""Merges each recipe into a folder."""


def lacking() -> str:
    """The pins that this environment does not hold already: torch and most others it does, in the same versions."""
    found = [pin for pin in PIN.finditer(PINS.read_text()) if installed(pin["name"]) != pin["version"]]
    assert "mergekit" in {pin["name"] for pin in found}
    return "".join(pin[0] for pin in found)


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@pytest.fixture(scope="session")
def mergekit(request: pytest.FixtureRequest) -> Mergekit:
    pins = lacking()
    key = hashlib.sha256(f"{sys.version}\n{pins}".encode()).hexdigest()[:12]
    folder = Path(request.config.cache.mkdir("mergekit")) / key
    with locks.held(folder.with_suffix(".lock")):
        if not folder.exists():
            install(pins, folder)

    def merge(recipes: Sequence[tuple[Path, Path]]) -> None:
        arguments = [str(path) for pair in recipes for path in pair]
        environment = {**os.environ, "PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        program = [sys.executable, "-P", "-c", PROGRAM, *arguments]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return merge


def install(pins: str, folder: Path) -> None:
    """Whole or not at all: it gets its name when it is complete."""
    temporary = folder.with_suffix(".part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    listed = temporary / "pins.txt"
    listed.write_text(pins)
    uv = Path(sys.executable).with_name("uv")
    into = ["--target", str(temporary), "--python", sys.executable]
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(listed), *into]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    temporary.rename(folder)
