"""Which baselines are scored, and when: checkpoints and uniform at once, merge-best and greedy when their scores are
known; pure.

The search waits for all of them but greedy, which goes on beside it, one soup after the other, and feeds nothing.
"""

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus, Record, RecordKind, RecordState
from mergesearch.lifecycle import records
from mergesearch.lifecycle.step import Step
from mergesearch.search import selection

BESIDE = (RecordKind.GREEDY, RecordKind.NOISE)
"""Kinds that the search does not wait for."""
CONFIRMED_KINDS = (RecordKind.CHECKPOINT, RecordKind.UNIFORM, RecordKind.MERGE_BEST, RecordKind.GREEDY)
"""Kinds of which one record each is confirmed by default: the best checkpoint, uniform, merge-best, the greedy soup."""


def plan(step: Step) -> Step:
    """Add the baselines that can be scored now."""
    if step.status.preflight_due:
        return step
    wanted = step.spec.search.baselines
    step = _add(step, first(step.spec))
    singles = of_kind(step.status, RecordKind.CHECKPOINT)
    if not singles or not all(record.state is RecordState.SCORED for record in singles):
        return step
    if "MergeBest" in wanted:
        members = selection.merge_best([record.scores for record in singles])
        step = _add(step, [Record(id="merge-best", kind=RecordKind.MERGE_BEST, members=members)])
    return _add(step, _next_soup(step.status, singles)) if "Greedy" in wanted else step


def first(spec: MergeSearchSpec) -> list[Record]:
    """What needs no scores: the checkpoints, the first of them once more, and uniform."""
    planned = []
    if "Checkpoints" in spec.search.baselines:
        planned += [
            Record(id=f"checkpoint-{checkpoint.name}", kind=RecordKind.CHECKPOINT, members=(position,))
            for position, checkpoint in enumerate(spec.checkpoints)
        ]
        planned.append(Record(id="noise", kind=RecordKind.NOISE, members=(0,)))
    if "Uniform" in spec.search.baselines:
        everything = tuple(range(len(spec.checkpoints)))
        planned.append(Record(id="uniform", kind=RecordKind.UNIFORM, members=everything))
    return planned


def of_kind(status: MergeSearchStatus, kind: RecordKind) -> list[Record]:
    """The baselines of a kind, in order."""
    return [record for record in status.baselines if record.kind is kind]


def awaited(status: MergeSearchStatus) -> list[Record]:
    """The baselines that the search waits for."""
    return [record for record in status.baselines if record.kind not in BESIDE]


def ready(step: Step) -> bool:
    """Whether every baseline that the search waits for is there and scored."""
    if step.status.preflight_due or not all(r.state is RecordState.SCORED for r in awaited(step.status)):
        return False
    kinds = {record.kind for record in step.status.baselines}
    needed = {"Checkpoints": RecordKind.CHECKPOINT, "Uniform": RecordKind.UNIFORM, "MergeBest": RecordKind.MERGE_BEST}
    return all(needed[wanted] in kinds for wanted in step.spec.search.baselines if wanted in needed)


def greedy_ended(step: Step) -> bool:
    """Whether the greedy recipe has come to its end; true where nobody asked for it."""
    if "Greedy" not in step.spec.search.baselines:
        return True
    soups = of_kind(step.status, RecordKind.GREEDY)
    if any(record.state is RecordState.FAILED for record in soups):
        return True
    singles = of_kind(step.status, RecordKind.CHECKPOINT)
    return all(record.ended for record in soups) and not _next_soup(step.status, singles)


def greedy_soup(status: MergeSearchStatus) -> Record | None:
    """The soup that the greedy recipe has arrived at; None if it is still the best checkpoint alone."""
    soups = of_kind(status, RecordKind.GREEDY)
    best = max((f for _, f in records.scored(of_kind(status, RecordKind.CHECKPOINT))), default=0.0)
    kept = None
    for record, fitness in records.scored(soups):
        if fitness >= best:
            kept, best = record, fitness
    return kept


def best_checkpoint(status: MergeSearchStatus) -> Record | None:
    """The single checkpoint with the best fitness."""
    return next(iter(records.best_first(of_kind(status, RecordKind.CHECKPOINT))), None)


def _next_soup(status: MergeSearchStatus, singles: list[Record]) -> list[Record]:
    soups = of_kind(status, RecordKind.GREEDY)
    if not singles or not all(record.state is RecordState.SCORED for record in (*singles, *soups)):
        return []
    order = selection.ranked([fitness for _, fitness in records.scored(singles)])
    tried = [(soup.members, fitness) for soup, fitness in records.scored((singles[order[0]], *soups))]
    members = selection.greedy_next(order, tried)
    if members is None:
        return []
    return [Record(id=f"greedy-{len(soups) + 1}", kind=RecordKind.GREEDY, members=members)]


def _add(step: Step, planned: list[Record]) -> Step:
    known = {record.id for record in step.status.baselines}
    new = tuple(record for record in planned if record.id not in known)
    return step.change(baselines=(*step.status.baselines, *new)) if new else step
