"""What the models say becomes a structural schema, or an error that names the place."""

from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mergesearch.api import base
from mergesearch.crd import structural


class Inner(BaseModel):
    """A part of its own."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    size: int = 3
    """How large."""


def schema_of(annotation: Any, **field: Any) -> dict[str, Any]:
    """The schema of one field of that type."""
    model = type(
        "Model",
        (BaseModel,),
        {
            "__annotations__": {"field": annotation},
            "__module__": __name__,
            **({"field": Field(**field)} if field else {}),
        },
    )
    schema: dict[str, Any] = structural.structural(model, "spec")["properties"]["field"]
    return schema


SAME: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "a text with bounds": (
        str, {"min_length": 1, "max_length": 5}, {"type": "string", "minLength": 1, "maxLength": 5}),
    "a text of a pattern": (
        str, {"max_length": 5, "pattern": "^a+$"}, {"type": "string", "maxLength": 5, "pattern": "^a+$"}),
    "a digest, whose pattern bounds it": (
        str, {"pattern": "^[0-9a-f]{64}$"}, {"type": "string", "maxLength": 64, "pattern": "^[0-9a-f]{64}$"}),
    "a whole number": (
        int, {"ge": 1, "le": 9}, {"type": "integer", "format": "int64", "minimum": 1, "maximum": 9}),
    "a number above a bound": (
        float, {"gt": 0}, {"type": "number", "minimum": 0, "exclusiveMinimum": True}),
    "a number below a bound": (
        float, {"lt": 1}, {"type": "number", "maximum": 1, "exclusiveMaximum": True}),
    "one word": (Literal["a"], {}, {"type": "string", "enum": ["a"]}),
    "some words": (Literal["a", "b"], {}, {"type": "string", "enum": ["a", "b"]}),
    "a text or nothing": (
        Annotated[str, Field(max_length=5)] | None, {"default": None}, {"type": "string", "maxLength": 5}),
    "a list": (
        tuple[bool, ...], {"max_length": 2}, {"type": "array", "maxItems": 2, "items": {"type": "boolean"}}),
    "a list with gaps": (
        tuple[float | None, ...], {"max_length": 2},
        {"type": "array", "maxItems": 2, "items": {"type": "number", "nullable": True}}),
    "a part": (
        Inner, {},
        {"type": "object", "description": "A part of its own.", "properties": {
            "size": {"type": "integer", "format": "int64", "default": 3, "description": "How large."}}}),
    "a part with a text of its own": (
        Inner, {"description": "Nearer."},
        {"type": "object", "description": "Nearer.", "properties": {
            "size": {"type": "integer", "format": "int64", "default": 3, "description": "How large."}}}),
    "anything that Kubernetes knows": (
        dict[str, JsonValue], {"max_length": 4},
        {"type": "object", "maxProperties": 4,
         "additionalProperties": {"x-kubernetes-preserve-unknown-fields": True}}),
    "a time": (datetime, {}, {"type": "string", "format": "date-time", "maxLength": 40}),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_a_structural_schema_can_say(case: str) -> None:
    annotation, field, expected = SAME[case]

    assert schema_of(annotation, **field) == expected


def test_the_default_of_a_part_is_what_differs_from_the_defaults_within() -> None:
    assert schema_of(Inner, default=Inner())["default"] == {}
    assert schema_of(Inner, default=Inner(size=5))["default"] == {"size": 5}


def test_a_default_of_nothing_is_none_at_all() -> None:
    assert "default" not in schema_of(int | None, default=None)


RULES: dict[str, tuple[Any, str, str]] = {
    "a fraction": (base.FractionDecimal, "double(self) <= 1.0", "from 0 to 1, in quotes"),
    "a number above 0": (base.PositiveDecimal, "double(self) > 0.0", "above 0, in quotes"),
    "a size": (base.Size, "quantity('1Mi')", "such as 500Mi or 5Gi"),
    "a duration": (base.Duration, "duration('8784h')", "such as 24h"),
    "a name": (base.Name, "self.matches(", "lower-case letters"),
    "a path": (base.RelativePath, "self.matches(", "not beginning with /"),
    "the length of names in a map": (
        dict[Annotated[str, Field(max_length=9)], bool], "size(key) <= 9", "0 to 9 characters"),
    "the form of names in a map": (dict[base.Name, bool], "key.matches(", "lower-case letters"),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES)
def test_a_rule_says_what_a_structural_schema_cannot(case: str) -> None:
    annotation, part, message = RULES[case]

    schema = schema_of(annotation)

    assert not schema.keys() & {"pattern", "propertyNames", "patternProperties"}
    assert schema.get("format") is None
    assert any(part in rule["rule"] and message in rule["message"] for rule in schema["x-kubernetes-validations"])


class Tree(BaseModel):
    either: int | str


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a choice of types": (int | str, {}, "spec.field: a choice of types"),
    "a choice of types or nothing": (int | str | None, {}, "spec.field: a choice of types"),
    "a choice deep within": (tuple[Tree, ...], {}, r"spec.field\[\*\].either: a choice of types"),
    "a list of different types": (tuple[int, str], {}, "spec.field: a structural schema has no place for prefixItems"),
    "a set": (set[int], {}, "spec.field: a structural schema has no place for uniqueItems"),
    "a multiple": (int, {"multiple_of": 2}, "spec.field: a structural schema has no place for multipleOf"),
    "words and numbers": (Literal["a", 1], {}, "spec.field: no type"),
    "a format that nobody knows": (bytes, {}, "spec.field: the format 'binary'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_an_error_to_say(case: str) -> None:
    annotation, field, message = REFUSED[case]

    with pytest.raises(structural.UnknownSchemaError, match=message):
        schema_of(annotation, **field)


def test_a_text_over_several_lines_becomes_one_line_for_each_paragraph() -> None:
    assert structural.unwrapped("One\n    two.\n\n    Three\n    four.\n") == "One two.\n\nThree four."
