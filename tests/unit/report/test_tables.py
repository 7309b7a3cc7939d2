"""The tables as plain text, their CSV, and the document of all numbers."""

import dataclasses
import json

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.report import analysis, data, exact, tables
from mergesearch.report.shapes import Summary
from mergesearch.report.summary import summarize
from unit.report import histories
from unit.report.histories import History, clear, with_status


@pytest.fixture(scope="module")
def complete(history: History) -> Summary:
    return summarize(with_status(history.resource, clear(history.end, uniform=(0.041, 0.02, 0.06, 0.0004))))


def test_the_final_table_shows_both_sides_every_task_and_the_gains(history: History, complete: Summary) -> None:
    table = tables.final(complete)
    assert table.headers == [
        "model",
        "role",
        "unseen",
        "winner's gain",
        "95% interval",
        "p",
        "search",
        "a",
        "b",
        "h (held-out)",
    ], "what decides comes before the tasks, so that a narrow page shows it"
    assert len(table.rows) == len(complete.rows) == 9
    uniform = next(row for row in table.rows if row[0] == "uniform")
    record = next(record for record in history.end.confirmations if record.id == "uniform")
    assert uniform[2] == f"{100 * (record.fitness or 0):.1f}"
    assert uniform[7:] == [f"{100 * score:.1f}" for score in record.scores]
    assert uniform[3:6] == ["+4.1", "+2.0..+6.0", "0.0004"]
    winner = table.rows[0]
    assert winner[1] == "winner"
    assert winner[3:6] == ["–"] * 3


def test_a_baseline_that_was_not_confirmed_has_no_number_on_unseen_samples(complete: Summary) -> None:
    row = next(row for row in tables.final(complete).rows if row[0] == "m-3")
    assert row[2:6] == ["–"] * 4
    assert row[6] != "–"
    assert row[7:] == ["–"] * 3


def test_the_caption_tells_why_a_baseline_has_a_dash_and_is_plain_text(history: History, complete: Summary) -> None:
    assert tables.final(complete).caption == (
        "On unseen samples, with the winner's gain over each baseline (points); under search: the fitness on search "
        "samples; a baseline with a dash under unseen was not compared, as search.confirm.baselines: Best has it (All "
        "compares every one)"
    )
    assert "under search" not in tables.short(complete).caption
    confirming = history.first(lambda status: any(record.scores for record in status.confirmations))
    pending = tables.final(summarize(with_status(history.resource, confirming)))
    assert "unseen" in pending.headers
    assert "was not compared" not in pending.caption, "some are still to come"
    everything = histories.run(histories.manifest(maxEvaluations=4, confirm={"baselines": "All"}))
    assert "dash" not in tables.final(summarize(with_status(everything.resource, everything.end))).caption


def test_before_the_confirmation_the_final_table_is_that_of_the_search_samples(history: History) -> None:
    status = history.first(lambda status: status.counts.scored >= 3)
    found = summarize(with_status(history.resource, status))
    assert tables.final(found) == tables.on_search(found)
    assert tables.final(found).headers == ["model", "role", "fitness", "a", "b"]


def test_a_baseline_without_a_score_shows_its_state(history: History) -> None:
    status = history.first(lambda status: bool(status.baselines))
    rows = tables.final(summarize(with_status(history.resource, status))).rows
    assert [row[2] for row in rows if row[0] == "m-0"] == ["evaluating"]
    assert [row[3:] for row in rows if row[0] == "m-0"] == [["–", "–"]]


def test_a_failed_candidate_has_no_numbers_in_the_list_of_all(with_failures: History) -> None:
    found = summarize(with_status(with_failures.resource, with_failures.end))
    row = tables.evaluations(found).rows[1]
    assert row[:3] == ["c0002", "Failed", "2"]
    assert row[4] == "–"
    assert row[6:10] == ["–"] * 4


def test_no_spreadsheet_takes_a_name_for_a_formula() -> None:
    table = tables.Table(
        caption="", headers=["model", "=HYPERLINK(1)", "over"], rows=[["@sum", "-1.5", "+6 more"]], words=1
    )

    assert tables.to_csv(table) == "model,'=HYPERLINK(1),over\r\n'@sum,-1.5,'+6 more\r\n"


