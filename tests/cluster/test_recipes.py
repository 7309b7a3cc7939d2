"""An image's name follows from its ingredients: nothing is built twice, and nothing old is taken for new."""

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster import recipes
from cluster.recipes import Recipe
from cluster.settings import ClusterError

DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS tools
COPY --chown=1:1 pyproject.toml src/code \\
     # a remark
     src/more /work/
RUN echo COPY nothing
FROM ${BASE_IMAGE}
COPY --from=tools /work /work
add src/code /again
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A git work tree with a file that git ignores and one that no line copies."""
    tree = tmp_path / "tree"
    for name in ("pyproject.toml", "src/code/a.py", "src/more/b.py", "src/code/x.pyc", "src/other/c.py", ".gitignore"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tree / ".gitignore").write_text("*.pyc\n")
    (tree / "Dockerfile").write_text(DOCKERFILE)
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    return Recipe("sample", tree / "Dockerfile", tree, base="base", arguments={"A": "1"})


def name_of(recipe: Recipe, folder: Path) -> str:
    folder.mkdir()
    return recipe.stage(folder).reference


def test_only_what_the_dockerfile_takes_from_the_context_is_copied() -> None:
    assert recipes.copied(DOCKERFILE) == ["pyproject.toml", "src/code", "src/more"]


def test_a_build_sees_what_it_copies_and_nothing_that_git_ignores(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    context = recipe.stage(tmp_path / "staged").context

    staged = sorted(str(path.relative_to(context)) for path in context.rglob("*") if path.is_file())
    assert staged == ["pyproject.toml", "src/code/a.py", "src/more/b.py"]


def unused(recipe: Recipe) -> Recipe:
    (recipe.context / "src/other/c.py").write_text("changed")
    return recipe


def ignored(recipe: Recipe) -> Recipe:
    (recipe.context / "src/code/x.pyc").write_text("changed")
    return recipe


def touched(recipe: Recipe) -> Recipe:
    (recipe.context / "src/code/a.py").touch()
    return recipe


def content(recipe: Recipe) -> Recipe:
    (recipe.context / "src/code/a.py").write_text("changed")
    return recipe


def executable(recipe: Recipe) -> Recipe:
    (recipe.context / "src/code/a.py").chmod(0o755)
    return recipe


def added(recipe: Recipe) -> Recipe:
    (recipe.context / "src/code/d.py").write_text("")
    return recipe


def dockerfile(recipe: Recipe) -> Recipe:
    recipe.dockerfile.write_text(DOCKERFILE + "USER 1\n")
    return recipe


def arguments(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, arguments={"A": "2"})


def base(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, base="another")


@pytest.mark.parametrize("change", [unused, ignored, touched])
def test_what_does_not_enter_an_image_leaves_its_name(
    recipe: Recipe, tmp_path: Path, change: Callable[[Recipe], Recipe]
) -> None:
    before = name_of(recipe, tmp_path / "before")

    assert name_of(change(recipe), tmp_path / "after") == before


@pytest.mark.parametrize("change", [content, executable, added, dockerfile, arguments, base])
def test_every_ingredient_changes_the_name(recipe: Recipe, tmp_path: Path, change: Callable[[Recipe], Recipe]) -> None:
    before = name_of(recipe, tmp_path / "before")

    assert name_of(change(recipe), tmp_path / "after") != before


def test_a_file_that_is_not_there_is_named(recipe: Recipe, tmp_path: Path) -> None:
    (recipe.context / "src/more/b.py").unlink()

    with pytest.raises(ClusterError, match=r"Dockerfile: copies src/more, which .*/tree does not have"):
        name_of(recipe, tmp_path / "staged")
