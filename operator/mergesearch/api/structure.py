"""What is wrong with the fields of a manifest, each taken by itself; pure.

The models decide what is wrong; here it is put into words, and what is wrong is replaced by something that the models
accept, so that the checks across fields (`checks.py`) can look at the rest.
"""

import contextlib
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pydantic

from mergesearch.api import scalars, shapes
from mergesearch.api.document import Place
from mergesearch.api.problem import Path, Problem, nearest, overlap, render, split, words
from mergesearch.api.resource import MergeSearch

MAX_ROUNDS = 12
"""Each round finds what the one before had hidden; a type within a type is hidden by it."""
LENGTH = "length"
"""A last step of a path: how many entries there are, whatever they are."""
PRESET = "preset"
"""A field that fills in others of its mapping."""


@dataclass(frozen=True)
class Finding:
    """A manifest with its broken parts replaced."""

    resource: MergeSearch | None
    """None where nothing could be made of it."""
    problems: tuple[Problem, ...]
    broken: frozenset[Path]
    """Places that were replaced or removed: what is said about them, or follows from them, means nothing."""


def examine(document: dict[str, Any], places: Mapping[Path, Place], broken: frozenset[Path] = frozenset()) -> Finding:
    """Find all problems of single fields. What lies in `broken` is known to be wrong and not spoken of again."""
    repair = _Repair(copy.deepcopy(document), places, set(broken))
    for path in sorted(broken, key=len, reverse=True):
        repair.mend(path)
    repair.refuse_nulls(("spec",), shapes.find(("spec",)))
    for _ in range(MAX_ROUNDS):
        try:
            # As strict as the API server: no number in quotes for a number, no snake_case names.
            resource = MergeSearch.model_validate_json(
                json.dumps(repair.document), strict=True, by_alias=True, by_name=False
            )
        except pydantic.ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
            # A misspelt name first: what it leaves missing is not worth a second sentence.
            for one in sorted(errors, key=lambda one: one["type"] != "extra_forbidden"):
                repair.take(one["loc"], one["type"])
        else:
            return Finding(resource, tuple(repair.problems), frozenset(repair.broken))
    return Finding(None, tuple(repair.problems), frozenset(repair.broken))  # pragma: no cover - nobody has seen it


