"""Good manifests, and edits of them by path."""

import copy
from pathlib import Path
from typing import Any, Literal

import yaml

from mergesearch.api.problem import split

FOLDER = Path(__file__).resolve().parents[2] / "unit" / "api"
Base = Literal["minimal", "full"]
Edits = dict[str, Any]

REMOVED = object()
"""In the place of a value: the field is taken away."""


def manifest(base: Base = "minimal", edits: Edits | None = None, *, name: str | None = None) -> dict[str, Any]:
    """A good manifest with some fields changed, added or taken away; parents are made where they are missing."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / f"{base}.yaml").read_text(encoding="utf-8"))
    document["metadata"].pop("namespace", None)
    if name is not None:
        document["metadata"]["name"] = name
    for path, value in (edits or {}).items():
        change(document, path, value)
    return document


def edited(document: dict[str, Any], edits: Edits) -> dict[str, Any]:
    """A copy with some fields changed."""
    document = copy.deepcopy(document)
    for path, value in edits.items():
        change(document, path, value)
    return document


def change(document: dict[str, Any], path: str, value: Any) -> None:
    """Change the value at a path such as `spec.checkpoints[0].name`."""
    *parents, last = split(path)
    holder: Any = document
    for step in parents:
        holder = holder.setdefault(step, {}) if isinstance(step, str) else holder[step]
    if value is REMOVED:
        del holder[last]
    elif isinstance(last, int) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value
