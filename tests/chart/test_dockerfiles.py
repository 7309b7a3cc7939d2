"""What the Dockerfiles copy is what their programs import; who runs them is who the pods say."""

import json
import re
from pathlib import Path

import grimp
import pytest

from cluster import recipes, settings
from mergesearch_operator import constants

IMAGES = {
    "operator": ("operator", "mergesearch_operator", ("mergesearch-operator",)),
    "merger": ("merger_image", "mergesearch_merger", constants.MERGER_COMMAND),
    "evaluator": ("evaluator_image", "mergesearch_evaluator", constants.EVALUATOR_COMMAND),
}
"""Folder, package and command of each."""


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("mergesearch", *(package for _, package, _ in IMAGES.values()), cache_dir=None)


@pytest.mark.parametrize("image", IMAGES)
def test_every_module_that_is_imported_is_in_the_image(image: str, imports: grimp.ImportGraph) -> None:
    folder, package, _ = IMAGES[image]
    needed = {package, *imports.find_descendants(package), *imports.find_upstream_modules(package, as_package=True)}
    copied = [settings.ROOT / source for source in recipes.copied(_text(image))]
    for module in sorted(needed):
        source = _source(module, settings.ROOT / (folder if module.startswith(package) else "operator"))
        assert any(source.is_relative_to(one) for one in copied), f"{module} is not copied"


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_that_is_copied_is_ignored(image: str) -> None:
    kept = re.findall(r"^!(\S+)$", (settings.ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for source in recipes.copied(_text(image)):
        assert any(Path(source).match(one) or Path(source).is_relative_to(one) for one in kept), source


@pytest.mark.parametrize("image", IMAGES)
def test_pods_run_the_images_user_and_command(image: str) -> None:
    _, _, command = IMAGES[image]
    assert f"\nUSER {constants.USER}:{constants.USER}\n" in _text(image)
    assert f"\nENTRYPOINT {json.dumps(list(command))}\n" in _text(image)


@pytest.mark.parametrize("image", IMAGES)
def test_everything_stands_on_the_base_that_the_builder_chooses(image: str) -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", _text(image), re.MULTILINE)
    names = {name for _, name in stages}
    assert {base for base, _ in stages} <= {"${BASE_IMAGE}", *names}
    assert stages[-1][0] == "${BASE_IMAGE}"


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_is_installed_that_no_hash_pins(image: str) -> None:
    joined = _text(image).replace("\\\n", " ")
    for command in re.findall(r"pip install [^&;]*", joined):
        assert "--require-hashes" in command or "dist/*.whl" in command, command


def _text(image: str) -> str:
    return (settings.ROOT / IMAGES[image][0] / "Dockerfile").read_text()


def _source(module: str, root: Path) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
