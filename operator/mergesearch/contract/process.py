"""How a process says what it has done: the unions of all requests and reports, the lines of a resident process, and a
pod's termination message. Pure.
"""

import contextlib
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from mergesearch.contract.cleanup import CleanupReport, CleanupRequest
from mergesearch.contract.compare import CompareReport, CompareRequest
from mergesearch.contract.evaluation import EvaluationReport, EvaluationRequest
from mergesearch.contract.merge import MergeReport, MergeRequest
from mergesearch.contract.model import Model, Sha256, digest
from mergesearch.contract.preflight import (
    PreflightCheckpointsReport,
    PreflightCheckpointsRequest,
    PreflightTasksReport,
    PreflightTasksRequest,
)
from mergesearch.contract.read import ReadRequest
from mergesearch.reasons import Reason

TERMINATION_MESSAGE_BYTES = 4096
"""The kubelet keeps the last 4096 bytes of a termination message."""

Request = Annotated[
    MergeRequest
    | EvaluationRequest
    | PreflightCheckpointsRequest
    | PreflightTasksRequest
    | CompareRequest
    | CleanupRequest
    | ReadRequest,
    Field(discriminator="kind"),
]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
Report = Annotated[
    MergeReport | EvaluationReport | PreflightCheckpointsReport | PreflightTasksReport | CompareReport | CleanupReport,
    Field(discriminator="kind"),
]
REPORT: TypeAdapter[Report] = TypeAdapter(Report)


class Exit(Model):
    """How a process ended, or a resident one answered a request; `code` is one of `errors.ExitCode` or a signal's."""

    code: int
    reason: Reason | None = None
    message: str = ""


class Answer(Model):
    """One line of a resident process: a report, progress inside the running request, or the end of it."""

    report: Report | None = None
    progress: str | None = None
    """A short sentence for people; carries no state."""
    exit: Exit | None = None


class Termination(Model):
    """A pod's termination message: `Termination.model_validate_json(message)`.

    Where the reports are too long for it, their digest stands in their place. Whoever wants them takes the process's
    standard output, which the pod's log holds, or the file `files.answer_file(uid, reports_digest)` of the workspace,
    and hands either text to `reports_in` with the digest.
    """

    exit: Exit
    reports: tuple[Report, ...] = ()
    reports_digest: Sha256 | None = None


def termination_message(reports: Sequence[Report], end: Exit) -> str:
    """The compact form of all reports, at most TERMINATION_MESSAGE_BYTES long; a digest where they do not fit."""
    whole = Termination(exit=end, reports=tuple(reports)).to_json()
    if len(whole.encode()) <= TERMINATION_MESSAGE_BYTES:
        return whole
    short = end.model_copy(update={"message": end.message[:500]})
    return Termination(exit=short, reports_digest=digest_of(reports) if reports else None).to_json()


def digest_of(reports: Sequence[Report]) -> str:
    """What stands in a termination message for reports that do not fit."""
    return digest([report.to_json() for report in reports])


def reports_in(text: str, reports_digest: str) -> tuple[Report, ...] | None:
    """The reports that stand in a text, one a line, among whatever other lines a log holds.

    None unless they are those of the digest: all of them, in order, and no others.
    """
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValidationError):
            found.append(REPORT.validate_json(line))
    return tuple(found) if digest_of(found) == reports_digest else None
