"""What is wrong with a request that cannot be read, in words for whoever wrote it; pure. The names of our classes and
the words of the library that validates are not theirs to know.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

MOST_TOLD = 20
"""Problems of one document that are told; the others are counted."""
MAX_FOUND = 60
"""Characters of a value that a message repeats."""

PLAIN_TYPES = {"str", "int", "float", "bool"}
"""Last steps of a place that only say which of several types did not fit."""

_SUBJECT = re.compile(r"^(?:Input|String|Tuple|List|Dictionary|Value|JSON) (?=should )")


def told(error: ValidationError) -> str:
    """One line for each problem: `place: problem; found ...`."""
    lines = list(dict.fromkeys(_lines(error)))
    rest = len(lines) - MOST_TOLD
    return "\n".join([*lines[:MOST_TOLD], *([f"and {rest} more"] if rest > 0 else [])])


def _lines(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        if not _follows_from_others(one):
            yield _one_line(_sentence(one))


def _follows_from_others(one: Mapping[str, Any]) -> bool:
    """Entries that are broken themselves are not counted, so that a list seems too short that is not."""
    return bool(one["type"] == "too_short" and len(one["input"]) >= one["ctx"]["min_length"])


def _sentence(one: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one return for each type
    # The first step says by which kind the document was read.
    place, found = _place(one["loc"][1:]), _found(one["input"])
    if one["loc"][-1:] and one["loc"][-1] in PLAIN_TYPES:
        return f"{_place(one['loc'][1:-1])}: should be a text, a number, true or false; found {found}"
    match one["type"]:
        case "json_invalid":
            return f"the request is no JSON: {one['ctx']['error']}"
        case "union_tag_not_found":
            return "kind: this is missing"
        case "union_tag_invalid":
            return f"kind: should be one of {one['ctx']['expected_tags']}; found {_found(one['input'].get('kind'))}"
        case "missing":
            return f"{place}: this is missing"
        case "extra_forbidden":
            return f"{place}: there is no such field; found {found}"
        case "too_short":
            return f"{place}: too few entries, at least {one['ctx']['min_length']}; found {found}"
        case "string_pattern_mismatch":
            return f"{place}: should match {one['ctx']['pattern']}; found {found}"
        case "value_error":
            return f"{place}: {one['ctx']['error']}" if place else str(one["ctx"]["error"])
    return f"{place or 'the request'}: {_SUBJECT.sub('', one['msg'])}; found {found}"


def _place(steps: tuple[int | str, ...]) -> str:
    """As people write it: `candidates[0].weights[2]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _found(value: Any) -> str:
    match value:
        case list() | tuple():
            return "a list of 1 entry" if len(value) == 1 else f"a list of {len(value)} entries"
        case dict():
            return "an object"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_FOUND else text[: MAX_FOUND - 3] + "..."


def _one_line(text: str) -> str:
    """Names may hold line ends and codes that a terminal obeys: they are shown, not passed on."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
