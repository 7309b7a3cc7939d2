"""What is wrong with a file that this program has written itself, where in it, and what a person can do."""

import json
from pathlib import Path

from pydantic import ValidationError

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import RecordKind
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


def lacking(resource: MergeSearch) -> str | None:
    """What of a status is missing that every whole one has: a text that was cut off may still be a document."""
    status = resource.status
    if status is None or not (status.baselines or status.candidates):
        return None
    for number, record in enumerate((*status.baselines, *status.candidates)):
        made_of = record.x if record.kind is RecordKind.SEARCH else record.members
        if not made_of:
            return f"record {number + 1} of the status, {record.id}, does not say what it is made of"
    if status.counts.total != len(status.candidates):
        return f"status.counts knows {status.counts.total} candidates, status.candidates holds {len(status.candidates)}"
    return None if status.conditions else "its status has records and no conditions"
