"""The good manifests of this folder, and ways to change them."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mergesearch.api import document, problem

MINIMAL = (Path(__file__).parent / "minimal.yaml").read_text(encoding="utf-8")
FULL = (Path(__file__).parent / "full.yaml").read_text(encoding="utf-8")


def values(text: str) -> Any:
    """What a manifest says."""
    return copy.deepcopy(document.read(text).value)


def text_of(content: Any) -> str:
    """A manifest that says this; JSON is YAML."""
    return json.dumps(content, ensure_ascii=False, indent=1)


def paths(content: Any, path: problem.Path = ()) -> Iterator[problem.Path]:
    """All places of a manifest, parents before children."""
    yield path
    steps = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for step in steps:
        yield from paths(content[step], (*path, step))


def at(content: Any, path: problem.Path) -> Any:
    """The value at a place. Raises LookupError and TypeError."""
    for step in path:
        content = content[step]
    return content


def exists(content: Any, path: problem.Path) -> bool:
    """Whether there is such a place."""
    try:
        at(content, path)
    except (LookupError, TypeError):
        return False
    return True


def replaced(content: Any, path: problem.Path, value: Any) -> Any:
    """A copy with another value at a place."""
    changed = copy.deepcopy(content)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def removed(content: Any, path: problem.Path) -> Any:
    """A copy without a place."""
    changed = copy.deepcopy(content)
    del at(changed, path[:-1])[path[-1]]
    return changed
