"""When a closed search opens again, and that what was decided stays until it is decided anew."""

from typing import Any

import pytest

from mergesearch.api.status import Phase, Record, RecordState, Stage
from mergesearch.lifecycle import proof
from unit.lifecycle.world import Bench, End, faults, resource, scored


def fitness(record: Record) -> float:
    return record.fitness or 0.0


EDITS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "more evaluations": ({"maxEvaluations": 6}, {"max_evaluations": 10}, "BudgetSpent"),
    "more patience": ({"maxEvaluations": 40, "patience": 1}, {"patience": 30}, "NoImprovement"),
    "more time": ({"maxEvaluations": 40, "maxDuration": "3m"}, {"max_duration": "10h"}, "DurationSpent"),
}


@pytest.mark.parametrize(("search", "edit", "reason"), EDITS.values(), ids=EDITS.keys())
def test_a_larger_budget_opens_a_complete_search(search: dict[str, Any], edit: dict[str, Any], reason: str) -> None:
    bench = Bench(resource(search=search))
    bench.world.landscape = lambda _weights, _task, _split: 0.5
    first = bench.rest()
    assert bench.condition("Complete") == ("True", reason)
    bench.edit("search", **edit)
    bench.step()
    assert bench.condition("Complete") == ("False", "Resumed")
    assert bench.condition("Ready") == ("False", "Resumed")
    assert bench.status.confirmed == first.confirmed, "what was decided stays"
    assert bench.status.completion_time is None
    second = bench.rest()
    assert second.phase is Phase.COMPLETE
    assert len(second.candidates) > len(first.candidates)


def test_more_gpu_hours_open_a_complete_search() -> None:
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    bench = Bench(resource(evaluator=gpu, search={"maxEvaluations": 60, "maxGpuHours": "0.1"}))
    first = bench.rest()
    assert bench.condition("Complete") == ("True", "GpuHoursSpent")
    bench.edit("search", max_gpu_hours="0.15")
    second = bench.rest()
    assert bench.condition("Complete") == ("True", "GpuHoursSpent")
    assert len(second.candidates) > len(first.candidates)


OTHER: dict[str, tuple[str, dict[str, Any]]] = {
    "parallelism": ("search", {"parallelism": 4}),
    "failures": ("search", {"max_failures": 0}),
    "less time": ("search", {"max_duration": "1s"}),
    "what stays": ("storage", {"keep_best": 3}),
    "another retry": ("", {"retry": "again"}),
    "suspended": ("", {"suspend": True}),
}


@pytest.mark.parametrize(("part", "edit"), OTHER.values(), ids=OTHER.keys())
def test_no_other_edit_opens_it(part: str, edit: dict[str, Any]) -> None:
    bench = Bench(resource())
    first = bench.rest()
    bench.edit(part, **edit)
    second = bench.rest()
    assert (second.completion_time, second.candidates, second.confirmed, second.stalled) == (
        first.completion_time,
        first.candidates,
        first.confirmed,
        None,
    )
    assert second.observed_generation == 2
    assert bench.condition("Complete") == ("True", "BudgetSpent")


def test_an_edit_while_the_confirmation_runs_opens_the_search_and_keeps_what_was_confirmed() -> None:
    bench = Bench(resource(search={"maxEvaluations": 6, "parallelism": 2}))
    bench.until(lambda status: any(r.state is RecordState.SCORED for r in status.confirmations))
    done = [record for record in bench.status.confirmations if record.state is RecordState.SCORED]
    bench.edit("search", max_evaluations=10)
    bench.step()
    assert bench.status.closed is None
    status = bench.rest()
    assert status.rounds == 1
    assert len(status.candidates) == 10
    assert all(record in status.confirmations for record in done)


def test_a_comparison_that_runs_when_the_search_opens_again_is_ended() -> None:
    bench = Bench(resource(search={"maxEvaluations": 6}))
    bench.until(lambda status: any(launch.stage is Stage.COMPARE for launch in status.launches))
    bench.edit("search", max_evaluations=10)
    bench.step()
    assert not any(launch.stage is Stage.COMPARE for launch in bench.status.launches)
    assert bench.rest().rounds == 1


def test_a_second_confirmation_on_the_same_samples_says_so() -> None:
    bench = Bench(resource(search={"maxEvaluations": 4}))
    first = bench.rest()
    bench.world.landscape = lambda weights, _task, _split: 0.95 + 0.01 * weights[0]
    bench.edit("search", max_evaluations=12)
    second = bench.rest()
    assert first.confirmed is not None
    assert second.confirmed is not None
    assert (first.confirmed.reused, second.confirmed.reused, second.rounds) == (False, True, 2)
    assert [r.id for r in second.confirmations[: len(first.confirmations)]] == [r.id for r in first.confirmations]