class _Repair:
    """A document that is mended problem by problem."""

    def __init__(self, document: dict[str, Any], places: Mapping[Path, Place], broken: set[Path]) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.broken = broken
        self._places = places

    def refuse_nulls(self, path: Path, shape: shapes.Shape | None) -> None:
        """The API server refuses or drops nulls; a person who wrote one has forgotten the value."""
        if shape is None or shape.is_free or any(overlap(path, one) for one in self.broken if len(one) <= len(path)):
            return
        value = self._value(path)
        if value is None:
            if self._has(path):
                self._note(path, Problem("", words(None), shape.allowed(), "this is empty"))
            return
        for step in list(value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()):
            self.refuse_nulls((*path, step), shape.at(step))

    def take(self, location: tuple[str | int, ...], kind: str) -> None:
        """One error of the models."""
        path, is_key = _place_of(location)
        if any(overlap(one, path) for one in self.broken if len(one) <= len(path)) and not is_key:
            self.mend(path)
            return
        shape = shapes.find(path)
        if kind == "extra_forbidden":
            self._unknown(path)
        elif is_key:
            self._wrong_key(path)
        elif shape is not None and kind in ("too_short", "too_long"):
            self._wrong_length(path, shape, self._value(path))
        elif shape is not None:
            self._wrong_value(path, shape, missing=kind == "missing")

    def mend(self, path: Path) -> None:
        """Put something in the place of a broken value that the models accept."""
        self.broken.add(path)
        shape, parent = shapes.find(path), self._value(path[:-1])
        if isinstance(parent, list) and isinstance(path[-1], int) and path[-1] < len(parent):
            parent[path[-1]] = shape.placeholder() if shape else None
        elif isinstance(parent, dict):
            holder = shapes.find(path[:-1])
            if shape is not None and shape.required and holder is not None and holder.is_model:
                parent[str(path[-1])] = shape.placeholder()
            else:
                parent.pop(str(path[-1]), None)
            if path[-1] == PRESET and holder is not None:
                # Nobody knows what it would have filled in.
                for name in (name for name, one in holder.fields().items() if one.required and name not in parent):
                    self.mend((*path[:-1], name))

    def _unknown(self, path: Path) -> None:
        name, holder = str(path[-1]), shapes.find(path[:-1])
        fields = list(holder.fields()) if holder else []
        near = suggest(name, path[:-1], fields)
        found = words(self._value(path), self._written(path))
        self._note(path, Problem("", found, ", ".join(fields), "there is no such field", near))
        if near in fields and not self._has((*path[:-1], near)):
            self.mend((*path[:-1], near))

    def _wrong_key(self, path: Path) -> None:
        holder = shapes.find(path[:-1])
        allowed = holder.key().allowed() if holder else ""
        self._note(path, Problem("", words(str(path[-1])), allowed, "this name is not valid"))

    def _wrong_length(self, path: Path, shape: shapes.Shape, value: list[Any] | dict[str, Any]) -> None:
        least, most = shape.least or 0, shape.most
        if least <= len(value) and (most is None or len(value) <= most):
            return  # The models count valid entries only, and have named the others.
        message = "too few entries" if len(value) < least else "too many entries"
        if not any(len(one) == len(path) + 1 and overlap(one, path) for one in self.broken):
            # Otherwise entries were removed here, and not by the person.
            self.problems.append(Problem(render(path), words(value), shape.allowed(), message))
        self.broken.add((*path, LENGTH))
        steps = list(value) if isinstance(value, dict) else list(range(len(value)))
        surplus = [] if most is None else steps[most:]
        self.broken |= {(*path, step) for step in surplus}
        if isinstance(value, dict):
            for step in surplus:
                value.pop(str(step))
            added = shape.placeholder() if len(value) < least else {}
            self.broken |= {(*path, name) for name in added}
            value.update(added)
            return
        del value[len(value) - len(surplus) :]
        while len(value) < least:
            self.broken.add((*path, len(value)))
            value.append(shape.placeholder()[0])

    def _wrong_value(self, path: Path, shape: shapes.Shape, *, missing: bool = False) -> None:
        value, written = self._value(path), self._written(path)
        if missing:
            holder = shapes.find(path[:-1])
            instead = f", or a {PRESET}" if holder is not None and PRESET in holder.fields() else ""
            self._note(path, Problem("", "", shape.allowed() + instead, "this is required and missing"))
            return
        near = ""
        if shape.base is Literal and isinstance(value, str):
            near = nearest(value, shape.arguments, 0.5)
        self._note(path, Problem("", words(value, written), shape.allowed(), _hint(value, written, shape), near))

    def _note(self, path: Path, problem: Problem) -> None:
        self.problems.append(replace(problem, path=render(path)))
        self.mend(path)

    def _written(self, path: Path) -> str | None:
        place = self._places.get(path)
        return None if place is None else place.written

    def _value(self, path: Path) -> Any:
        value: Any = self.document
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def _has(self, path: Path) -> bool:
        parent = self._value(path[:-1])
        return path[-1] in parent if isinstance(parent, dict) else isinstance(parent, list)


def suggest(name: str, holder: Path, fields: list[str]) -> str:
    """The field that was meant: one of the same mapping, or the path of one elsewhere."""
    others = shapes.elsewhere()
    here = render(holder)

    def distance(path: str) -> tuple[int, int]:
        return -_shared(path, here), len(split(path))

    return (
        nearest(name, fields, 0.85)
        or min(others.get(name, ()), key=distance, default="")
        or nearest(name, fields)
        or min(others.get(nearest(name, others, 0.85), ()), key=distance, default="")
    )


def _shared(one: str, other: str) -> int:
    """How many characters two paths have in common at their beginnings."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _place_of(location: tuple[str | int, ...]) -> tuple[Path, bool]:
    """The path of an error, and whether it is about a key of a map rather than about its value."""
    if location and location[-1] == "[key]":
        holder = shapes.find(location[:-2])
        if holder is not None and holder.base is dict:
            return location[:-1], True
    return location, False


def _hint(value: object, written: str | None, shape: shapes.Shape) -> str:
    if isinstance(value, int | float) and shape.base is str:
        return f'write it in quotes: "{written or json.dumps(value)}"'
    if isinstance(value, str) and shape.base in (int, bool):
        with contextlib.suppress(scalars.AmbiguousScalarError):
            if type(scalars.read(value)) is shape.base:
                return f"write it without quotes: {value}"
    return "this is not a valid value"
