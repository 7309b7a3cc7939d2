"""What one step of a search sees, gathered once into frozen values; nothing below may read the outside world; pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import Decision, MergeSearchStatus
from mergesearch.contract import Exit, Report
from mergesearch.reasons import Reason

MAX_DECISION = 2000
"""Characters of a decision's message."""
WAITS = (Reason.IMAGE_UNAVAILABLE, Reason.VOLUME_UNAVAILABLE, Reason.POD_NOT_STARTED)
"""Reasons of a stall for a child that does not start. It ends by itself, as soon as the child does."""


class ChildState(StrEnum):
    """Where a child process or Job is."""

    PENDING = "Pending"
    RUNNING = "Running"
    ENDED = "Ended"


@dataclass(frozen=True)
class Waiting:
    """Why a child does not run yet."""

    reason: Reason
    """`Queued`: nothing is wrong. Any other: a person may have to mend something."""
    message: str
    overdue: bool = False
    """It has waited for longer than it may, for something that a person has to mend."""


@dataclass(frozen=True)
class Run:
    """When one of a child's processes has run."""

    started_at: datetime
    ended_at: datetime | None = None
    """None where it runs still, or nobody saw its end."""


@dataclass(frozen=True)
class ObservedChild:
    """One child as its shell sees it now. A child of a launch that the status does not hold is ignored.

    Where several processes share the request, it runs while one of them does, and has ended when all have or one has
    failed. It has started when the first of those has that run, and when it has ended the first of all.
    """

    launch: int
    state: ChildState
    reports: tuple[Report, ...] = ()
    """Published so far; complete once it has ended."""
    exit: Exit | None = None
    """How it ended; None where nobody knows."""
    disrupted: bool = False
    """Ended by the platform: eviction, preemption, a lost node."""
    unread: bool = False
    """It has ended, and not all of its reports could be read: its pod is gone, or its termination message holds only
    their digest and its log is gone. What it has published lies on the workspace."""
    reports_digest: str | None = None
    """Where it is `unread`: the digest that its termination message holds."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    runs: tuple[Run, ...] = ()
    """Where several processes share the request: of each that has started. None where one process meets it."""
    waiting: Waiting | None = None
    """While it, or one of its processes, is pending, where that is worth telling."""
    made: bool = True
    """Unset where it could not be made, and is to be tried again; `waiting` says why."""
    image: str = ""
    """The image that runs or ran, with its digest; empty where there is none."""
    other_images: tuple[str, ...] = ()
    """Images of its further processes, where they differ from that."""


@dataclass(frozen=True)
class Observed:
    """All children that exist."""

    children: tuple[ObservedChild, ...] = ()
    blind_since: datetime | None = None
    """Nobody watched between this time and now; it does not count as active."""

    def child(self, launch: int) -> ObservedChild | None:
        """The child of a launch, if it exists."""
        return next((child for child in self.children if child.launch == launch), None)


@dataclass(frozen=True)
class Step:
    """The resource, its status as decided so far, and the outside world."""

    resource: MergeSearch
    status: MergeSearchStatus
    observed: Observed
    now: datetime

    @property
    def spec(self) -> MergeSearchSpec:
        """What the user wants."""
        return self.resource.spec

    def change(self, **fields: Any) -> "Step":
        """The same step with other fields of the status."""
        return replace(self, status=self.status.model_copy(update=fields))

    def stall(self, reason: Reason, message: str) -> "Step":
        """Nothing new starts until a person has acted. The first reason stays, but a wait gives way to any other: it
        may be over before anybody has acted, and the other would be lost with it.
        """
        standing = self.status.stalled
        if standing is not None and (standing.reason not in WAITS or reason in WAITS):
            return self
        return self.change(stalled=Decision(reason=reason, message=clip(message, MAX_DECISION)))


def clip(text: str, length: int) -> str:
    """At most `length` characters, with a mark where something was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"
