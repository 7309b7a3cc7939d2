"""What the optimiser was told, and how much of its vectors the box has cut."""

import pytest

from mergesearch.api.status import decode_vector
from mergesearch.report import facts, learning
from mergesearch.report.background import OptimizerFacts
from mergesearch.report.summary import summarize
from unit.report import histories
from unit.report.histories import History, with_status


def facts_of(history: History) -> OptimizerFacts:
    found = learning.optimizer(history.resource.spec, history.end)
    assert found is not None
    return found


def test_the_papers_fifty_evaluations_are_four_updates_and_two_leftovers(paper: History) -> None:
    found = facts_of(paper)
    assert (found.name, found.dimension, found.population_size) == ("Paper", 16, 12)
    assert (found.updates, found.untold) == (4, 2)
    assert [one.candidates for one in found.generations] == [12, 12, 12, 12, 2]
    assert [one.told for one in found.generations] == [True, True, True, True, False]


def test_a_step_size_of_1_in_the_unit_box_clips_almost_half_of_the_first_generation(paper: History) -> None:
    """About 46% are expected; this is one seed's generation of 12 x 16 numbers."""
    first = facts_of(paper).generations[0]
    vectors = [decode_vector(record.x or "") for record in paper.end.candidates[:12]]
    zeros = sum(x == 0.0 for vector in vectors for x in vector)
    assert first.clipped == zeros / (12 * 16)
    assert 0.36 < first.clipped < 0.56
    assert first.zeros >= first.clipped


def test_a_softmax_clips_nothing(history: History) -> None:
    assert all(one.clipped is None for one in facts_of(history).generations)


def test_a_random_search_is_told_nothing() -> None:
    history = histories.run(histories.manifest(maxEvaluations=6, algorithm={"random": {"populationSize": 3}}))
    found = facts_of(history)
    assert found.updates == 0
    assert not any(one.told for one in found.generations)
    pairs = {pair.name: pair.value for pair in facts.learning(summarize(with_status(history.resource, history.end)))}
    assert pairs["Updates"] == "none: a random search is the control"
    assert "Leftovers" not in pairs


def test_failed_members_are_counted_but_do_not_enter_the_mean(with_failures: History) -> None:
    first = facts_of(with_failures).generations[0]
    fitness = [r.fitness for r in with_failures.end.candidates if r.generation == 0 and r.fitness is not None]
    assert (first.failed, first.scored) == (2, first.candidates - 2)
    assert first.mean == pytest.approx(sum(fitness) / len(fitness))
    assert first.best == max(fitness)


def test_an_open_generation_is_no_leftover_while_the_search_runs(history: History) -> None:
    status = history.first(lambda status: 0 < status.counts.scored < 8)
    pairs = {p.name: p.value for p in facts.learning(summarize(with_status(history.resource, status)))}
    assert "Leftovers" not in pairs
    assert pairs["Open generation"] == f"{len(status.candidates)} candidates"


def test_before_the_first_generation_there_is_nothing_to_tell(history: History) -> None:
    assert learning.optimizer(history.resource.spec, history.statuses[0]) is None
    assert facts.learning(summarize(with_status(history.resource, history.statuses[0]))) == ()
