"""Places in a structural schema, and what the schema says there; pure.

A place is written as in a manifest, with `[*]` for every entry of a list and every value of a map:
`spec.checkpoints[*].path`.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

ENTRY = "[*]"


def walk(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every place of a schema from `path` on, parents first."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, below(path, name))
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from walk(schema[key], path + ENTRY)


def below(path: str, name: str) -> str:
    """The place of a field."""
    return f"{path}.{name}" if path else name


def find(schema: Schema, path: str) -> Schema:
    """The schema at a place. Raises KeyError with the whole path where there is none."""
    here = schema
    for step in path.replace(ENTRY, f".{ENTRY}").split(".") if path else ():
        inner = (
            here.get("items", here.get("additionalProperties"))
            if step == ENTRY
            else here.get("properties", {}).get(step)
        )
        if inner is None:
            raise KeyError(path)
        here = inner
    return here
