"""weights.json and candidates.csv."""

import csv
import io
import json
from typing import Any

from mergesearch.export import subject, tables
from mergesearch.export.subject import Subject
from mergesearch.lifecycle import strategy
from unit.export import searches
from unit.report.histories import History


def weights(chosen: Subject) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tables.weights(chosen))
    return found


def rows(chosen: Subject) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables.candidates(chosen))))


def test_the_weights_are_exact_and_those_of_all_checkpoints(sparse: History) -> None:
    chosen = searches.winner(sparse)
    found = weights(chosen)["weights"]
    assert list(found) == [source.name for source in sparse.resource.spec.checkpoints]
    assert tuple(found.values()) == strategy.weights(sparse.resource.spec, chosen.record)


def test_the_winner_is_called_one_with_the_digest_of_its_weights(history: History) -> None:
    confirmed = history.end.confirmed
    assert confirmed is not None
    found = weights(searches.winner(history))
    assert (found["candidate"], found["winner"], found["better"]) == (confirmed.id, True, None)
    assert (found["path"], found["weightsDigest"]) == (confirmed.path, confirmed.weights_digest)


def test_a_better_baseline_is_named_for_programs_too(history: History) -> None:
    chosen = subject.choose(searches.behind(history, "uniform"), None)
    assert weights(chosen)["better"] == "uniform"
    uniform = weights(subject.choose(searches.behind(history, "uniform"), "uniform"))
    assert (uniform["winner"], uniform["path"]) == (False, "uid/merges/uniform")


def test_a_merge_whose_weights_do_not_stay_has_no_path(history: History) -> None:
    assert weights(subject.choose(searches.finished(history), "uniform"))["path"] is None


def test_every_candidate_and_baseline_has_a_row_with_exact_numbers(history: History) -> None:
    status, spec = history.end, history.resource.spec
    found = rows(searches.winner(history))
    records = (*status.baselines, *status.candidates)
    assert [row["id"] for row in found] == [record.id for record in records]
    for row, record in zip(found, records, strict=True):
        assert float(row["search fitness"]) == record.fitness
        assert (float(row["search a"]), float(row["search b"])) == record.scores
        assert tuple(float(row[f"weight m-{place}"]) for place in range(4)) == strategy.weights(spec, record)


def test_what_was_confirmed_has_its_scores_on_unseen_samples_and_nothing_else_has(history: History) -> None:
    confirmed = {record.id: record for record in history.end.confirmations}
    found = rows(searches.winner(history))
    assert len(confirmed) < len(found)
    for row in found:
        record = confirmed.get(row["id"])
        cells = (row["unseen fitness"], row["unseen a"], row["held-out h"], row["held-out h stderr"])
        if record is None:
            assert cells == ("", "", "", "")
        else:
            numbers = (record.fitness, record.scores[0], record.scores[2], record.errors[2])
            assert tuple(map(float, cells)) == numbers


def test_a_candidate_that_took_over_the_scores_of_another_names_it(history: History) -> None:
    first, second, *others = history.end.candidates
    again = second.model_copy(update={"x": first.x, "same_as": first.id})
    status = history.end.model_copy(update={"candidates": (first, again, *others)})
    found = rows(subject.choose(searches.finished(history, status), None))
    assert {row["id"]: row["same as"] for row in found if row["same as"]} == {second.id: first.id}


def test_no_header_is_a_formula_and_every_name_comes_back(nasty: History) -> None:
    found = rows(searches.winner(nasty))
    name = nasty.resource.spec.objective.tasks[0].name
    assert f"search {name}" in found[0]
    assert not [header for header in found[0] if header[:1] in "=+-@"]
