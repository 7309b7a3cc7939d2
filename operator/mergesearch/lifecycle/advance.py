"""One step of a search: what was observed becomes the next status; pure.

    Preflight ──> Baselines ──> Searching ──> Confirming ──> Complete
                                    ^              │             │
                                    └── reopen ────┴─────────────┘   Failed: closed, and nothing could be confirmed
    Suspended and Stalled can come at any time and keep everything.

    a record:  Waiting ──> Merging ──> Merged ──> Evaluating ──> Scored | Failed
                  ^───────────┴──────────┴────────────┘  retry, suspension, lost weights: the same weights, a higher
                  attempt

The policies run in order until nothing changes, so that a step with nothing new returns the status as it is. None of
them reads the outside world, and none branches on the phase, which is for people.
"""

from collections.abc import Callable
from datetime import datetime

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import STATUS_VERSION, MergeSearchStatus
from mergesearch.lifecycle import (
    accounting,
    baselines,
    blocked,
    breakers,
    clock,
    completion,
    confirmation,
    generations,
    images,
    interventions,
    outcomes,
    records,
    reopening,
    scheduling,
    size,
    summary,
    waits,
)
from mergesearch.lifecycle.step import Observed, Step

Policy = Callable[[Step], Step]

POLICIES: tuple[Policy, ...] = (
    clock.tick,
    images.note,
    accounting.follow,
    outcomes.fold,
    interventions.suspend,
    interventions.retry,
    baselines.plan,
    reopening.reopen,
    waits.stall,
    breakers.stall,
    generations.propose,
    completion.fail,
    confirmation.plan,
    completion.give_up_confirmation,
    scheduling.start,
    completion.complete,
    blocked.note,
    summary.update,
)
MAX_ROUNDS = 12
"""Rounds until nothing changes; a step that needs more is a defect."""


def advance(
    resource: MergeSearch, status: MergeSearchStatus | None, observed: Observed, now: datetime
) -> MergeSearchStatus:
    """The next status. It is the same object where nothing has changed, so that the caller need not write it.

    A status of a newer version, and one that has failed, are left alone.
    """
    before = status or MergeSearchStatus()
    if before.version > STATUS_VERSION or before.failed is not None:
        return before
    step = Step(resource=resource, status=before, observed=observed, now=now)
    for _ in range(MAX_ROUNDS):
        start = step.status
        for policy in POLICIES:
            step = policy(step)
        if step.status == start:
            return before if start == before else size.bounded(step, before)
    raise AssertionError(f"the policies do not come to rest in {MAX_ROUNDS} rounds: {resource.metadata.name}")


def next_due(status: MergeSearchStatus, now: datetime) -> datetime | None:
    """When something becomes due by itself, so that a shell that waits for its children knows when to look again."""
    waiting = (record.not_before for record in records.everything(status) if not record.ended)
    pauses = [status.stages_not_before, *waiting]
    return min((time for time in pauses if time is not None and time > now), default=None)
