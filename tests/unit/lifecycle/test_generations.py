"""Asking for the next generation: when the last one has ended, and never for more than is allowed."""

import pytest

from mergesearch.api.status import Phase, RecordState, Stage, decode_vector, encode_vector
from unit.lifecycle.world import Bench, End, faults, resource, scored


def sizes(bench: Bench) -> list[int]:
    numbers = [record.generation or 0 for record in bench.status.candidates]
    return [numbers.count(number) for number in range(max(numbers, default=-1) + 1)]


def test_nothing_is_asked_for_before_the_baselines_are_scored() -> None:
    bench = Bench(resource())
    bench.until(lambda status: bool(status.candidates))
    assert {r.state for r in bench.status.baselines if r.id != "noise"} == {RecordState.SCORED}
    assert sizes(bench) == [4]


def test_the_next_generation_is_asked_for_in_the_step_that_ends_the_last() -> None:
    bench = Bench(resource(search={"parallelism": 4}))
    bench.until(lambda status: scored(status, 4))
    assert sizes(bench) == [4, 4]


@pytest.mark.parametrize(("evaluations", "expected"), [(3, [3]), (4, [4]), (9, [4, 4, 1]), (12, [4, 4, 4])])
def test_the_last_generation_is_cut_by_the_budget(evaluations: int, expected: list[int]) -> None:
    bench = Bench(resource(search={"maxEvaluations": evaluations}))
    assert bench.rest().phase is Phase.COMPLETE
    assert sizes(bench) == expected
    assert [record.id for record in bench.status.candidates] == [f"c{n + 1:04d}" for n in range(evaluations)]


def test_a_cut_generation_is_completed_before_the_next_is_asked_for() -> None:
    bench, straight = Bench(resource(search={"maxEvaluations": 6})), Bench(resource(search={"maxEvaluations": 11}))
    bench.rest()
    assert sizes(bench) == [4, 2]
    bench.edit("search", max_evaluations=7)
    bench.rest()
    assert sizes(bench) == [4, 3]
    bench.edit("search", max_evaluations=11)
    bench.rest()
    straight.rest()
    assert sizes(bench) == sizes(straight) == [4, 4, 3]
    assert [r.x for r in bench.status.candidates] == [r.x for r in straight.status.candidates]


def test_a_larger_budget_in_the_middle_of_a_cut_generation_waits_for_its_members() -> None:
    bench = Bench(resource(search={"maxEvaluations": 6}))
    bench.until(lambda status: scored(status, 5))
    bench.edit("search", max_evaluations=8)
    bench.step()
    assert sizes(bench) == [4, 2]
    bench.work()
    bench.step()
    assert sizes(bench) == [4, 4]


@pytest.mark.parametrize("policy", ["Drain", "Now"])
def test_a_suspended_search_asks_for_nothing(policy: str) -> None:
    bench = Bench(resource(search={"parallelism": 4}))
    bench.until(lambda status: sum(r.state is RecordState.EVALUATING for r in status.candidates) == 4)
    bench.work()
    bench.edit(suspend=True, suspend_policy=policy)
    bench.step()
    assert scored(bench.status, 4)
    assert sizes(bench) == [4]


def test_a_stalled_search_asks_for_nothing() -> None:
    bench = Bench(resource(search={"parallelism": 4, "maxFailures": 0}))
    bench.faults = faults((Stage.EVALUATE, "c0001", End(code=65)))
    bench.rest()
    assert bench.status.stalled is not None
    assert sizes(bench) == [4]


def test_failed_members_are_told_and_the_search_goes_on() -> None:
    bench = Bench(resource(search={"parallelism": 4}))
    bench.faults = faults((Stage.EVALUATE, "c0001", End(code=65)), (Stage.EVALUATE, "c0003", End(code=65)))
    assert bench.rest().phase is Phase.COMPLETE
    assert sizes(bench) == [4, 4, 4]


# --- Reproducibility ---


def test_other_vectors_than_those_recorded_are_noticed_and_the_recorded_ones_stay() -> None:
    """As if numpy had changed in the middle of the search."""
    bench = Bench(resource(search={"parallelism": 4}))
    bench.until(lambda status: sum(r.state is RecordState.EVALUATING for r in status.candidates) == 4)
    bench.step()
    moved = bench.status.candidates[0]
    x = decode_vector(moved.x or "")
    other = moved.model_copy(update={"x": encode_vector((x[0] + 0.25, *x[1:]))})
    bench.status = bench.status.model_copy(update={"candidates": (other, *bench.status.candidates[1:])})
    bench.processes.clear()
    bench.world.merges.clear()
    bench.world.shaky |= {record.id for record in bench.status.candidates}
    status = bench.rest()
    assert status.diverged
    assert bench.condition("Reproducible") == ("False", "ReplayDiverged")
    assert status.phase is Phase.COMPLETE
    assert status.candidates[0].x == other.x


def test_a_search_that_can_be_reproduced_has_no_such_condition() -> None:
    bench = Bench(resource())
    status = bench.rest()
    assert not status.diverged
    assert "Reproducible" not in {condition.type for condition in status.conditions}


def test_the_same_spec_proposes_the_same_candidates() -> None:
    first, second = Bench(resource()), Bench(resource(merger={"batch": 3}, evaluator={"batch": 2}))
    second.edit("search", parallelism=3)
    assert [r.x for r in first.rest().candidates] == [r.x for r in second.rest().candidates]


def test_another_seed_proposes_other_candidates() -> None:
    first, second = Bench(resource()), Bench(resource(search={"maxEvaluations": 4, "seed": 2}))
    assert first.rest().candidates[0].x != second.rest().candidates[0].x
