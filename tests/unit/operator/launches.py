"""One launch as its Job and pods show it: how they are written down in a table, and what is to be seen of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mergesearch.contract import Exit, MergeReport, termination_message
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from mergesearch_operator import observe
from mergesearch_operator.seen import Seen
from unit.operator.documents import NOW, Document, at, child_of, container, job_of, pod_of, scheduled

RESOURCE, CHILD = child_of("Merge", merger={"pendingDeadlineSeconds": 60})
LOST = int(ExitCode.TRANSIENT)
PENDING, RUNNING, ENDED = ChildState.PENDING, ChildState.RUNNING, ChildState.ENDED
REPORT = MergeReport(version=1, candidate="c0001", request_hash="0" * 64, seconds=1.0)


def job(**parts: Any) -> Document:
    made = job_of(RESOURCE, CHILD, **parts.pop("status", {}))
    made["spec"] |= parts
    return made


def see(of: Document, *pods: Document, now: datetime = NOW) -> Seen:
    (seen,) = observe.see_all(RESOURCE, [of], pods, now)
    assert seen.child.launch == CHILD.launch.number
    return seen


@dataclass(frozen=True)
class Case:
    """A Job, its pods, and what they make up."""

    pods: Callable[[Document], list[Document]]
    state: ChildState
    code: int | None = None
    reason: Reason | None = None
    message: str = ""
    waiting: Reason | None = None
    overdue: str = ""
    disrupted: bool = False
    job: Callable[[], Document] = job


def one(phase: str, **status: Any) -> Callable[[Document], list[Document]]:
    return lambda made: [pod_of(made, phase, **status)]


def terminating(phase: str, deleted: float, **status: Any) -> Callable[[Document], list[Document]]:
    def pods(made: Document) -> list[Document]:
        pod = pod_of(made, phase, **status)
        pod["metadata"]["deletionTimestamp"] = at(deleted)
        return [pod]

    return pods


def waiting(reason: str, since: float = -10, message: str = "words") -> Callable[[Document], list[Document]]:
    return one("Pending", conditions=[scheduled(since)], **container("waiting", reason=reason, message=message))


def died(code: int, message: str = "", *, reason: str = "Error", **status: Any) -> Callable[[Document], list[Document]]:
    facts: dict[str, Any] = {"exitCode": code, "message": message, "reason": reason}
    facts |= {"startedAt": at(-60), "finishedAt": at(-10)}
    return one("Failed" if code else "Succeeded", **container("terminated", **facts), **status)


GONE = "the pod is gone, and its termination message with it"
GOOD = termination_message([REPORT], Exit(code=0))
INTERRUPTED = termination_message([], Exit(code=143, reason=Reason.INTERRUPTED, message="asked to end"))
NOTHING: Callable[[Document], list[Document]] = lambda _made: []  # noqa: E731


def check(case: Case) -> None:
    """Raises AssertionError."""
    made = case.job()
    seen = see(made, *case.pods(made))
    child = seen.child
    assert child.state is case.state
    assert (child.exit is not None) == (case.state is ENDED)
    if child.exit is not None:
        assert (int(child.exit.code), child.exit.reason, child.exit.message) == (case.code, case.reason, case.message)
    assert child.disrupted is case.disrupted
    assert (seen.delay.reason if seen.delay else None) is case.waiting
    told = child.waiting
    assert (told.message if told is not None and told.overdue else "") == case.overdue
