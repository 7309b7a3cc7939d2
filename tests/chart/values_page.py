"""Renders docs/reference/chart.md from the values of the chart: what is set, to what, and what for.

`make generate` writes it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from chart.helm import CHART

INTRODUCTION = """# Values of the chart

Generated from `charts/mergesearch/values.yaml` by `make generate`. Every other value is refused by
`charts/mergesearch/values.schema.json`.

| value | default | |
|---|---|---|
"""
LINE = re.compile(r"^(?P<indent> *)(?:# (?P<text>.*)|(?P<key>[A-Za-z_]+):(?P<rest>.*))$")


@dataclass(frozen=True)
class Value:
    """One value, or a part of the values."""

    path: str
    default: Any
    text: str
    part: bool
    """Its own values are told, each by itself."""


def render() -> str:
    """The text of the page."""
    return INTRODUCTION + "".join(map(_row, values()))


def values() -> list[Value]:
    """Everything that can be set, in the order of the file."""
    text = (CHART / "values.yaml").read_text()
    document = yaml.safe_load(text)
    commented = dict(_commented(text))
    return [
        Value(path, _at(document, path), words, any(other.startswith(f"{path}.") for other in commented))
        for path, words in commented.items()
    ]


def _row(value: Value) -> str:
    default = "" if value.part else f"`{json.dumps(value.default)}`"
    return f"| `{value.path}` | {default} | {value.text} |\n"


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return document


def _commented(text: str) -> Iterator[tuple[str, str]]:
    """Path and comment of every key that has a comment above it."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        found = LINE.match(line)
        if found is None:
            comment = []
        elif found["text"] is not None:
            comment.append(found["text"])
        else:
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            if comment:
                yield ".".join(path), " ".join(comment)
            comment = []
