"""What a build of the package makes of the merger's kernel, with a compiler and without."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mergesearch_merger import compiled

ROOT = Path(__file__).resolve().parents[2]
INSIDE = f"mergesearch_merger/{compiled.LIBRARY.name}"
IN_TREE = Path("merger_image", INSIDE)
needs_compiler = pytest.mark.skipif(
    shutil.which((os.environ.get("CC") or "cc").split()[0]) is None, reason="no C compiler here"
)
USUAL: dict[str, str] = {}
NO_COMPILER = {"CC": "/nowhere/cc"}
FAILING = {"CC": "false"}
REQUIRED = {"MERGESEARCH_KERNEL": "required"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the package is built from, as the merger's image copies it."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "README.md").touch()
    for name in ("operator/mergesearch/contract", "merger_image/mergesearch_merger"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder


def build(
    tree: Path, environment: dict[str, str], target: str = "wheel"
) -> tuple[subprocess.CompletedProcess[str], list[Path]]:
    """What hatchling said, and the wheels that are there then."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", "dist"],
        cwd=tree,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done, sorted((tree / "dist").glob("*.whl"))


def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@needs_compiler
@pytest.mark.parametrize("environment", [USUAL, REQUIRED], ids=["usual", "required"])
def test_a_wheel_holds_a_library_that_the_merger_can_call(tree: Path, environment: dict[str, str]) -> None:
    done, (wheel,) = build(tree, environment)

    assert done.returncode == 0, done.stdout
    assert "-py3-none-linux_" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        compiled.Library(Path(archive.extract(INSIDE, tree)))
    assert not (tree / IN_TREE).exists()


@pytest.mark.parametrize("environment", [NO_COMPILER, FAILING], ids=["no-compiler", "failing-compiler"])
def test_without_a_compiler_the_wheel_is_pure_and_one_line_says_so(tree: Path, environment: dict[str, str]) -> None:
    done, (wheel,) = build(tree, environment)

    assert done.returncode == 0, done.stdout
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "mergesearch_merger/kernel.py" in content(wheel)
    assert INSIDE not in content(wheel)
    (line,) = [line for line in done.stdout.splitlines() if "kernel" in line]
    assert "numpy takes its place" in line
    assert environment["CC"] in line


@pytest.mark.parametrize("environment", [NO_COMPILER, FAILING], ids=["no-compiler", "failing-compiler"])
def test_where_the_kernel_is_required_there_is_no_wheel_without_it(tree: Path, environment: dict[str, str]) -> None:
    done, wheels = build(tree, environment | REQUIRED)

    assert done.returncode != 0
    assert not wheels
    assert environment["CC"] in done.stdout


def test_a_part_without_the_merger_is_built_without_a_word_of_it(tree: Path) -> None:
    shutil.rmtree(tree / "merger_image")

    done, (wheel,) = build(tree, NO_COMPILER | REQUIRED)

    assert done.returncode == 0, done.stdout
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "kernel" not in done.stdout


@needs_compiler
def test_an_editable_install_leaves_the_library_beside_its_source(tree: Path) -> None:
    done, (wheel,) = build(tree, USUAL, "wheel:editable")

    assert done.returncode == 0, done.stdout
    assert wheel.name.endswith("-py3-none-any.whl")
    compiled.Library(tree / IN_TREE)


def test_an_editable_install_that_cannot_compile_leaves_no_older_library(tree: Path) -> None:
    (tree / IN_TREE).write_bytes(b"of an older source")

    done, _ = build(tree, FAILING, "wheel:editable")

    assert done.returncode == 0, done.stdout
    assert not (tree / IN_TREE).exists()


def test_git_does_not_see_the_library() -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", str(IN_TREE)], cwd=ROOT, check=False)

    assert done.returncode == 0
