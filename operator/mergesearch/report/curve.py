"""Everything that was scored, in order: the candidates with the running best, the baselines, and these as the lines of
the fitness curve; pure.
"""

from collections.abc import Iterable
from typing import Any

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus, Record, RecordKind
from mergesearch.lifecycle import records, strategy
from mergesearch.report import rows
from mergesearch.report.shapes import Evaluation, Line, Measured, Role, Row

LINES = (Role.CHECKPOINT, Role.UNIFORM, Role.MERGE_BEST, Role.GREEDY)
"""Baselines of which one each is drawn, of the checkpoints the best."""


def baselines(spec: MergeSearchSpec, status: MergeSearchStatus) -> tuple[Measured, ...]:
    """The baselines, scored or not, in the order in which they were planned."""
    return tuple(Measured(**_measured(spec, status, record)) for record in status.baselines)


def evaluations(spec: MergeSearchSpec, status: MergeSearchStatus) -> tuple[Evaluation, ...]:
    """The candidates, scored or not, in the order in which they were proposed."""
    best: float | None = None
    found = []
    for number, record in enumerate(status.candidates, start=1):
        measured = _measured(spec, status, record)
        fitness = measured["fitness"]
        if fitness is not None and (best is None or fitness > best):
            best = fitness
        found.append(Evaluation(**measured, number=number, running_best=best))
    return tuple(found)


def lines(some: Iterable[Row]) -> tuple[Line, ...]:
    """The best baseline of each kind on the search samples; of equal ones the first."""
    best: dict[Role, Line] = {}
    for row in some:
        if row.role not in LINES or row.on_search is None:
            continue
        known = best.get(row.role)
        if known is None or row.on_search.fitness > known.fitness:
            best[row.role] = Line(role=row.role, name=row.name, fitness=row.on_search.fitness)
    return tuple(best[role] for role in LINES if role in best)


def _measured(spec: MergeSearchSpec, status: MergeSearchStatus, record: Record) -> dict[str, Any]:
    """The fields that baselines and candidates have in common."""
    on_search = rows.scored(record)
    # The noise floor is another evaluation on the search samples: it is never confirmed.
    again = None if record.kind is RecordKind.NOISE else records.find(status, "unseen", record.id)
    return {
        "id": record.id,
        "kind": record.kind,
        "generation": record.generation,
        "state": record.state,
        "fitness": on_search.fitness if on_search is not None else None,
        "scores": on_search.scores if on_search is not None else (),
        "errors": on_search.errors if on_search is not None else (),
        "on_unseen": rows.scored(again),
        "weights": strategy.weights(spec, record),
        "seconds": _seconds(record),
        "prompt_tokens": record.prompt_tokens,
        "generated_tokens": record.generated_tokens,
        "same_as": record.same_as,
    }


def _seconds(record: Record) -> float | None:
    parts = [seconds for seconds in (record.merge_seconds, record.evaluate_seconds) if seconds is not None]
    return sum(parts) if parts else None
