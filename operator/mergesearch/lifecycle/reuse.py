"""Weights that come back: a candidate whose weights another merge of this search is scored with takes over its scores;
pure.

It counts as an evaluation, is told to the optimiser like every other one, and nothing runs for it. Weights are the same
where the merge requests are: all else that these hash over is the same for every merge of a search. Checkpoints as they
are never lend their scores, since their merge may be of another data type; nor do greedy soups, which feed nothing.

While the same weights are merged or scored for another record, or another candidate that waits comes before it, a
candidate waits for that one, and is tried itself if that one fails for good.
"""

from collections.abc import Iterator

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus, Record, RecordKind, RecordState
from mergesearch.lifecycle import records, stopping, strategy
from mergesearch.lifecycle.step import Step

LENDING = (RecordKind.UNIFORM, RecordKind.MERGE_BEST, RecordKind.SEARCH)
AT_WORK = (RecordState.MERGING, RecordState.MERGED, RecordState.EVALUATING)
Weights = tuple[float, ...]


def take(step: Step) -> Step:
    """Score the candidates that wait and whose weights are scored already."""
    busy = records.live(step.status)
    waiting = [
        record
        for record in _waiting(step.status)
        if (records.split_of(record), record.id) not in busy and not stopping.given_up(step, record)
    ]
    if not waiting:
        return step
    scored = _scored(step.spec, step.status)
    for record in waiting:
        origin = scored.get(strategy.weights(step.spec, record))
        if origin is not None:
            step = _taken_over(step, record, origin)
    return step


def awaiting(spec: MergeSearchSpec, status: MergeSearchStatus) -> frozenset[str]:
    """Ids of the candidates that wait for another record with the same weights."""
    coming = {strategy.weights(spec, record) for record in _lenders(status) if record.state in AT_WORK}
    found = set()
    for record in _waiting(status):
        weights = strategy.weights(spec, record)
        if weights in coming:
            found.add(record.id)
        coming.add(weights)
    return frozenset(found)


def _waiting(status: MergeSearchStatus) -> Iterator[Record]:
    return (record for record in status.candidates if record.state is RecordState.WAITING)


def _lenders(status: MergeSearchStatus) -> Iterator[Record]:
    """Records whose own merge is scored on the search samples, or will be."""
    both = (*status.baselines, *status.candidates)
    return (r for r in both if r.kind in LENDING and records.needs_merge(r) and r.same_as is None)


def _scored(spec: MergeSearchSpec, status: MergeSearchStatus) -> dict[Weights, Record]:
    """The scored records by their weights, the first of each."""
    found: dict[Weights, Record] = {}
    for record in _lenders(status):
        if record.state is RecordState.SCORED:
            found.setdefault(strategy.weights(spec, record), record)
    return found


def _taken_over(step: Step, record: Record, origin: Record) -> Step:
    return records.change(
        step,
        records.split_of(record),
        record,
        state=RecordState.SCORED,
        same_as=origin.id,
        scores=origin.scores,
        errors=origin.errors,
        fitness=origin.fitness,
        charged=0,
        alone=False,
        not_before=None,
        reason=None,
        message="",
        started_at=record.started_at or step.now,
        finished_at=step.now,
        merge_seconds=record.merge_seconds or 0.0,
        evaluate_seconds=0.0,
        prompt_tokens=0,
        generated_tokens=0,
    )
