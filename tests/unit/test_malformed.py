"""What people are told about requests that cannot be read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mergesearch.contract import REQUEST, malformed

REQUESTED: dict[str, Any] = {
    "kind": "merge",
    "version": 1,
    "search": {"name": "soup", "uid": "1234"},
    "checkpoints": [{"name": name, "location": {"volume": "checkpoints", "path": name}} for name in ("a", "b")],
    "candidates": [{"id": "g0-0", "weights": [0.5, 0.5]}],
    "tokenizerFrom": "a",
}
NAN = float("nan")


def told(document: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        REQUEST.validate_json(document if isinstance(document, str) else json.dumps(document))
    return malformed.told(refused.value).splitlines()


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a weight that is no number": (
        {"candidates": [{"id": "g0-0", "weights": [NAN, 0.5]}]},
        ["candidates[0].weights[0]: should be a finite number; found NaN"],
    ),
    "a name that none may have": (
        {"candidates": [{"id": "x y", "weights": [1, 0]}]},
        ['candidates[0].id: should match ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$; found "x y"'],
    ),
    "no candidate": ({"candidates": []}, ["candidates: too few entries, at least 1; found a list of 0 entries"]),
    "as many weights as there are checkpoints, but one": (
        {"candidates": [{"id": "g0-0", "weights": [1]}]},
        ["candidate g0-0: 1 weights, 2 checkpoints"],
    ),
    "another version": ({"version": 2}, ["version: should be 1; found 2"]),
    "another data type": ({"dtype": "int8"}, ["dtype: should be 'bfloat16', 'float16' or 'float32'; found \"int8\""]),
    "very small shards": ({"maxShardBytes": 1}, ["maxShardBytes: should be greater than or equal to 1024; found 1"]),
    "a field that is none": ({"colour": "red\n"}, ['colour: there is no such field; found "red\\n"']),
    "a text for an object": ({"search": "soup"}, ['search: should be an object; found "soup"']),
    "an object for a text": ({"tokenizerFrom": {}}, ["tokenizerFrom: should be a valid string; found an object"]),
    "another kind": (
        {"kind": "mrge"},
        [
            "kind: should be one of 'merge', 'evaluate', 'preflight-checkpoints', 'preflight-tasks', 'compare', "
            "'cleanup', 'read'; found \"mrge\""
        ],
    ),
    "two problems": (
        {"slices": 0, "version": "one"},
        ['version: should be 1; found "one"', "slices: should be greater than or equal to 1; found 0"],
    ),
}


@pytest.mark.parametrize(("changes", "lines"), CASES.values(), ids=CASES)
def test_each_problem_has_a_line_with_its_place_and_what_was_found(changes: dict[str, Any], lines: list[str]) -> None:
    assert told(REQUESTED | changes) == lines


@pytest.mark.parametrize("name", ["kind", "search", "tokenizerFrom"])
def test_a_field_that_is_missing_is_named(name: str) -> None:
    assert told({key: value for key, value in REQUESTED.items() if key != name}) == [f"{name}: this is missing"]


@pytest.mark.parametrize("document", ["[]", "null", "3"])
def test_a_request_that_is_no_object_is_called_so(document: str) -> None:
    (line,) = told(document)
    assert line.startswith("the request: should be an object; found ")


def test_an_argument_that_may_have_several_types_is_told_once() -> None:
    engine = {"name": "vllm", "engineArgs": {"some": [1]}}
    lines = [line for line in told({"kind": "evaluate", "version": 1, "engine": engine}) if "engineArgs" in line]

    assert lines == ["engine.engineArgs.some: should be a text, a number, true or false; found a list of 1 entry"]


def test_of_very_many_problems_the_first_are_told_and_the_others_counted() -> None:
    lines = told(REQUESTED | {"prune": ["A B"] * 1000})

    assert len(lines) == malformed.MOST_TOLD + 1
    assert lines[-1] == "and 980 more"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*REQUESTED, "prune", "slices"]) | st.text(), values, max_size=4))
def test_no_line_speaks_of_our_classes_or_of_a_library(changes: dict[str, Any]) -> None:
    try:
        REQUEST.validate_json(json.dumps(REQUESTED | changes))
    except ValidationError as error:
        text = malformed.told(error)
        assert text
        for line in text.splitlines():
            assert line.isprintable()
        assert not any(word in text for word in ("pydantic", "function-", "Input should", "Value error", "type="))
