"""Several searches in one table."""

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.report import comparison
from unit.report import histories
from unit.report.histories import History


def named(history: History, name: str) -> MergeSearch:
    """The finished search under another name."""
    resource = histories.with_status(history.resource, histories.clear(history.end, uniform=(0.02, -0.01, 0.05, 0.2)))
    meta = resource.metadata.model_copy(update={"name": name, "uid": name})
    return resource.model_copy(update={"metadata": meta})


@pytest.fixture(scope="module")
def two() -> History:
    return histories.run(histories.manifest(2))


@pytest.fixture(scope="module")
def four() -> History:
    return histories.run(histories.manifest(4))


def cells(*resources: MergeSearch) -> list[dict[str, str]]:
    found = comparison.table(comparison.lines(resources))
    return [dict(zip(found.headers, row, strict=True)) for row in found.rows]


def notes_of(*resources: MergeSearch) -> tuple[str, ...]:
    return comparison.notes(comparison.lines(resources))


def test_each_search_has_a_row_in_the_order_given(two: History, four: History) -> None:
    found = cells(named(two, "two"), named(four, "four"))
    assert [(row["search"], row["checkpoints"]) for row in found] == [("two", "2"), ("four", "4")]
    assert {row["algorithm"] for row in found} == {"Softmax"}
    assert {row["evaluations"] for row in found} == {"14"}


def test_winner_and_baselines_are_those_on_unseen_samples(four: History) -> None:
    (row,) = cells(named(four, "four"))
    unseen = {record.id: f"{100 * record.fitness:.1f}" for record in four.end.confirmations if record.fitness}
    assert four.end.confirmed is not None
    assert row["winner"] == unseen[four.end.confirmed.id]
    assert (row["uniform"], row["merge-best"]) == (unseen["uniform"], unseen["merge-best"])
    assert row["best checkpoint"] == unseen["checkpoint-m-0"]


def test_the_gain_is_the_one_that_decides(four: History) -> None:
    (row,) = cells(named(four, "four"))
    assert (row["gain"], row["95% interval"], row["p"]) == ("+2.0", "-1.0..+5.0", "0.20")
    assert row["outcome"] == "no gain"


def test_programs_get_every_number_as_the_search_has_it(four: History) -> None:
    resource = named(four, "four")
    assert resource.status is not None
    assert resource.status.confirmed is not None
    found = comparison.exact_table(comparison.lines([resource]))
    row = dict(zip(found.headers, found.rows[0], strict=True))
    gain = next(gain for gain in resource.status.confirmed.gains if gain.baseline == "uniform")
    uniform = next(record for record in resource.status.confirmations if record.id == "uniform")
    numbers = (gain.gain, gain.low, gain.high, gain.p, 3 * gain.p, uniform.fitness, resource.status.confirmed.fitness)
    columns = ("gain", "low", "high", "p", "corrected p", "uniform", "winner")
    assert tuple(float(row[column]) for column in columns) == pytest.approx(numbers, rel=1e-15)
    assert (row["over"], row["greedy"]) == ("uniform", ""), "what is not there has an empty cell"


def test_a_search_without_a_winner_has_empty_cells_for_programs(four: History) -> None:
    running = histories.with_status(four.resource, four.first(lambda status: status.best is not None))
    found = comparison.exact_table(comparison.lines([running]))
    assert found.rows[0][-6:] == [""] * 6


def test_the_best_checkpoint_is_the_one_that_was_best_on_the_search_samples(four: History) -> None:
    """Where all are confirmed, the luckiest on the unseen samples is not taken for it."""
    confirmations = list(four.end.confirmations)
    first = next(place for place, record in enumerate(confirmations) if record.id == "checkpoint-m-0")
    lucky = confirmations[first].model_copy(update={"id": "checkpoint-m-1", "members": (1,), "fitness": 0.999})
    status = four.end.model_copy(update={"confirmations": (*confirmations, lucky)})
    (row,) = cells(histories.with_status(four.resource, status))
    assert row["best checkpoint"] == f"{100 * (confirmations[first].fitness or 0):.1f}"


def test_a_search_without_a_winner_has_dashes_and_a_sentence(two: History, four: History) -> None:
    middle = four.first(lambda status: status.best is not None)
    running = histories.with_status(four.resource, middle)
    found = cells(named(two, "two"), running)
    assert (found[1]["winner"], found[1]["gain"], found[1]["outcome"]) == ("–", "–", "running")
    told = notes_of(named(two, "two"), running)
    assert any(note.startswith("quick has no winner") for note in told)
    assert not any("has no winner" in note for note in notes_of(named(two, "two")))


def differing(*resources: MergeSearch) -> list[str]:
    return [note for note in notes_of(*resources) if note.startswith("These searches do not have the same")]


def test_searches_on_the_same_samples_can_be_compared_row_by_row(two: History, four: History) -> None:
    assert differing(named(two, "two"), named(four, "four")) == []


CHANGES = {
    "another seed": ({"seed": 2}, "samples, or how these are scored,"),
    "another task": ({"tasks": ("a", "c")}, "tasks"),
}


@pytest.mark.parametrize(("change", "word"), CHANGES.values(), ids=CHANGES.keys())
def test_otherwise_it_is_said_that_they_cannot(two: History, change: dict[str, object], word: str) -> None:
    other = histories.run(histories.manifest(2, **change))  # type: ignore[arg-type]
    (note,) = differing(named(two, "two"), named(other, "other"))
    assert f"their {word} differ" in note


def test_before_the_preflight_nothing_is_known_of_the_samples(two: History) -> None:
    assert differing(named(two, "two"), two.resource) == []
    (row,) = cells(two.resource)
    assert (row["outcome"], row["algorithm"], row["evaluations"]) == ("not started", "–", "0")
