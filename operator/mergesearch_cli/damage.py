"""What is wrong with a file that this program has written itself, where in it, and what a person can do."""

import json
from pathlib import Path

from pydantic import ValidationError

from mergesearch.errors import GiveUpError
from mergesearch.lifecycle.step import clip
from mergesearch.reasons import Reason

ANOTHER = "give another --state"
SHOWN = 60
"""Characters of a value that is not understood."""


def content(path: Path) -> bytes:
    """The bytes of a file. Raises GiveUpError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise GiveUpError(f"{path}: cannot be read: {error.strerror}", reason=Reason.MALFORMED_REQUEST) from error


def unreadable(path: Path, error: ValidationError) -> GiveUpError:
    """An error in one line: the place in the file, or in the document that it holds."""
    problems = error.errors(include_url=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        message = (
            f"{path}: damaged: {first['ctx']['error']}. MergeSearch replaces this file as a whole, so something else "
            f"has cut or changed it: restore it, or {ANOTHER} to begin anew"
        )
        return GiveUpError(message, reason=Reason.MALFORMED_REQUEST)
    message = (
        f"{path}: not understood by this release: {first_problem(error)}. Use the release that has written it, "
        f"or {ANOTHER}"
    )
    return GiveUpError(message, reason=Reason.MALFORMED_REQUEST)


def first_problem(error: ValidationError) -> str:
    """The first thing that is not as it should be, with its place, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"]) or "the document"
    shown = clip(json.dumps(first["input"], default=str), SHOWN)
    found = "is missing" if first["type"] == "missing" else f"is {shown}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where} {found}{more}"
