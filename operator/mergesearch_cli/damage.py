"""What is wrong with a file that MergeSearch or Kubernetes has written, where in it, and what a person can do."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from mergesearch.api.problem import one_line
from mergesearch.api.status import STATUS_VERSION
from mergesearch.errors import GiveUpError
from mergesearch.lifecycle.step import clip
from mergesearch.reasons import Reason

ANOTHER = "give another --state"
SHOWN = 60
"""Characters of a value that is not understood."""
A_TIME = "a time with its zone, such as 2026-01-31T12:00:00Z"


def content(path: Path) -> bytes:
    """The bytes of a file. Raises GiveUpError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise GiveUpError(f"{path}: cannot be read: {error.strerror}", reason=Reason.MALFORMED_REQUEST) from error


def refuse_newer(document: object, label: str, then: str) -> None:
    """Raises GiveUpError where a newer release has written the status of a resource. `document` is the resource before
    its fields are looked at, since that release may have other ones; `then` says what to do.
    """
    status = document.get("status") if isinstance(document, Mapping) else None
    version = status.get("version") if isinstance(status, Mapping) else None
    if isinstance(version, int) and version > STATUS_VERSION:
        known = f"status version {version}, this release knows {STATUS_VERSION}"
        raise GiveUpError(f"{label}: written by a newer release ({known}); {then}", reason=Reason.NEWER_STATUS)


def damaged(path: Path, what: str) -> GiveUpError:
    """A file of a state folder that is not as it was written."""
    message = (
        f"{path}: damaged: {what}. MergeSearch replaces this file as a whole, so something else has cut or changed it: "
        f"restore it, or {ANOTHER} to begin anew"
    )
    return GiveUpError(one_line(message), reason=Reason.MALFORMED_REQUEST)


def unreadable(path: Path, error: ValidationError) -> GiveUpError:
    """An error in one line: the place in the file, or in the document that it holds."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return damaged(path, first["ctx"]["error"])
    message = (
        f"{path}: not understood by this release: {first_problem(error)}. Use the release that has written it, "
        f"or {ANOTHER}"
    )
    return GiveUpError(one_line(message), reason=Reason.MALFORMED_REQUEST)


def first_problem(error: ValidationError) -> str:
    """The first thing that is not as it should be, with its place, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"]) or "the document"
    found = "is missing" if first["type"] == "missing" else f"is {_shown(first['input'])}"
    wanted = f", not {A_TIME}" if first["type"].startswith(("datetime_", "timezone_")) else ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where} {found}{wanted}{more}"


def _shown(value: object) -> str:
    """The beginning of a value. Aliases can make it larger than any memory, so no more of it is written out."""
    parts = json.JSONEncoder(default=str, check_circular=False).iterencode(value)
    try:
        return clip("".join(itertools.islice(parts, SHOWN + 1)), SHOWN)
    except TypeError:  # a key that no JSON has
        return f"a {type(value).__name__}"
