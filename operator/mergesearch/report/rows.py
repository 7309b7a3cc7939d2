"""The rows of the tables: the winner, the other finalists, the baselines; pure."""

from collections.abc import Iterable

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, Record, RecordKind, RecordState
from mergesearch.lifecycle import baselines, proof, records
from mergesearch.report import significance
from mergesearch.report.shapes import Role, Row, Scored

BASELINE_ROLES = {
    RecordKind.MERGE_BEST: Role.MERGE_BEST,
    RecordKind.UNIFORM: Role.UNIFORM,
    RecordKind.GREEDY: Role.GREEDY,
    RecordKind.CHECKPOINT: Role.CHECKPOINT,
}
"""In the order of the tables. The second evaluation of the first checkpoint is the noise floor, not a row."""


def rows_of(resource: MergeSearch, status: MergeSearchStatus) -> tuple[Row, ...]:
    """The winner, the other finalists or the best candidates so far, then the baselines by kind."""
    return (*_candidates(resource, status), *_baselines(resource, status))


def scored_of(some: Iterable[Record]) -> str:
    """`4 of 5`. The second evaluation of the first checkpoint is the noise floor, and nobody counts it."""
    real = [record for record in some if record.kind is not RecordKind.NOISE]
    return f"{sum(record.state is RecordState.SCORED for record in real)} of {len(real)}"


def _candidates(resource: MergeSearch, status: MergeSearchStatus) -> list[Row]:
    confirmed = [record for record in status.confirmations if record.kind is RecordKind.SEARCH]
    if not confirmed:
        best = records.contenders(status)[: resource.spec.search.confirm.finalists]
        return [_row(resource, status, record, Role.CANDIDATE) for record in best]
    winner = status.confirmed.id if status.confirmed is not None else None
    ranked = [*proof.finalists(status), *(record for record in confirmed if record.state is not RecordState.SCORED)]
    ranked.sort(key=lambda record: record.id != winner)
    return [
        _row(resource, status, records.source(status, record), Role.WINNER if record.id == winner else Role.FINALIST)
        for record in ranked
    ]


def _baselines(resource: MergeSearch, status: MergeSearchStatus) -> list[Row]:
    """An earlier greedy soup, of a search that has opened again, stays if the winner was compared with it."""
    soup = baselines.greedy_soup(status)
    compared = {gain.baseline for gain in status.confirmed.gains} if status.confirmed is not None else set()
    return [
        _row(resource, status, record, role)
        for kind, role in BASELINE_ROLES.items()
        for record in baselines.of_kind(status, kind)
        if kind is not RecordKind.GREEDY or record == soup or record.id in compared
    ]


def _row(resource: MergeSearch, status: MergeSearchStatus, record: Record, role: Role) -> Row:
    members = tuple(resource.spec.checkpoints[position].name for position in record.members)
    winner = status.confirmed
    gain = next((gain for gain in winner.gains if gain.baseline == record.id), None) if winner is not None else None
    return Row(
        id=record.id,
        name=_name(resource, record),
        role=role,
        members=members,
        state=record.state,
        on_search=scored(record),
        on_unseen=scored(records.find(status, "unseen", record.id)),
        versus=significance.versus(winner, gain, proof.choices(status)) if winner and gain else None,
    )


def called(resource: MergeSearch, record: Record) -> str:
    """A record in a sentence: `checkpoint sft-03`, or its id, such as `uniform`, `greedy-2` or `c0012`."""
    name = _name(resource, record)
    return f"checkpoint {name}" if record.kind is RecordKind.CHECKPOINT else name


def _name(resource: MergeSearch, record: Record) -> str:
    """A checkpoint's own name; else the id, under which status, live view and workspace know it."""
    if record.kind is RecordKind.CHECKPOINT:
        return resource.spec.checkpoints[record.members[0]].name
    return record.id


def scored(record: Record | None) -> Scored | None:
    """What a record was scored; None where it was not."""
    if record is None or record.state is not RecordState.SCORED or record.fitness is None:
        return None
    return Scored(fitness=record.fitness, scores=record.scores, errors=record.errors)
