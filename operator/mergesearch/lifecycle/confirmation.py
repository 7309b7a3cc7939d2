"""Scoring the finalists and the best baselines on samples that the search never saw; pure."""

from mergesearch.api.status import Record, RecordKind, RecordState
from mergesearch.lifecycle import baselines, records, requests, stopping
from mergesearch.lifecycle.step import Step


def plan(step: Step) -> Step:
    """Once the search is closed and nothing of it runs, add what has to be confirmed."""
    if step.status.closed is None or stopping.search_runs(step.status) or not finalists(step):
        return step
    known = {record.id for record in step.status.confirmations}
    new = tuple(
        Record(id=origin.id, kind=origin.kind, generation=origin.generation, members=origin.members)
        for origin in _chosen(step)
        if origin.id not in known
    )
    return step.change(confirmations=(*step.status.confirmations, *new)) if new else step


def finalists(step: Step) -> list[Record]:
    """The best candidates of the search, best first; none has the weights of another."""
    return records.contenders(step.status)[: step.spec.search.confirm.finalists]


def comparable(step: Step) -> bool:
    """Whether everything that the comparison needs is scored."""
    some = step.status.confirmations
    return (
        step.status.closed is not None
        and bool(some)
        and not stopping.search_runs(step.status)
        and stopping.greedy_over(step)
        and {record.id for record in _chosen(step)} <= {record.id for record in some}
        and all(record.state is RecordState.SCORED for record in some)
    )


def decided(step: Step) -> bool:
    """Whether the winner has been chosen among just these confirmations."""
    confirmed = step.status.confirmed
    if confirmed is None or not comparable(step):
        return False
    return confirmed.request_hash == requests.compare(step.resource, step.status).hash()


def _chosen(step: Step) -> list[Record]:
    """The finalists, and the baselines that they are compared with, in spec order."""
    status = step.status
    scored = [r for r in status.baselines if r.state is RecordState.SCORED and r.kind is not RecordKind.NOISE]
    soup = baselines.greedy_soup(status) if stopping.greedy_over(step) else None
    if step.spec.search.confirm.baselines == "All":
        compared = [r for r in scored if r.kind is not RecordKind.GREEDY or r == soup]
    else:
        best = (baselines.best_checkpoint(status), soup)
        compared = [r for r in scored if r in best or r.kind in (RecordKind.UNIFORM, RecordKind.MERGE_BEST)]
    return [*finalists(step), *compared]
