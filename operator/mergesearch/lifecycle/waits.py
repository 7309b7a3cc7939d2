"""When a search stalls for children that do not start, and goes on when they do; pure.

A child that waits for longer than `pendingDeadlineSeconds` for its image, its volumes or its configuration says nothing
of its candidates: none of its processes ever ran. It is charged to nobody and goes on waiting, and the search starts
nothing more. The stall holds as long as such a child is there: what is mended starts by itself, and a new `spec.retry`
makes another child, of the spec as it is then.
"""

from dataclasses import replace

from mergesearch.api.status import Launch, Stage
from mergesearch.contract import Exit
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import launches, preflight
from mergesearch.lifecycle.step import ChildState, ObservedChild, Step, Waiting
from mergesearch.reasons import Reason

REASONS = (Reason.IMAGE_UNAVAILABLE, Reason.VOLUME_UNAVAILABLE, Reason.POD_NOT_STARTED)
WAY_OUT = "it starts by itself once that is mended; a new value of spec.retry makes another pod at once"


def stall(step: Step) -> Step:
    """Stall while a child waits for too long, and not for that any longer. A search that has ended needs nobody."""
    if step.status.completion_time is not None:
        return step
    found = overdue(step)
    if not found:
        return step.change(stalled=None) if holds(step) else step
    for launch, waiting in found:
        step = _told(step, launch, waiting)
    return step


def holds(step: Step) -> bool:
    """Whether the search is stalled for nothing but a child that does not start."""
    return step.status.stalled is not None and step.status.stalled.reason in REASONS


def overdue(step: Step) -> list[tuple[Launch, Waiting]]:
    """The launches whose children wait for too long, with what they wait for."""
    found = ((launch, step.observed.child(launch.number)) for launch in step.status.launches)
    return [(launch, waiting) for launch, child in found if (waiting := _too_long(child)) is not None]


def give_up(step: Step) -> Step:
    """End the children that wait for too long; their records wait for others."""
    return launches.abandon_some(step, [launch for launch, _ in overdue(step)])


def as_ended(launch: Launch, child: ObservedChild) -> ObservedChild:
    """A cleanup that does not start has failed: it holds nothing up."""
    waiting = _too_long(child)
    if launch.stage is not Stage.CLEANUP or waiting is None:
        return child
    end = Exit(code=ExitCode.TRANSIENT, reason=waiting.reason, message=waiting.message)
    return replace(child, state=ChildState.ENDED, exit=end)


def _too_long(child: ObservedChild | None) -> Waiting | None:
    pending = child is not None and child.state is ChildState.PENDING
    return child.waiting if child is not None and pending and child.waiting and child.waiting.overdue else None


def _told(step: Step, launch: Launch, waiting: Waiting) -> Step:
    """The first wait stays as it was told, whatever words the platform finds for it later. Beside the problems that
    the other half of the preflight has found, it is told as well, once.
    """
    before, message = step.status.stalled, f"{launch.stage}: {waiting.message}; {WAY_OUT}"
    if before is None:
        return step.stall(waiting.reason, message)
    if launch.stage not in preflight.HALVES or holds(step) or f"{waiting.reason}: " in before.message:
        return step
    return preflight.stall(step, waiting.reason, message)
