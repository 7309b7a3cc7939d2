"""Scoring the finalists and the best baselines on samples that the search never saw, and ending the search; pure."""

from mergesearch.api.status import Decision, MergeSearchStatus, Record, RecordKind, RecordState
from mergesearch.lifecycle import baselines, pruning, records, requests, stopping
from mergesearch.lifecycle.step import Step
from mergesearch.reasons import Reason

CLEANUP_TRIES = 3


def plan(step: Step) -> Step:
    """Once the search is closed and nothing of it runs, add what has to be confirmed."""
    if step.status.closed is None or step.status.failed is not None or _search_runs(step.status):
        return step
    chosen = [*finalists(step), *_baselines(step)]
    if not finalists(step):
        return _without_result(step)
    known = {record.id for record in step.status.confirmations}
    new = tuple(
        Record(id=origin.id, kind=origin.kind, generation=origin.generation, members=origin.members)
        for origin in chosen
        if origin.id not in known
    )
    return step.change(confirmations=(*step.status.confirmations, *new)) if new else step


def finalists(step: Step) -> list[Record]:
    """The best candidates of the search, best first."""
    return records.best_first(step.status.candidates)[: step.spec.search.confirm.finalists]


def comparable(step: Step) -> bool:
    """Whether everything that the comparison needs is scored."""
    some = step.status.confirmations
    return (
        step.status.closed is not None
        and not _search_runs(step.status)
        and baselines.greedy_ended(step)
        and {record.id for record in (*finalists(step), *_baselines(step))} <= {record.id for record in some}
        and any(record.kind is RecordKind.SEARCH for record in some)
        and all(record.state is RecordState.SCORED for record in some)
    )


def decided(step: Step) -> bool:
    """Whether the winner has been chosen among just these confirmations."""
    confirmed = step.status.confirmed
    if confirmed is None or not comparable(step):
        return False
    return confirmed.request_hash == requests.compare(step.resource, step.status).hash()


def complete(step: Step) -> Step:
    """The end: the winner is decided and what is not kept has been removed, or could not be."""
    status = step.status
    if status.completion_time is not None or not decided(step) or status.launches:
        return step
    if pruning.removable(step) and not cleanup_given_up(status):
        return step
    return step.change(completion_time=step.now)


def cleanup_given_up(status: MergeSearchStatus) -> bool:
    """Removing weights has failed so often that the search ends without it."""
    return any(stage == "Cleanup" and failures >= CLEANUP_TRIES for stage, failures in status.stage_failures.items())


def unaffordable(step: Step) -> Step:
    """A confirmation that the GPU-hours do not allow ends the search without a result."""
    status = step.status
    waiting = [record for record in status.confirmations if not record.ended]
    if not waiting or status.launches or status.confirmed is not None or stopping.affordable(step, 1):
        return step
    return _without_result(step)


def _baselines(step: Step) -> list[Record]:
    """The baselines that the finalists are compared with, in spec order."""
    status = step.status
    scored = [r for r in status.baselines if r.state is RecordState.SCORED and r.kind is not RecordKind.NOISE]
    if step.spec.search.confirm.baselines == "All":
        return [r for r in scored if r.kind is not RecordKind.GREEDY or r == baselines.greedy_soup(status)]
    best = (baselines.best_checkpoint(status), baselines.greedy_soup(status) if baselines.greedy_ended(step) else None)
    return [r for r in scored if r in best or r.kind in (RecordKind.UNIFORM, RecordKind.MERGE_BEST)]


def _search_runs(status: MergeSearchStatus) -> bool:
    running = (RecordState.MERGING, RecordState.EVALUATING)
    return any(record.state in running for record in status.candidates)


def _without_result(step: Step) -> Step:
    closed = step.status.closed
    why = closed.message if closed is not None else ""
    message = f"nothing could be confirmed within the budget: {why}"
    return step.change(
        failed=Decision(reason=Reason.BUDGET_SPENT_UNCONFIRMED, message=message), completion_time=step.now
    )
