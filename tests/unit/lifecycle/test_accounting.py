"""What was spent, and what the next process is expected to cost."""

from datetime import timedelta

import pytest

from mergesearch.api.spec import Resources
from mergesearch.api.status import MergeSearchStatus, Stage
from mergesearch.lifecycle import accounting
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild, Step
from unit.lifecycle.world import START, Bench, End, faults, resource

GPUS = {
    "none": ({}, 0),
    "memory only": ({"memory": "8Gi"}, 0),
    "one": ({"nvidia.com/gpu": "1", "cpu": "8"}, 1),
    "another vendor": ({"amd.com/gpu": "2"}, 2),
    "two kinds": ({"nvidia.com/gpu": "1", "amd.com/gpu": "2"}, 3),
    "not a number": ({"nvidia.com/gpu": "all"}, 0),
}


@pytest.mark.parametrize(("limits", "number"), GPUS.values(), ids=GPUS.keys())
def test_gpus_are_counted_whatever_the_vendor(limits: dict[str, str], number: int) -> None:
    assert accounting.gpus(Resources(limits=limits)) == number


def costly(**search: object) -> Bench:
    return Bench(
        resource(
            evaluator={"resources": {"limits": {"nvidia.com/gpu": "4"}}},
            merger={"resources": {"limits": {"nvidia.com/gpu": "1"}}},
            search={"maxEvaluations": 4, "baselines": ["Uniform"], **search},
        )
    )


def test_every_process_is_booked_once_with_its_gpus() -> None:
    bench = costly()
    status = bench.rest()
    evaluators, mergers = len(bench.made(Stage.EVALUATE)), len(bench.made(Stage.MERGE))
    assert status.cost.evaluate_seconds == 10.0 * evaluators
    assert status.cost.merge_seconds == 10.0 * mergers
    assert status.cost.gpu_seconds == 10.0 * (4 * evaluators + mergers)


def test_what_has_failed_is_paid_for_as_well() -> None:
    bench = costly()
    bench.faults = faults((Stage.EVALUATE, "c0002", End(code=137)), times=2)
    plain = costly()
    difference = bench.rest().cost.gpu_seconds - plain.rest().cost.gpu_seconds
    assert difference == 2 * 4 * 10.0


def test_what_a_suspension_ends_is_paid_for_until_then() -> None:
    bench = costly(parallelism=2)
    bench.until(lambda status: any(launch.stage is Stage.EVALUATE for launch in status.launches))
    (process,) = (p for p in bench.processes.values() if p.child.launch.stage is Stage.EVALUATE)
    process.start(bench.world, bench.now)
    before = bench.status.cost.gpu_seconds
    bench.now += timedelta(seconds=25)
    bench.edit(suspend=True, suspend_policy="Now")
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 25 * 4


def test_a_process_that_nobody_saw_start_costs_nothing() -> None:
    bench = costly()
    bench.until(lambda status: any(launch.stage is Stage.EVALUATE for launch in status.launches))
    before = bench.status.cost
    for process in bench.processes.values():
        process.end(None, bench.now)
    bench.step()
    assert bench.status.cost == before


def test_what_is_expected_is_the_mean_of_what_was_measured() -> None:
    bench = costly()
    assert accounting.expected_gpu_seconds(bench.resource.spec, MergeSearchStatus(), 5) == 0.0
    status = bench.rest()
    assert accounting.expected_seconds(status, Stage.EVALUATE) == 10.0
    assert accounting.expected_seconds(status, Stage.MERGE) == 1.0
    assert accounting.expected_gpu_seconds(bench.resource.spec, status, 5) == 5 * (4 * 10.0 + 1.0)


def test_what_is_in_flight_costs_what_is_expected_or_what_it_has_taken_already() -> None:
    bench = costly(parallelism=1)
    bench.until(lambda status: status.counts.scored == 2)
    (launch,) = (launch for launch in bench.status.launches if launch.stage is Stage.EVALUATE)
    others = [other for other in bench.status.launches if other is not launch]
    status = bench.status.model_copy(update={"launches": (launch,)})
    assert all(other.stage is Stage.MERGE for other in others)

    def in_flight(*children: ObservedChild, after: float = 0.0) -> float:
        now = START + timedelta(seconds=after)
        step = Step(resource=bench.resource, status=status, observed=Observed(children=children), now=now)
        return accounting.in_flight_gpu_seconds(step)

    running = ObservedChild(launch=launch.number, state=ChildState.RUNNING, started_at=START)
    pending = ObservedChild(launch=launch.number, state=ChildState.PENDING)
    assert in_flight() == in_flight(pending) == 4 * 10.0
    assert in_flight(running, after=5) == 4 * 10.0
    assert in_flight(running, after=30) == 4 * 30.0


@pytest.mark.parametrize(
    ("seconds", "kept"), [(1.23456, 1.235), (0.0, 0.0), (float("nan"), None), (float("inf"), None), (-1.0, None)]
)
def test_seconds_that_are_none_are_left_out(seconds: float, kept: float | None) -> None:
    assert accounting.rounded(seconds) == kept
