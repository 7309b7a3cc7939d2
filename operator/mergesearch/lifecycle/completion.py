"""How a search ends: complete, with a winner and nothing left to remove, or failed, with nothing confirmed; pure.

What becomes removable after that, because a person keeps fewer weights, is removed by a cleanup of a complete search.
"""

from mergesearch.api.status import Decision, MergeSearchStatus, Stage
from mergesearch.lifecycle import confirmation, launches, pruning, stopping
from mergesearch.lifecycle.step import Step
from mergesearch.reasons import Reason

CLEANUP_TRIES = 3


def complete(step: Step) -> Step:
    """The end: the winner is decided and what is not kept has been removed, or could not be."""
    status = step.status
    if status.completion_time is not None or status.launches or not confirmation.decided(step):
        return step
    if pruning.removable(step) and not cleanup_given_up(status):
        return step
    return step.change(completion_time=step.now, stalled=None)


def cleanup_given_up(status: MergeSearchStatus) -> bool:
    """Removing weights has failed so often that the search ends without it."""
    return status.stage_failures.get(Stage.CLEANUP, 0) >= CLEANUP_TRIES


def fail(step: Step) -> Step:
    """A search that is closed before anything was scored has failed."""
    status = step.status
    if status.closed is None or status.stalled is not None or stopping.search_runs(status):
        return step
    return step if confirmation.finalists(step) else _without_result(step, status.closed)


def give_up_confirmation(step: Step) -> Step:
    """A confirmation that the GPU-hours do not allow: an earlier one stands, or the search has failed."""
    status = step.status
    waiting = any(not record.ended for record in status.confirmations)
    if not waiting or status.closed is None or status.stalled is not None or status.completion_time is not None:
        return step
    if status.launches or stopping.affordable(step, unseen=1):
        return step
    return step.change(completion_time=step.now) if status.confirmed else _without_result(step, status.closed)


def _without_result(step: Step, closed: Decision) -> Step:
    message = f"nothing could be confirmed within the budget: {closed.message}"
    return launches.abandon(step).change(
        failed=Decision(reason=Reason.BUDGET_SPENT_UNCONFIRMED, message=message), completion_time=step.now
    )
