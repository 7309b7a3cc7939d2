"""The rows of the tables, of a search whose candidates come back to the same weights."""

from mergesearch.api.status import MergeSearchStatus, Record, RecordKind, RecordState
from mergesearch.report import rows
from unit.lifecycle.world import resource


def scored(name: str, fitness: float, same_as: str | None = None) -> Record:
    state = RecordState.SCORED
    return Record(id=name, kind=RecordKind.SEARCH, state=state, fitness=fitness, scores=(fitness,) * 2, same_as=same_as)


def test_the_best_candidates_so_far_have_different_weights() -> None:
    candidates = (scored("c0001", 0.9), scored("c0002", 0.9, "c0001"), scored("c0003", 0.9, "c0001"), scored("c4", 0.8))
    search = resource(search={"maxEvaluations": 12, "confirm": {"finalists": 2}})
    found = rows.rows_of(search, MergeSearchStatus(candidates=candidates))
    assert [row.id for row in found] == ["c0001", "c4"]
