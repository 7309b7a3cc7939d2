"""The tables for programs."""

import csv
import io

import pytest

from mergesearch.lifecycle import strategy
from mergesearch.report import exact, tables
from mergesearch.report.shapes import Summary
from mergesearch.report.summary import summarize
from unit.report.histories import History, clear, with_status

GAIN = (0.04100000000000001, 0.02, 0.06, 1 / 10_001)


@pytest.fixture(scope="module")
def complete(history: History) -> Summary:
    return summarize(with_status(history.resource, clear(history.end, uniform=GAIN)))


def rows(table: tables.Table) -> dict[str, dict[str, str]]:
    """By their first column, as a program reads them."""
    found = list(csv.DictReader(io.StringIO(tables.to_csv(table), newline="")))
    return {row[table.headers[0]]: row for row in found}


def numbers(row: dict[str, str], *columns: str) -> tuple[float, ...]:
    return tuple(float(row[column]) for column in columns)


def test_the_gains_are_those_of_the_comparison_to_the_last_digit(history: History, complete: Summary) -> None:
    found = rows(exact.results(complete))
    assert list(found) == [row.name for row in complete.rows]
    assert numbers(found["uniform"], "gain", "low", "high", "p", "corrected p") == (*GAIN, 3 * GAIN[3])
    assert [name for name, row in found.items() if row["decides"] == "yes"] == ["uniform"], "the smallest gain"
    record = next(record for record in history.end.confirmations if record.id == "uniform")
    columns = ("unseen fitness", "unseen a", "unseen b", "held-out h", "unseen a stderr", "held-out h stderr")
    known = (record.fitness, *record.scores, record.errors[0], record.errors[2])
    assert numbers(found["uniform"], *columns) == known


def test_what_was_not_confirmed_has_empty_cells_and_its_scores_of_the_search(
    history: History, complete: Summary
) -> None:
    row = rows(exact.results(complete))["m-3"]
    assert {row[column] for column in ("unseen fitness", "gain", "p", "decides", "held-out h")} == {""}
    record = next(record for record in history.end.baselines if record.id == "checkpoint-m-3")
    assert numbers(row, "search fitness", "search a", "search b") == (record.fitness, *record.scores)


def test_before_the_confirmation_there_are_the_scores_of_the_search(history: History) -> None:
    middle = history.first(lambda status: status.counts.scored >= 3)
    found = rows(exact.results(summarize(with_status(history.resource, middle))))
    assert {row["unseen fitness"] for row in found.values()} == {""}
    assert all(row["search fitness"] for row in found.values())


def test_baselines_and_candidates_have_what_was_measured_of_them(history: History, complete: Summary) -> None:
    found = rows(exact.candidates(complete))
    records = (*history.end.baselines, *history.end.candidates)
    assert list(found) == [record.id for record in records]
    best = 0.0
    for record in records:
        row = found[record.id]
        assert numbers(row, "search fitness", "tokens read", "seconds") == (
            record.fitness,
            record.prompt_tokens,
            (record.merge_seconds or 0.0) + (record.evaluate_seconds or 0.0),
        )
        shares = numbers(row, "weight m-0", "weight m-1", "weight m-2", "weight m-3")
        assert shares == strategy.weights(history.resource.spec, record)
        if record in history.end.candidates:
            best = max(best, record.fitness or 0.0)
            assert float(row["best so far"]) == best
        else:
            assert (row["evaluation"], row["generation"], row["best so far"]) == ("", "", "")
    assert [row["evaluation"] for row in found.values() if row["evaluation"]] == [str(n) for n in range(1, 15)]


def test_the_noise_floor_is_a_baseline_that_nobody_confirmed(history: History, complete: Summary) -> None:
    (row,) = [row for row in rows(exact.candidates(complete)).values() if row["kind"] == "Noise"]
    assert row["search fitness"]
    assert row["unseen fitness"] == ""


def test_a_candidate_that_failed_has_no_numbers(with_failures: History) -> None:
    found = rows(exact.candidates(summarize(with_status(with_failures.resource, with_failures.end))))
    row = found["c0002"]
    assert (row["state"], row["search fitness"], row["search a"], row["search a stderr"]) == ("Failed", "", "", "")
