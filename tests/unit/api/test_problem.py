"""Paths, nearest names and the sentence that a problem makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api.problem import ANY, Problem, listing, nearest, overlap, render, repeated, split, words

steps = st.one_of(st.text(), st.integers(min_value=0), st.just(ANY))


@given(st.lists(steps).map(tuple))
def test_a_path_reads_back_as_itself(path: tuple[str | int, ...]) -> None:
    assert split(render(path)) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "checkpoints", 3, "volume"), "spec.checkpoints[3].volume"),
        (("spec", "checkpoints", ANY, "name"), "spec.checkpoints[*].name"),
        (("limits", "nvidia.com/gpu"), 'limits["nvidia.com/gpu"]'),
        (("a b",), '["a b"]'),
        ((), ""),
    ],
    ids=["list", "any", "slash", "first", "empty"],
)
def test_a_path_is_written_as_people_write_it(path: tuple[str | int, ...], text: str) -> None:
    assert render(path) == text


@pytest.mark.parametrize("text", ["a..b", "a[", "a[x]", "a b", 'a["x]', ". "])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a path"):
        split(text)


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("a.b", "a", True),
        ("a", "a.b[3]", True),
        ("a.b", "a.c", False),
        ("a[*].name", "a[3].name", True),
        ("a[*].name", "a[3].path", False),
        ("a[*].name", "a[3]", True),
        ("a.length", "a[3]", False),
        ("", "a", True),
    ],
)
def test_places_overlap_if_one_lies_within_the_other(one: str, other: str, answer: object) -> None:
    assert overlap(split(one), split(other)) is answer
    assert overlap(split(other), split(one)) is answer


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("maxEvaluation", ["maxDuration", "maxEvaluations"], "maxEvaluations"),
        ("max_evaluations", ["maxDuration", "maxEvaluations"], "maxEvaluations"),
        ("SOFTMAX", ["Box", "Softmax"], "Softmax"),
        ("sft-3", ["dpo-12", "sft-03"], "sft-03"),
        ("something", ["Box", "Softmax"], ""),
        ("x" * 100_000, ["x" * 100], "x" * 100),
        ("x", [], ""),
    ],
    ids=["typo", "snake", "case", "digit", "none", "long", "empty"],
)
def test_the_nearest_name_is_found_whatever_its_case_and_separators(name: str, names: list[str], found: str) -> None:
    assert nearest(name, names) == found


@pytest.mark.parametrize(
    ("value", "written", "text"),
    [
        (None, None, "nothing"),
        (True, "on", "true (written on)"),
        (False, "false", "false"),
        (0.7, "0.70", "the number 0.70"),
        (5, None, "the number 5"),
        ('say "x"', None, '"say \\"x\\""'),
        ("x" * 100, None, '"' + "x" * 57 + '..."'),
        ([1], None, "a list of 1 entry"),
        ([], None, "a list of 0 entries"),
        ({"a": 1, "b": 2}, None, "a mapping with a, b"),
        ({}, None, "an empty mapping"),
    ],
    ids=[
        "null",
        "boolean",
        "plain-boolean",
        "number",
        "integer",
        "text",
        "long",
        "list",
        "empty-list",
        "mapping",
        "empty",
    ],
)
def test_values_are_named_in_words(value: object, written: str | None, text: str) -> None:
    assert words(value, written) == text


@pytest.mark.parametrize(
    ("names", "text"), [([], "nothing"), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")]
)
def test_names_are_listed(names: list[str], text: str) -> None:
    assert listing(names) == text


def test_repetitions_are_found_with_the_first_of_their_kind() -> None:
    assert list(repeated(["a", "b", "a", "c", "a", "b"])) == [(2, 0), (4, 0), (5, 1)]


def test_a_problem_is_one_line_that_no_terminal_obeys() -> None:
    problem = Problem("a.b", "a mapping with \x1b[31m\n", "c", "this is wrong", "c", line=3, column=4)

    assert str(problem) == (
        "line 3, column 4: a.b: this is wrong; found a mapping with \\x1b[31m\\n; allowed: c; did you mean c?"
    )


def test_a_problem_without_details_is_its_message() -> None:
    assert str(Problem("", "", "", "the file is empty")) == "the file is empty"
