"""What the fields of the resource allow, in words, as their types say it; pure."""

import dataclasses
import functools
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mergesearch.api import base
from mergesearch.api.problem import ANY, Path, Step, listing, render
from mergesearch.api.resource import MergeSearch

_NAMED: tuple[tuple[Any, str, str], ...] = (
    (base.PositiveDecimal, 'a decimal number above 0, in quotes, such as "0.5"', "1"),
    (base.FractionDecimal, 'a decimal number from 0 to 1, in quotes, such as "0.5"', "1"),
    (base.Size, "a size of at least 1Mi, such as 500Mi or 5Gi", "1Gi"),
    (base.Duration, "a duration in hours, minutes and seconds, such as 24h, 90m or 1h30m", "1h"),
    (base.Name, "1 to 63 lower-case letters, digits, - and ., with a letter or digit at both ends", "placeholder"),
    (base.RelativePath, "a path inside the volume, 1 to 512 characters, not beginning with /", "placeholder"),
)
"""Types of base.py: what they allow, and a value that they accept."""


@dataclass(frozen=True)
class Shape:
    """The type of one field, list entry or map value."""

    base: Any
    """str, int, bool, a model, tuple (a list), dict (a map), Literal, or JsonValue: anything."""
    arguments: tuple[Any, ...] = ()
    """Of a list or map: the annotations of entries, or of keys and values; of a Literal: the values."""
    least: int | None = None
    """Smallest number, or shortest length."""
    most: int | None = None
    """Largest number, or greatest length."""
    named: str = ""
    """What a type of base.py allows, in words."""
    example: str = ""
    """A value of that type."""
    required: bool = True
    """Of a field: it has no default."""

    @property
    def is_model(self) -> bool:
        """A mapping with fixed fields."""
        return isinstance(self.base, type) and issubclass(self.base, BaseModel)

    @property
    def is_free(self) -> bool:
        """Anything that JSON knows is allowed."""
        return self.base is object

    def fields(self) -> dict[str, "Shape"]:
        """The fields of a model by their names in YAML; of anything else none."""
        return _fields(self.base) if self.is_model else {}

    def at(self, step: Step) -> "Shape | None":
        """The shape of a field, a map's value or a list's entry; None if there is no such field."""
        if self.is_free:
            return self
        if self.base is tuple:
            return _shape(self.arguments[0]) if isinstance(step, int) else None
        if self.base is dict:
            return _shape(self.arguments[1])
        return self.fields().get(str(step))

    def key(self) -> "Shape":
        """The shape of a map's keys."""
        return _shape(self.arguments[0])

    def allowed(self) -> str:  # noqa: PLR0911 - one return for each type
        """What is allowed, in words."""
        if self.named:
            return self.named
        if self.is_model:
            names = list(self.fields())
            return f"a mapping with the field{'s' * (len(names) > 1)} {', '.join(names)}"
        if self.base is Literal:
            return listing(self.arguments)
        length = _range(self.least, self.most)
        if self.base is str:
            return f"a text{length and f' of {length} characters'}"
        if self.base is int:
            return f"a whole number{length and f', {length}'}"
        if self.base is tuple:
            return f"a list{length and f' of {length} entries'}"
        if self.base is dict:
            return f"a mapping{length and f' of {length} entries'}"
        return {bool: "true or false"}.get(self.base, "anything")

    def placeholder(self) -> Any:
        """A value that is accepted here; it stands where a broken one stood while the rest is checked."""
        if self.is_model:
            return {name: shape.placeholder() for name, shape in self.fields().items() if shape.required}
        if self.base is Literal:
            return self.arguments[0]
        if self.base is tuple:
            return [_shape(self.arguments[0]).placeholder()] * (self.least or 0)
        if self.base is dict:
            key, value = (_shape(argument).placeholder() for argument in self.arguments)
            return {key: value} if self.least else {}
        return {str: self.example or "placeholder", int: self.least or 0, bool: False}.get(self.base)


ROOT = Shape(MergeSearch)


def find(path: Path) -> Shape | None:
    """The shape at a path of the resource; None if the path leads nowhere."""
    shape: Shape | None = ROOT
    for step in path:
        if shape is None:
            return None
        shape = shape.at(step)
    return shape


@functools.cache
def elsewhere() -> dict[str, tuple[str, ...]]:
    """All places of the spec at which a field of a name exists."""
    found: dict[str, tuple[str, ...]] = {}

    def walk(shape: Shape, path: Path) -> None:
        for name, inner in shape.fields().items():
            here = (*path, name)
            found[name] = (*found.get(name, ()), render(here))
            entry, entry_path = (inner.at(0), (*here, ANY)) if inner.base is tuple else (inner, here)
            if entry is not None:
                walk(entry, entry_path)

    walk(ROOT.fields()["spec"], ("spec",))
    return found


@functools.cache
def _fields(model: type[BaseModel]) -> dict[str, Shape]:
    hints = typing.get_type_hints(model, include_extras=True)
    return {
        info.alias or name: _limited(
            dataclasses.replace(_shape(hints[name]), required=info.is_required()), tuple(info.metadata)
        )
        for name, info in model.model_fields.items()
    }


def _shape(annotation: Any) -> Shape:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _shape(next(argument for argument in arguments if argument is not type(None)))
    if origin is typing.Annotated:
        named, example = next(((text, value) for kind, text, value in _NAMED if kind == annotation), ("", ""))
        metadata = tuple(
            one for entry in arguments[1:] for one in (entry.metadata if isinstance(entry, FieldInfo) else [entry])
        )
        return dataclasses.replace(_limited(_shape(arguments[0]), metadata), named=named, example=example)
    if origin in (tuple, dict, Literal):
        return Shape(origin, tuple(one for one in arguments if one is not Ellipsis))
    if annotation in (str, int, bool) or Shape(annotation).is_model:
        return Shape(annotation)
    return Shape(object)


def _limited(shape: Shape, metadata: tuple[object, ...]) -> Shape:
    for limit in metadata:
        match limit:
            case annotated_types.MinLen(int(number)) | annotated_types.Ge(int(number)):
                shape = dataclasses.replace(shape, least=number)
            case annotated_types.MaxLen(int(number)) | annotated_types.Le(int(number)):
                shape = dataclasses.replace(shape, most=number)
    return shape


def _range(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f"{least} to {most}"
    if most is not None:
        return f"at most {most}"
    return "" if least is None else f"at least {least}"
