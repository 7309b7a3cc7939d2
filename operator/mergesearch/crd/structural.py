"""From the models to a structural schema, the subset of JSON Schema that Kubernetes takes; pure.

Nothing is passed over: a keyword that is not known here raises, since the API server would refuse it or, worse, drop
it. What Kubernetes' schemas cannot say (the form of a map's keys, the formats of `api/base.py`) becomes a rule in CEL.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from mergesearch.crd import formats
from mergesearch.crd.paths import ENTRY, Schema, below

_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
_LIMITS = {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_KEPT = _LIMITS | {"type", "enum", "required", "default", "pattern"}
"""Keywords that mean the same to Kubernetes."""
_KEYS = {"properties", "items", "additionalProperties", "patternProperties", "propertyNames"}
_TRANSLATED = _KEYS | {"title", "description", "const", "exclusiveMinimum", "exclusiveMaximum", "format"}
"""Keywords that Kubernetes lacks or reads in its own way. A title only repeats the name."""
_FIXED_LENGTH = re.compile(r"\^\[[^\]]+\]\{(?P<length>[0-9]+)\}\$")
_OPEN: dict[str, Schema] = {"Reason": {"type": "string", "maxLength": 64}}
"""Lists of words that grow from release to release: an operator that is newer than the schema must not be refused."""
DATE_TIME_LENGTH = 40
"""Of a time with microseconds and an offset, and a little more."""


class UnknownSchemaError(ValueError):
    """The models say something that has no place in a structural schema; names the place and the keyword."""


class _Generator(GenerateJsonSchema):
    """Defaults hold what differs from the defaults within: the API server fills in the rest, level by level."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, BaseModel):
            return dft.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return super().encode_default(dft)


def structural(model: type[BaseModel], path: str, *, rules: bool = True) -> Schema:
    """The structural schema of a model that stands at `path`.

    Without `rules`, what only CEL can say is left out: of what the operator alone writes.

    Raises UnknownSchemaError.
    """
    document = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return _Conversion(document.pop("$defs", {}), rules=rules).convert(document, path)


class _Conversion:
    """One document, with its definitions."""

    def __init__(self, definitions: Mapping[str, Schema], *, rules: bool) -> None:
        self._definitions = definitions
        self._rules = rules

    def convert(self, node: Schema, path: str, *, entry: bool = False) -> Schema:
        """The schema of one place; `entry`: of a list or map, where null is a value and not an absence."""
        node, nullable = self._resolved(node, path)
        if not node.keys() - {"description"}:
            return _ANYTHING | node
        schema: Schema = {}
        for key, value in node.items():
            schema |= self._structure(key, value, path)
        if "default" in schema and schema["default"] is None:
            del schema["default"]
        if nullable and entry:
            schema["nullable"] = True
        _complete(schema, path)
        rules = [one for key, value in node.items() for one in self._rules_of(key, value, path)]
        if rules and self._rules:
            schema["x-kubernetes-validations"] = rules
        return schema

    def _resolved(self, node: Schema, path: str) -> tuple[Schema, bool]:
        """The node with its reference and its "or null" put in place; what stands beside them is nearer."""
        beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            inner, nullable = self._resolved(_OPEN.get(name, self._definitions[name]), path)
            return inner | beside, nullable
        if node.get("format") in formats.FORMATS:
            beside.pop("pattern", None)  # The format asks for it, in words.
        if "anyOf" in node:
            choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
            if len(choices) != 1 or len(choices) == len(node["anyOf"]):
                raise UnknownSchemaError(f"{path}: a choice of types other than `X or null`: {node['anyOf']}")
            inner, _ = self._resolved(choices[0], path)
            return inner | beside, True
        return beside, False

    def _structure(self, key: str, value: Any, path: str) -> Schema:  # noqa: PLR0911 - one return for each keyword
        """What a keyword says to Kubernetes."""
        match key:
            case "const":
                return {"enum": [value]}
            case "description":
                return {key: unwrapped(value)}
            case "exclusiveMinimum" | "exclusiveMaximum":
                # A number beside a limit in JSON Schema; in OpenAPI 3.0 a limit and a boolean.
                return {key.replace("exclusiveM", "m"): value, key: True}
            case "properties":
                return {key: {name: self.convert(child, below(path, name)) for name, child in value.items()}}
            case "additionalProperties" if value is False:
                return {}  # Unknown fields are pruned, or refused where the client asks for it, as kubectl does.
            case "items" | "additionalProperties":
                return {key: self.convert({} if value is True else value, path + ENTRY, entry=True)}
            case "patternProperties":
                (inner,) = value.values()
                return {"additionalProperties": self.convert(inner, path + ENTRY, entry=True)}
            case "format" if value == "date-time":
                return {key: value, "maxLength": DATE_TIME_LENGTH}
            case _ if key in _KEPT:
                return {key: value}
        return {}

    def _rules_of(self, key: str, value: Any, path: str) -> tuple[Schema, ...]:
        """What a keyword says by rules. Raises UnknownSchemaError for a keyword that says nothing at all."""
        match key:
            case "pattern" if value in formats.FORMS:
                return (formats.form(value),)
            case "patternProperties":
                return tuple(formats.key_form(pattern) for pattern in value)
            case "propertyNames" if self._rules:
                return formats.key_length(self._resolved(value, path)[0])
            case "format" if value in formats.FORMATS:
                return formats.FORMATS[value]
            case "format" if value != "date-time":
                raise UnknownSchemaError(f"{path}: the format {value!r}")
            case _ if key not in _KEPT | _TRANSLATED:
                raise UnknownSchemaError(f"{path}: a structural schema has no place for {key}: {value!r}")
        return ()


def _complete(schema: Schema, path: str) -> None:
    """Add what Kubernetes asks for. Raises UnknownSchemaError where it cannot be known."""
    if "type" not in schema:
        raise UnknownSchemaError(f"{path}: no type")
    fixed = _FIXED_LENGTH.fullmatch(schema.get("pattern", ""))
    if fixed:
        schema.setdefault("maxLength", int(fixed["length"]))
    if schema["type"] == "integer":
        schema["format"] = "int64"
    if schema.get("pattern") in formats.FORMS:
        del schema["pattern"]  # The rule says it in words.


def unwrapped(text: str) -> str:
    """A docstring as `kubectl explain` wraps it itself: one line for each paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))
