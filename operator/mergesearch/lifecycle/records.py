"""Finding and replacing records in a status, and what follows from one record alone; pure."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from mergesearch.api.status import Launch, MergeSearchStatus, Record, RecordKind, RecordState
from mergesearch.contract import Split
from mergesearch.lifecycle.step import Step

AS_THEY_ARE = (RecordKind.CHECKPOINT, RecordKind.NOISE)
"""Kinds that score a checkpoint without a merge."""


def split_of(record: Record) -> Split:
    """Which samples a baseline or a candidate is scored on."""
    return "again" if record.kind is RecordKind.NOISE else "search"


def everything(status: MergeSearchStatus) -> tuple[Record, ...]:
    """All records: baselines, candidates, confirmations."""
    return (*status.baselines, *status.candidates, *status.confirmations)


def records(status: MergeSearchStatus, split: Split) -> tuple[Record, ...]:
    """The records that are scored on a split."""
    if split == "unseen":
        return status.confirmations
    return tuple(record for record in (*status.baselines, *status.candidates) if split_of(record) == split)


def find(status: MergeSearchStatus, split: Split, identity: str) -> Record | None:
    """The record with this id, if there is one."""
    return next((record for record in records(status, split) if record.id == identity), None)


def source(status: MergeSearchStatus, record: Record) -> Record:
    """The baseline or candidate whose weights a record is scored with: itself, or for a confirmation its origin."""
    both = (*status.baselines, *status.candidates)
    return next((origin for origin in both if origin.id == record.id), record)


def launched(status: MergeSearchStatus, launch: Launch) -> tuple[Record, ...]:
    """The records of a launch that still exist."""
    wanted = set(launch.candidates)
    return tuple(record for record in records(status, launch.split) if record.id in wanted)


def put(step: Step, split: Split, record: Record) -> Step:
    """The step with this record in the place of the one of the same id."""
    names = ("confirmations",) if split == "unseen" else ("baselines", "candidates")
    lists: dict[str, tuple[Record, ...]] = {name: getattr(step.status, name) for name in names}
    return step.change(
        **{name: tuple(record if other.id == record.id else other for other in old) for name, old in lists.items()}
    )


def change(step: Step, split: Split, record: Record, **fields: Any) -> Step:
    """The step with some fields of one record changed."""
    return put(step, split, record.model_copy(update=fields))


def change_all(step: Step, wanted: Callable[[Record], bool], update: Callable[[Record], Record]) -> Step:
    """The step with every record for which `wanted` holds updated, in all lists."""

    def over(old: Iterable[Record]) -> tuple[Record, ...]:
        return tuple(update(record) if wanted(record) else record for record in old)

    status = step.status
    return step.change(
        baselines=over(status.baselines), candidates=over(status.candidates), confirmations=over(status.confirmations)
    )


def needs_merge(record: Record) -> bool:
    """Whether weights have to be merged before it can be scored; a soup of one checkpoint is that checkpoint."""
    return record.kind not in AS_THEY_ARE and len(record.members) != 1


def weights_ready(status: MergeSearchStatus, record: Record) -> bool:
    """Whether it can be evaluated now.

    For a confirmation the weights have to be merged as ones that stay, with digests; where they lie on the workspace
    already, the merger only reads them again.
    """
    origin = source(status, record)
    return not needs_merge(record) or (origin.merged and record.merge_hash == origin.merge_hash)


def is_due(record: Record, now: datetime) -> bool:
    """Whether it may be tried now."""
    return record.not_before is None or record.not_before <= now


def sent_back(record: Record, **fields: Any) -> Record:
    """The record waiting again, with the same weights and a higher attempt number."""
    return record.model_copy(update={"state": RecordState.WAITING, "attempt": record.attempt + 1, **fields})


def unscored(record: Record) -> Record:
    """A scored record that has to be scored again."""
    return sent_back(record, scores=(), errors=(), fitness=None, finished_at=None)


def given_new_chance(record: Record) -> Record:
    """A failed record as if it had never been tried, but for its attempt number."""
    return sent_back(
        record, charged=0, disruptions=0, not_before=None, reason=None, message="", finished_at=None, merged=False
    )


def scored(some: Iterable[Record]) -> list[tuple[Record, float]]:
    """The scored records among `some`, with their fitness."""
    return [
        (record, record.fitness) for record in some if record.state is RecordState.SCORED and record.fitness is not None
    ]


def best_first(some: Iterable[Record]) -> list[Record]:
    """The scored records from the best fitness to the worst; ties go to the earlier."""
    return [record for record, fitness in sorted(scored(some), key=lambda pair: -pair[1])]


def contenders(status: MergeSearchStatus) -> list[Record]:
    """The scored candidates of the search, best first, and of those with the same weights one: that which was scored
    itself, or else the first.
    """
    ids, lent = {record.id for record in status.candidates}, set[str]()
    different = []
    for record in status.candidates:
        if record.same_as is None or not (record.same_as in ids or record.same_as in lent):
            different.append(record)
        lent |= {record.same_as} if record.same_as is not None else set()
    return best_first(different)


def rivals(some: Iterable[Record]) -> list[Record]:
    """The scored baselines among `some`, best first. What only measures the noise is nobody's rival."""
    return [r for r in best_first(some) if r.kind not in (RecordKind.SEARCH, RecordKind.NOISE)]


def live(status: MergeSearchStatus) -> set[tuple[Split, str]]:
    """Splits and ids of all records that are in a launch."""
    return {(launch.split, identity) for launch in status.launches for identity in launch.candidates}