def test_finalists_of_a_second_confirmation_that_was_cut_off_do_not_count_against_the_first() -> None:
    """They are scored, and were never compared: p is corrected for those that the winner was chosen among."""
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    bench = Bench(resource(evaluator=gpu, search={"maxEvaluations": 4, "maxGpuHours": "10"}))
    first = bench.rest()
    bench.world.landscape = lambda weights, _task, _split: 0.95 + 0.01 * weights[0]
    bench.edit("search", max_evaluations=12)
    known = {record.id for record in first.confirmations}
    bench.until(
        lambda status: (
            any(r.state is RecordState.SCORED and r.id not in known for r in status.confirmations)
            and any(not record.ended for record in status.confirmations)
        )
    )
    bench.edit("search", max_gpu_hours="0.01")
    second = bench.rest()
    assert second.phase is Phase.COMPLETE
    assert (second.rounds, second.confirmed) == (1, first.confirmed)
    assert len(proof.finalists(second)) > proof.choices(second) == proof.choices(first) == 3


def test_a_second_end_without_new_finalists_needs_no_second_comparison() -> None:
    bench = Bench(resource(search={"maxEvaluations": 4}))
    first = bench.rest()
    bench.world.landscape = lambda _weights, _task, _split: 0.01
    bench.edit("search", max_evaluations=12)
    second = bench.rest()
    assert (second.rounds, second.confirmed) == (1, first.confirmed)
    assert len(bench.made(Stage.COMPARE)) == 1


def test_a_cleanup_that_was_given_up_is_tried_again_at_the_second_end() -> None:
    bench = Bench(resource(search={"maxEvaluations": 4}), faults=faults((Stage.CLEANUP, None, End(code=1))))
    bench.rest()
    assert len(bench.made(Stage.CLEANUP)) == 3
    bench.faults = lambda _child: None
    bench.edit("search", max_evaluations=8)
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(Stage.CLEANUP)) == 4
    assert len(bench.world.merges) == 1


# --- The goal ---


def test_a_goal_is_reached_when_the_confirmation_has_reached_it() -> None:
    bench = Bench(resource(objective={"goal": "0.5"}, search={"maxEvaluations": 40}))
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "GoalReached")
    assert status.confirmed is not None
    assert status.confirmed.fitness >= 0.5
    assert len(status.candidates) == 4


def test_a_refuted_goal_opens_the_search_and_a_better_candidate_closes_it_again() -> None:
    bench = Bench(resource(objective={"goal": "0.6"}, search={"maxEvaluations": 40, "baselines": []}))
    first_generation: set[tuple[float, ...]] = set()

    def landscape(weights: tuple[float, ...], _task: str, split: str) -> float:
        if len(first_generation) < 4 and split != "unseen":
            first_generation.add(weights)
        if weights in first_generation:
            return 0.3 if split == "unseen" else 0.7
        return 0.8 if split == "unseen" else 0.75

    bench.world.landscape = landscape
    reopened = bench.until(lambda status: status.rounds == 1)
    assert reopened.closed is None
    assert reopened.completion_time is None
    assert bench.condition("Complete") == ("False", "Resumed")
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "GoalReached")
    assert status.rounds == 2
    assert status.confirmed is not None
    assert status.confirmed.fitness == 0.8
    assert status.confirmed.reused


def test_it_is_enough_that_some_finalist_has_reached_the_goal_twice() -> None:
    """The best on the search samples has not, but the winner has."""
    bench = Bench(
        resource(
            merger={"batch": 4},
            evaluator={"batch": 4},
            objective={"goal": "0.65"},
            search={"maxEvaluations": 40, "baselines": []},
        )
    )
    bench.world.landscape = lambda weights, _task, split: 0.7 + (-0.1 if split == "unseen" else 0.1) * weights[0]
    status = bench.rest()
    best = max(status.candidates, key=fitness)
    again = next(record for record in status.confirmations if record.id == best.id)
    assert status.confirmed is not None
    assert fitness(again) < 0.65 <= status.confirmed.fitness
    assert bench.condition("Complete") == ("True", "GoalReached")
    assert (status.rounds, len(status.candidates)) == (1, 4)


def test_a_goal_that_is_refuted_when_the_evaluations_are_spent_is_not_what_ended_the_search() -> None:
    bench = Bench(resource(objective={"goal": "0.6"}, search={"maxEvaluations": 4, "baselines": []}))
    bench.world.landscape = lambda _weights, _task, split: 0.5 if split == "unseen" else 0.7
    bench.until(lambda status: scored(status, 1))
    bench.edit("search", parallelism=4)
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "BudgetSpent")
    assert status.confirmed is not None
    assert status.confirmed.fitness == 0.5
