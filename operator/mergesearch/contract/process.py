"""How a process says what it has done: the unions of all requests and reports, the lines of a resident process, and a
pod's termination message. Pure.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter

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
from mergesearch.reasons import Reason

TERMINATION_MESSAGE_BYTES = 4096
"""The kubelet keeps the last 4096 bytes of a termination message."""

Request = Annotated[
    MergeRequest
    | EvaluationRequest
    | PreflightCheckpointsRequest
    | PreflightTasksRequest
    | CompareRequest
    | CleanupRequest,
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
    """A pod's termination message: all reports, or their digest where they are too long and a reader has to fetch
    them.
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
    return Termination(exit=short, reports_digest=digest([report.to_json() for report in reports])).to_json()
