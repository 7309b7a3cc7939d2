"""Whatever happens to a manifest, it is either read or told what is wrong with it, where it is wrong."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.api import manifest, shapes
from mergesearch.api.problem import Path, render, split
from unit.api import good

GOOD = {"minimal": good.values(good.MINIMAL), "full": good.values(good.FULL)}
LINES = good.FULL.splitlines(keepends=True)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", "0.5", "1e5", "0", "on", "sft-03", "checkpoints", "Uniform", "5Gi", "24h", "a/../b", "\x00", "é"]
    ),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
)
names = st.one_of(st.text(max_size=12), st.sampled_from(["name", "seed", "max_evaluations", "maxEvaluation", "Spec"]))


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good manifest with a few places removed, replaced, renamed or doubled."""
    content = GOOD[draw(st.sampled_from(sorted(GOOD)))]
    for _ in range(draw(st.integers(1, 5))):
        places = [path for path in good.paths(content) if path]
        if not places:
            break
        path = draw(st.sampled_from(places))
        parent, step = good.at(content, path[:-1]), path[-1]
        match draw(st.sampled_from(["remove", "replace", "rename", "double", "move"])):
            case "remove":
                content = good.removed(content, path)
            case "replace":
                content = good.replaced(content, path, draw(anything))
            case "rename" if isinstance(parent, dict):
                content = good.replaced(good.removed(content, path), (*path[:-1], draw(names)), parent[step])
            case "double" if isinstance(parent, list):
                content = good.replaced(content, path[:-1], [*parent, parent[int(step)]]) if path[:-1] else content
            case "move":
                other = draw(st.sampled_from(places))
                content = good.replaced(content, path, good.at(content, other))
    return content


@settings(max_examples=150, deadline=None)
@given(mutated())
def test_a_mutated_manifest_is_read_or_its_problems_name_places_that_exist(content: Any) -> None:
    text = good.text_of(content)
    examined = manifest.examine(text)

    if examined.resource is not None:
        assert examined.problems == ()
        assert manifest.load(text, "x") == examined.resource
        assert manifest.load(manifest.dump(examined.resource), "x") == examined.resource
        return
    assert examined.problems
    lines = len(text.splitlines())
    for problem in examined.problems:
        path = split(problem.path)
        assert render(path) == problem.path
        assert good.exists(content, path) or good.exists(content, path[:-1]) or good.exists(content, path[:-2])
        assert problem.line is None or 1 <= problem.line <= lines
        assert "\n" not in str(problem)
        assert "Input should" not in str(problem)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.text(max_size=8)), min_size=1, max_size=4))
def test_text_that_is_put_anywhere_never_crashes_the_reader(insertions: list[tuple[int, str]]) -> None:
    lines = list(LINES)
    for index, text in insertions:
        lines[index] = lines[index].rstrip("\n") + text + "\n"

    examined = manifest.examine("".join(lines))

    assert (examined.resource is None) == bool(examined.problems)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_read_or_told_its_problems(text: str) -> None:
    assert manifest.problems(text)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(good.FULL)))
def test_a_manifest_that_is_cut_off_anywhere_never_crashes_the_reader(length: int) -> None:
    manifest.examine(good.FULL[:length])


TYPED = [path for path in good.paths(GOOD["full"]) if len(path) > 1 and path[0] == "spec"]
TYPED = [path for path in TYPED if (shape := shapes.find(path)) is not None and not shape.is_free]


@pytest.mark.parametrize("wrong", [None, 3.5, ["x", ["y"]]], ids=["null", "fraction", "list"])
def test_a_wrong_value_in_any_field_is_told_once_and_nothing_else(wrong: object) -> None:
    for path in TYPED:
        told = manifest.problems(good.text_of(good.replaced(GOOD["full"], path, wrong)))
        allowed = {render(path)} if not isinstance(wrong, list) else {p.path for p in told if is_below(p.path, path)}

        assert told
        assert {problem.path for problem in told} == allowed


def test_any_required_field_that_is_missing_is_told_once_and_nothing_else() -> None:
    required = [path for path in TYPED if is_required(path)]
    for path in required:
        told = manifest.problems(good.text_of(good.removed(GOOD["full"], path)))

        assert [problem.path for problem in told] == [render(path)]
    assert len(required) > 20


def test_any_field_that_is_misspelt_is_told_once_with_its_right_name() -> None:
    for path in TYPED:
        holder = shapes.find(path[:-1])
        if holder is None or not holder.is_model or path[-1] in ("search", "start", "stop"):
            continue
        wrong = f"{path[-1]}X"
        content = good.replaced(good.removed(GOOD["full"], path), (*path[:-1], wrong), good.at(GOOD["full"], path))
        told = manifest.problems(good.text_of(content))

        assert [(p.path, p.nearest) for p in told] == [(render((*path[:-1], wrong)), path[-1])]


def is_below(where: str, path: Path) -> bool:
    return split(where)[: len(path)] == path


def is_required(path: Path) -> bool:
    shape, holder = shapes.find(path), shapes.find(path[:-1])
    return shape is not None and shape.required and holder is not None and holder.is_model
