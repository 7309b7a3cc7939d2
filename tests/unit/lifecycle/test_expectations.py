"""What further processes are expected to cost, and what may start before anybody knows."""

from datetime import timedelta
from typing import Any

import pytest

from mergesearch.api.status import Measured, MergeSearchStatus, Phase, RecordState, Stage
from mergesearch.lifecycle import expectations
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild, Step
from unit.lifecycle.world import START, Bench, End, faults, resource, scored

GPU = {"resources": {"limits": {"nvidia.com/gpu": "4"}}}


def costly(evaluator: dict[str, Any] | None = None, **search: Any) -> Bench:
    return Bench(
        resource(
            evaluator=GPU | (evaluator or {}),
            merger={"resources": {"limits": {"nvidia.com/gpu": "1"}}},
            search={"maxEvaluations": 4, "baselines": ["Uniform"], **search},
        )
    )


def test_what_is_expected_is_the_wall_time_that_was_booked_not_what_the_processes_say() -> None:
    bench = costly()
    bench.world.seconds = (0.5, 3.0)
    spec = bench.resource.spec
    assert expectations.gpu_seconds(spec, MergeSearchStatus(), search=5) == 0.0
    status = bench.rest()
    assert expectations.seconds(spec, status, "search") == 10.0
    assert expectations.seconds(spec, status, "merge") == 10.0
    assert expectations.gpu_seconds(spec, status, search=5) == 5 * (4 * 10.0 + 10.0)


def test_the_wall_time_of_a_batch_is_shared_by_its_candidates() -> None:
    bench = costly(evaluator={"batch": 4})
    bench.until(lambda status: scored(status, 4))
    measured = bench.status.cost.measured["search"]
    assert (measured.candidates, measured.seconds) == (5, 20.0), "uniform alone, then four at once"


def test_a_process_that_failed_half_way_tells_nothing_of_what_a_candidate_takes() -> None:
    bench = costly()
    bench.faults = faults((Stage.EVALUATE, "c0002", End(code=137)), times=2)
    status = bench.rest()
    assert status.cost.measured["search"] == Measured(candidates=5, seconds=50.0)


@pytest.mark.parametrize(
    ("documents", "factor"),
    [
        ({}, 400 / 200 * 2 / 2),
        ({"h": (1000,)}, (200 + 200 + 1000) / 400),
        ({"h": (1,)}, 401 / 400),
    ],
    ids=["as many held out", "more held out", "one held out"],
)
def test_a_confirmation_is_expected_to_take_longer_as_it_has_more_samples(
    documents: dict[str, tuple[int, ...]], factor: float
) -> None:
    bench = costly()
    bench.world.documents = documents
    bench.until(lambda status: scored(status, 1))
    assert "unseen" not in bench.status.cost.measured
    assert expectations.seconds(bench.resource.spec, bench.status, "unseen") == pytest.approx(10.0 * factor)


def test_fewer_unseen_samples_do_not_make_a_confirmation_cheaper_than_an_engine_start() -> None:
    tasks = [{"name": "a", "metric": "acc", "searchSamples": 399}, {"name": "b", "metric": "acc", "searchSamples": 399}]
    bench = Bench(resource(objective={"tasks": tasks}, heldOut={"tasks": []}))
    bench.until(lambda status: scored(status, 1))
    assert expectations.seconds(bench.resource.spec, bench.status, "unseen") == 10.0


def test_once_a_confirmation_was_measured_its_own_time_counts() -> None:
    bench = costly()
    bench.until(lambda status: bool(status.confirmations))
    bench.seconds = 70.0
    bench.rest()
    assert expectations.seconds(bench.resource.spec, bench.status, "unseen") == 70.0
    assert (
        expectations.gpu_seconds(bench.resource.spec, bench.status, search=1, unseen=2) == 4 * 10 + 2 * 4 * 70 + 3 * 10
    )


def test_a_status_without_the_account_goes_by_what_the_processes_said() -> None:
    bench = costly()
    status = bench.rest()
    older = status.model_copy(update={"cost": status.cost.model_copy(update={"measured": {}})})
    assert expectations.seconds(bench.resource.spec, older, "merge") == 1.0
    assert expectations.seconds(bench.resource.spec, older, "search") == 10.0


# --- In flight ---


def test_what_is_in_flight_costs_what_is_expected_or_what_it_has_taken_already() -> None:
    bench = costly(parallelism=1)
    bench.until(lambda status: status.counts.scored == 2)
    (launch,) = (launch for launch in bench.status.launches if launch.stage is Stage.EVALUATE)
    status = bench.status.model_copy(update={"launches": (launch,)})

    def in_flight(*children: ObservedChild, after: float = 0.0) -> float:
        now = START + timedelta(seconds=after)
        step = Step(resource=bench.resource, status=status, observed=Observed(children=children), now=now)
        return expectations.in_flight_gpu_seconds(step)

    running = ObservedChild(launch=launch.number, state=ChildState.RUNNING, started_at=START)
    pending = ObservedChild(launch=launch.number, state=ChildState.PENDING)
    assert in_flight() == in_flight(pending) == 4 * 10.0
    assert in_flight(running, after=5) == 4 * 10.0
    assert in_flight(running, after=30) == 4 * 30.0


# --- Before anything was measured ---


def most_at_once(bench: Bench) -> list[int]:
    """Candidates of all evaluators in flight, at each step, until some candidate is scored."""
    found = []

    def look(status: MergeSearchStatus) -> bool:
        found.append(sum(len(launch.candidates) for launch in status.launches if launch.stage is Stage.EVALUATE))
        return scored(status, 1)

    bench.until(look)
    return found


@pytest.mark.parametrize("batch", [1, 3])
def test_where_gpu_hours_are_limited_the_first_evaluation_goes_alone(batch: int) -> None:
    wide: dict[str, Any] = {"evaluator": {"batch": batch}, "parallelism": 4, "baselines": ["Checkpoints", "Uniform"]}
    limited, free = most_at_once(costly(maxGpuHours="10", **wide)), most_at_once(costly(**wide))
    at_work = [number for number in limited if number]
    assert at_work[0] == 1
    assert max(at_work) > 1
    assert next(number for number in free if number) > 1


def test_a_first_evaluation_that_fails_is_followed_by_one_alone_again() -> None:
    bench = costly(maxGpuHours="10", parallelism=4, baselines=["Checkpoints"])
    bench.faults = faults((Stage.EVALUATE, "checkpoint-m-0", End(code=137)), times=1)
    bench.until(lambda status: any(r.charged for r in status.baselines))
    evaluators = [launch for launch in bench.status.launches if launch.stage is Stage.EVALUATE]
    assert len(evaluators) == 1


def test_of_a_tiny_budget_no_more_than_one_evaluation_is_spent() -> None:
    bench = costly(maxGpuHours="0.001", parallelism=8, baselines=["Checkpoints", "Uniform"])
    status = bench.rest()
    assert status.phase is Phase.FAILED
    assert bench.condition("Failed") == ("True", "BudgetSpentUnconfirmed")
    assert len(bench.made(Stage.EVALUATE)) == 1
    assert [r.state for r in status.baselines].count(RecordState.SCORED) == 1