TOLD = {
    "none decides alone": (0.2, 0.4, "0.20"),
    "both do": (0.01, 0.03, "0.010"),
    "the corrected one does not": (0.03, 0.08, "0.030 (0.080 corrected)"),
}


@pytest.mark.parametrize(("p", "corrected", "told"), TOLD.values(), ids=TOLD)
def test_p_is_that_of_the_sentence_with_the_corrected_one_where_it_decides(
    complete: Summary, p: float, corrected: float, told: str
) -> None:
    column = tables.final(complete).headers.index("p")
    row = next(row for row in complete.rows if row.versus is not None)
    assert row.versus is not None
    versus = dataclasses.replace(row.versus, p=p, corrected_p=corrected)
    changed = dataclasses.replace(complete, rows=(dataclasses.replace(row, versus=versus),))
    assert tables.final(changed).rows[0][column] == told


def test_the_document_holds_the_numbers_as_the_search_has_them(history: History, complete: Summary) -> None:
    document = data.document(complete, analysis.analyse(complete))
    winner = history.end.confirmed
    assert winner is not None
    assert document["version"] == data.DOCUMENT_VERSION
    assert document["outcome"] == "gain"
    assert document["verdict"] == complete.verdict
    row = document["rows"][0]
    assert row["id"] == winner.id
    assert row["onUnseen"]["fitness"] == winner.fitness
    assert len(document["evaluations"]) == 14
    assert len(document["evaluations"][0]["weights"]) == 4
    assert document["optimizer"]["populationSize"] == complete.optimizer.population_size if complete.optimizer else 0
    assert document["started"] == "2026-01-01T00:00:10+00:00"
    assert {pair["name"] for pair in document["rebuild"]["versions"]} >= {"lm_eval"}


def test_every_candidate_tells_its_tokens_and_seconds_and_whose_scores_it_has(history: History) -> None:
    first, second, *others = history.end.candidates
    taken = second.model_copy(update={"same_as": first.id, "prompt_tokens": 0, "generated_tokens": 0})
    uncounted = others[0].model_copy(update={"prompt_tokens": None, "generated_tokens": None})
    status = history.end.model_copy(update={"candidates": (first, taken, uncounted, *others[1:])})
    table = tables.evaluations(summarize(with_status(history.resource, status)))
    assert table.headers[-3:] == ["tokens read", "tokens written", "seconds"]
    assert [row[-3:] for row in table.rows[:3]] == [["100", "50", "11.0"], ["0", "0", "11.0"], ["–", "–", "11.0"]]
    assert [row[1] for row in table.rows[:3]] == ["Scored", f"Scored, weights of {first.id}", "Scored"]


def asked(history: History, **task: object) -> list[list[str]]:
    """How the tasks are asked where the first one is written like that."""
    document = history.resource.to_document()
    document["spec"]["objective"]["tasks"][0] |= task
    document["spec"]["heldOut"]["tasks"][0] |= {"unseenSamples": 50}
    resource = MergeSearch.model_validate_json(json.dumps(document))
    return tables.questions(summarize(with_status(resource, history.end))).rows


def test_how_each_task_is_asked_stands_beside_what_of_the_answer_counts(history: History) -> None:
    assert asked(history, numFewshot=3, chatTemplate=True, filter="strict") == [
        ["a", "acc", "strict", "yes", "chosen with seed 1", "3"],
        ["b", "acc", "none", "no", "chosen with seed 1", "the task's own"],
        ["h", "acc", "none", "no", "chosen with seed 1", "the task's own"],
    ]


def test_ranges_of_samples_are_told_as_they_were_given_and_a_held_out_task_may_take_all(history: History) -> None:
    ranges = {"search": {"start": 0, "stop": 100}, "unseen": {"start": 100, "stop": 400}}
    assert asked(history, samples=ranges)[0][4] == "0 to 99 searched, 100 to 399 unseen"
    whole = tables.questions(summarize(with_status(history.resource, history.end)))
    assert whole.rows[2][4] == "all"


def test_people_count_generations_from_1_as_the_console_does_and_files_from_0(complete: Summary) -> None:
    assert [row[0] for row in tables.generations(complete).rows][:2] == ["1", "2"]
    assert tables.evaluations(complete).rows[0][3] == "1"
    assert {row[3] for row in exact.candidates(complete).rows if row[1] == "Search"} >= {"0"}
