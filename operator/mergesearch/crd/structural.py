"""From the models to a structural schema, the subset of JSON Schema that Kubernetes takes; pure.

Nothing is passed over: a keyword that is not known here raises, since the API server would refuse it or, worse, drop
it. What Kubernetes' schemas cannot say (the form of a map's keys, the formats of `api/base.py`) becomes a rule in CEL.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from mergesearch.crd.formats import FORMATS, key_length, key_pattern
from mergesearch.crd.paths import ENTRY, Schema, below

_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
_KEPT = {
    "type",
    "enum",
    "required",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
}
"""Keywords that mean the same to Kubernetes."""
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
        schema: Schema = {key: value for key, value in node.items() if key in _KEPT}
        rules: list[Schema] = []
        for key in node.keys() - _KEPT:
            self._translate(key, node, schema, rules, path)
        if node.get("description"):
            schema["description"] = unwrapped(node["description"])
        if node.get("default") is not None:
            schema["default"] = node["default"]
        if nullable and entry:
            schema["nullable"] = True
        self._check(schema, path)
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
        if "anyOf" in node:
            choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
            if len(choices) != 1 or len(choices) == len(node["anyOf"]):
                raise UnknownSchemaError(f"{path}: a choice of types other than `X or null`: {node['anyOf']}")
            inner, _ = self._resolved(choices[0], path)
            return inner | beside, True
        return node, False

    def _translate(  # noqa: C901 - one case for each keyword
        self, key: str, node: Schema, schema: Schema, rules: list[Schema], path: str
    ) -> None:
        """A keyword that Kubernetes lacks or reads in its own way."""
        value = node[key]
        match key:
            case "title" | "description" | "default":
                pass
            case "const":
                schema["enum"] = [value]
            case "exclusiveMinimum" | "exclusiveMaximum":
                # A number beside a limit in JSON Schema; in OpenAPI 3.0 a limit and a boolean.
                schema |= {key.replace("exclusiveM", "m"): value, key: True}
            case "properties":
                schema[key] = {name: self.convert(child, below(path, name)) for name, child in value.items()}
            case "additionalProperties" if value is False:
                pass  # Unknown fields are pruned, or refused where the client asks for it, as kubectl does.
            case "items" | "additionalProperties":
                schema[key] = self.convert({} if value is True else value, path + ENTRY, entry=True)
            case "patternProperties" if len(value) == 1:
                ((pattern, inner),) = value.items()
                schema["additionalProperties"] = self.convert(inner, path + ENTRY, entry=True)
                rules.append(key_pattern(pattern))
            case "propertyNames":
                rules += key_length(self._resolved(value, path)[0])
            case "format" if value == "date-time":
                schema |= {"format": value, "maxLength": DATE_TIME_LENGTH}
            case "format" if value in FORMATS:
                rules += FORMATS[value]
            case _:
                raise UnknownSchemaError(f"{path}: a structural schema has no place for {key}: {value!r}")

    @staticmethod
    def _check(schema: Schema, path: str) -> None:
        if "type" not in schema:
            raise UnknownSchemaError(f"{path}: no type")
        if schema["type"] == "object" and not schema.keys() & {"properties", "additionalProperties"}:
            raise UnknownSchemaError(f"{path}: an object without fields")
        fixed = _FIXED_LENGTH.fullmatch(schema.get("pattern", ""))
        if fixed and "maxLength" not in schema:
            schema["maxLength"] = int(fixed["length"])
        if schema["type"] == "integer":
            schema["format"] = "int64"


def unwrapped(text: str) -> str:
    """A docstring as `kubectl explain` wraps it itself: one line for each paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))
