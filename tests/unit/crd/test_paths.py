"""Places in a structural schema."""

import pytest

from mergesearch.crd import cel, paths

TEXT = {"type": "string"}
LIST = {"type": "array", "items": {"type": "object", "properties": {"a": TEXT}}}
SCHEMA = {"properties": {"list": LIST, "map": {"type": "object", "additionalProperties": TEXT}}}


def test_every_place_is_found_by_the_path_that_it_is_walked_by() -> None:
    places = dict(paths.walk(SCHEMA, ""))

    assert list(places) == ["", "list", "list[*]", "list[*].a", "map", "map[*]"]
    assert [path for path, schema in places.items() if paths.find(SCHEMA, path) is not schema] == []


@pytest.mark.parametrize("path", ["other", "list[*].b", "list.a", "map[*][*]"])
def test_a_place_that_does_not_exist_is_an_error_with_the_whole_path(path: str) -> None:
    with pytest.raises(KeyError, match=path.replace("[*]", r"\[\*\]")):
        paths.find(SCHEMA, path)


def test_a_quote_in_a_pattern_is_an_error_since_it_would_end_the_literal() -> None:
    assert cel.text("^a+$") == "r'^a+$'"
    with pytest.raises(ValueError, match="a quote"):
        cel.text("it's")
