"""The fitness curve: every candidate of the search in order, the running best, and the baselines as lines; pure."""

from collections.abc import Iterable

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus, Record, RecordState
from mergesearch.lifecycle import strategy
from mergesearch.report.shapes import Evaluation, Line, Role, Row

LINES = (Role.CHECKPOINT, Role.UNIFORM, Role.MERGE_BEST, Role.GREEDY)
"""Baselines of which one each is drawn, of the checkpoints the best."""


def evaluations(spec: MergeSearchSpec, status: MergeSearchStatus) -> tuple[Evaluation, ...]:
    """The candidates, scored or not, in the order in which they were proposed."""
    best: float | None = None
    found = []
    for number, record in enumerate(status.candidates, start=1):
        fitness = record.fitness if record.state is RecordState.SCORED else None
        if fitness is not None and (best is None or fitness > best):
            best = fitness
        found.append(
            Evaluation(
                number=number,
                id=record.id,
                generation=record.generation or 0,
                state=record.state,
                fitness=fitness,
                running_best=best,
                scores=record.scores if fitness is not None else (),
                weights=strategy.weights(spec, record),
                seconds=_seconds(record),
                prompt_tokens=record.prompt_tokens,
                generated_tokens=record.generated_tokens,
                same_as=record.same_as,
            )
        )
    return tuple(found)


def lines(rows: Iterable[Row]) -> tuple[Line, ...]:
    """The best baseline of each kind on the search samples; of equal ones the first."""
    best: dict[Role, Line] = {}
    for row in rows:
        if row.role not in LINES or row.on_search is None:
            continue
        known = best.get(row.role)
        if known is None or row.on_search.fitness > known.fitness:
            best[row.role] = Line(role=row.role, name=row.name, fitness=row.on_search.fitness)
    return tuple(best[role] for role in LINES if role in best)


def _seconds(record: Record) -> float | None:
    parts = [seconds for seconds in (record.merge_seconds, record.evaluate_seconds) if seconds is not None]
    return sum(parts) if parts else None
