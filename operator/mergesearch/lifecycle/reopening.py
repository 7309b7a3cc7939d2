"""When a closed search opens again: a larger budget, or a goal that the confirmation has not reached; pure."""

from mergesearch.api.status import Stage
from mergesearch.lifecycle import confirmation, launches, stopping
from mergesearch.lifecycle.step import Step
from mergesearch.reasons import Reason


def reopen(step: Step) -> Step:
    """Open the search if nothing would close it at once. What is decided stays until it is decided anew."""
    status = step.status
    if status.closed is None:
        return step
    edited = step.resource.metadata.generation != status.observed_generation
    complete = status.completion_time is not None
    by_goal = not complete and status.closed.reason is Reason.GOAL_REACHED and confirmation.decided(step)
    if not (edited or by_goal):
        return step
    # Whatever was edited, weights that could not be removed are tried again.
    failures = {stage: times for stage, times in status.stage_failures.items() if stage is not Stage.CLEANUP}
    step = step.change(stage_failures=failures)
    opened = launches.abandon(step, (Stage.COMPARE,)).change(closed=None, completion_time=None)
    found = stopping.decision(opened)
    if found is None:
        return opened
    if by_goal:
        return step.change(closed=found)
    if complete and not confirmation.decided(step) and stopping.affordable(step, unseen=1):
        return step.change(completion_time=None)
    return step
