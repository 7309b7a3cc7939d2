"""What was spent: by processes that end, and by those that are lost without an end."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mergesearch.api.spec import Resources
from mergesearch.api.status import Stage
from mergesearch.lifecycle import accounting
from mergesearch.lifecycle.step import ChildState, Observed, Run
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, Process, faults, resource

GPUS = {
    "none": ({}, 0),
    "memory only": ({"memory": "8Gi"}, 0),
    "one": ({"nvidia.com/gpu": "1", "cpu": "8"}, 1),
    "another vendor": ({"amd.com/gpu": "2"}, 2),
    "two kinds": ({"nvidia.com/gpu": "1", "amd.com/gpu": "2"}, 3),
    "not a number": ({"nvidia.com/gpu": "all"}, 0),
    "slices of a partitioned one": ({"nvidia.com/mig-1g.10gb": "2", "nvidia.com/mig-3g.40gb": "1"}, 3),
    "a share in time": ({"nvidia.com/gpu.shared": "1"}, 1),
    "slices that are shared": ({"nvidia.com/mig-1g.5gb.shared": "1"}, 1),
    "memory of a GPU": ({"example.com/gpu-memory": "8"}, 0),
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
    assert status.cost.gpu_seconds_by_stage == {Stage.EVALUATE: 40.0 * evaluators, Stage.MERGE: 10.0 * mergers}


def test_a_stage_without_gpus_is_not_among_those_that_take_some() -> None:
    bench = Bench(resource(evaluator={"resources": {"limits": {"nvidia.com/gpu": "2"}}}, search={"maxEvaluations": 4}))
    cost = bench.rest().cost
    assert cost.gpu_seconds_by_stage == {Stage.EVALUATE: cost.gpu_seconds}
    assert Bench(resource(search={"maxEvaluations": 4})).rest().cost.gpu_seconds_by_stage == {}


def test_every_record_knows_its_own_tokens_and_together_they_are_all() -> None:
    status = costly().rest()
    everything = [*status.baselines, *status.candidates, *status.confirmations]
    assert {(record.prompt_tokens, record.generated_tokens) for record in everything} == {(100, 50)}
    assert (status.cost.prompt_tokens, status.cost.generated_tokens) == (100 * len(everything), 50 * len(everything))


def test_operations_are_two_for_each_token_and_parameter() -> None:
    status = costly().rest()
    assert status.preflight.parameters == 500
    assert status.cost.flops == 2 * 500 * (status.cost.prompt_tokens + status.cost.generated_tokens) > 0


def test_a_record_takes_the_gpus_of_its_merge_and_of_its_evaluation() -> None:
    bench = costly()
    bench.until(lambda status: bool(status.candidates))
    assert accounting.gpu_seconds_of(bench.resource.spec, bench.record("c0001")) is None
    bench.rest()
    assert accounting.gpu_seconds_of(bench.resource.spec, bench.record("c0001")) == 1.0 * 1 + 10.0 * 4


def test_what_a_failed_try_has_read_is_unknown_and_its_time_is_not() -> None:
    bench, calm = costly(), costly()
    bench.faults = faults((Stage.EVALUATE, "c0002", End(code=137)), times=2)
    spent, plain = bench.rest().cost, calm.rest().cost
    assert spent.prompt_tokens == plain.prompt_tokens
    assert spent.gpu_seconds_by_stage[Stage.EVALUATE] > plain.gpu_seconds_by_stage[Stage.EVALUATE]


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


# --- Processes that are lost without an end ---


def at_work(**search: object) -> tuple[Bench, Process]:
    """A bench with an evaluator that has been seen to run."""
    bench = costly(**search)
    bench.until(lambda status: any(launch.stage is Stage.EVALUATE for launch in status.launches))
    (process,) = (p for p in bench.processes.values() if p.child.launch.stage is Stage.EVALUATE)
    process.start(bench.world, bench.now)
    bench.step()
    return bench, process


def test_the_start_of_a_process_is_remembered_once_and_time_alone_writes_nothing() -> None:
    bench, process = at_work()
    (launch,) = (launch for launch in bench.status.launches if launch.number == process.child.launch.number)
    assert launch.started_at == process.started_at
    bench.now += timedelta(seconds=500)
    assert bench.step() is False


def test_a_process_that_is_deleted_is_booked_until_it_is_missed_and_once() -> None:
    bench, process = at_work()
    before = bench.status.cost
    bench.now += timedelta(seconds=40)
    del bench.processes[process.child.launch.number]
    bench.step()
    assert bench.status.cost.gpu_seconds - before.gpu_seconds == 4 * 40
    assert bench.status.cost.evaluate_seconds - before.evaluate_seconds == 40
    bench.now += timedelta(seconds=40)
    assert bench.step() is False, "it was made again and waits"
    assert bench.status.cost.measured == before.measured, "what did not end tells nothing"


def test_a_process_that_comes_back_into_sight_is_booked_as_one() -> None:
    bench, process = at_work()
    before = bench.status.cost.gpu_seconds
    hidden = bench.processes
    bench.now += timedelta(seconds=40)
    bench.status = bench.decide(Observed())
    bench.processes = hidden
    bench.step()
    bench.now += timedelta(seconds=20)
    bench.finish(process)
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 4 * 60


def test_a_process_that_its_queue_has_taken_the_place_from_is_booked_and_so_is_the_next_one() -> None:
    bench, process = at_work()
    before = bench.status.cost.gpu_seconds
    bench.now += timedelta(seconds=40)
    process.state, process.started_at = ChildState.PENDING, None
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 4 * 40
    bench.now += timedelta(hours=2)
    assert bench.step() is False, "waiting costs nothing"
    process.start(bench.world, bench.now)
    bench.step()
    bench.now += timedelta(seconds=10)
    bench.finish(process)
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 4 * 50


def test_a_process_is_booked_from_its_own_start_where_its_job_only_knows_when_it_was_admitted() -> None:
    bench, process = at_work()
    before = bench.status.cost.gpu_seconds
    bench.now += timedelta(seconds=20)
    bench.finish(process)
    assert process.started_at is not None
    process.started_at -= timedelta(minutes=9)
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 4 * 20


def test_what_an_interrupted_shell_has_killed_is_booked_until_it_was_last_known_to_live() -> None:
    bench, _ = at_work()
    before = bench.status.cost.gpu_seconds
    bench.blind_since = bench.now + timedelta(seconds=30)
    bench.now += timedelta(hours=9)
    bench.processes.clear()
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 4 * 30


def test_interrupts_without_end_spend_the_gpu_hours() -> None:
    bench, _ = at_work(maxGpuHours="0.2")
    for _ in range(100):
        bench.blind_since = bench.now = bench.now + timedelta(seconds=30)
        bench.processes.clear()
        bench.step()
        for process in bench.processes.values():
            process.start(bench.world, bench.now)
        bench.step()
    assert bench.status.closed is not None
    assert bench.status.closed.reason is Reason.GPU_HOURS_SPENT
    assert bench.status.cost.gpu_seconds <= 0.2 * 3600 + 5 * 30


def test_nothing_is_booked_beyond_the_deadline_that_a_lost_process_had() -> None:
    bench, process = at_work()
    before = bench.status.cost.gpu_seconds
    bench.now += timedelta(days=3)
    del bench.processes[process.child.launch.number]
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 4 * bench.resource.spec.evaluator.active_deadline_seconds


def test_a_process_whose_end_nobody_saw_is_booked_until_now() -> None:
    bench, process = at_work()
    before = bench.status.cost.gpu_seconds
    bench.now += timedelta(seconds=15)
    process.end(None, bench.now)
    process.ended_at = None
    bench.step()
    assert bench.status.cost.gpu_seconds - before == 4 * 15


# --- Processes that share a merge ---


def shared() -> tuple[Bench, Process]:
    """A bench with a merger of two processes with a GPU each, which have been seen to start."""
    merger = {"slices": 2, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    bench = Bench(resource(merger=merger, search={"maxEvaluations": 4, "baselines": ["Uniform"]}))
    bench.until(lambda status: any(launch.stage is Stage.MERGE for launch in status.launches))
    (process,) = (p for p in bench.processes.values() if p.child.launch.stage is Stage.MERGE)
    process.start(bench.world, bench.now)
    runs(bench, process, (0.0, None), (0.0, None))
    return bench, process


def runs(bench: Bench, process: Process, *times: tuple[float, float | None], **seen: Any) -> None:
    """A step that sees the processes of a merge run between these seconds since its start."""

    begin = process.started_at
    assert begin is not None
    starts = [begin + timedelta(seconds=start) for start, _ in times]
    ends = [None if end is None else begin + timedelta(seconds=end) for _, end in times]
    told = {"runs": tuple(map(Run, starts, ends)), **seen}
    ours = process.child.launch.number
    children = (replace(one, **told) if one.launch == ours else one for one in bench.observe().children)
    bench.status = bench.decide(Observed(tuple(children)))


def test_each_process_that_shares_a_merge_is_booked_for_its_own_time_and_the_merge_until_the_last_has_ended() -> None:
    bench, process = shared()
    before = bench.status.cost
    bench.now += timedelta(seconds=60)
    bench.finish(process)
    runs(bench, process, (0, 20), (10, 60))
    assert bench.status.cost.gpu_seconds - before.gpu_seconds == 20 + 50
    assert bench.status.cost.merge_seconds - before.merge_seconds == 60


def test_processes_that_nobody_can_ask_any_more_are_booked_for_the_whole_time() -> None:
    bench, process = shared()
    before = bench.status.cost
    bench.now += timedelta(seconds=40)
    del bench.processes[process.child.launch.number]
    bench.step()
    assert bench.status.cost.gpu_seconds - before.gpu_seconds == 2 * 40
    assert bench.status.cost.merge_seconds - before.merge_seconds == 40


def test_the_time_that_one_waits_in_a_queue_after_the_other_has_ended_is_not_booked() -> None:
    bench, process = shared()
    before, begin = bench.status.cost, bench.now
    bench.now += timedelta(seconds=20)
    runs(bench, process, (0, 20), state=ChildState.PENDING, started_at=None)
    assert bench.status.cost.gpu_seconds - before.gpu_seconds == 20
    bench.now += timedelta(hours=2)
    later = (bench.now - begin).total_seconds()
    runs(bench, process, (0, 20), (later, None), started_at=bench.now)
    bench.now += timedelta(seconds=30)
    bench.finish(process)
    runs(bench, process, (0, 20), (later, later + 30))
    assert bench.status.cost.gpu_seconds - before.gpu_seconds == 20 + 30
    assert bench.status.cost.merge_seconds - before.merge_seconds == 20 + 30


def test_a_merge_that_is_shared_is_expected_to_take_the_gpus_of_all_its_processes() -> None:
    bench, _ = shared()
    assert accounting.gpus_of(bench.resource.spec, Stage.MERGE) == 2
    assert accounting.gpus_of(bench.resource.spec, Stage.EVALUATE) == 0


@pytest.mark.parametrize(
    ("seconds", "kept"), [(1.23456, 1.235), (0.0, 0.0), (float("nan"), None), (float("inf"), None), (-1.0, None)]
)
def test_seconds_that_are_none_are_left_out(seconds: float, kept: float | None) -> None:
    assert accounting.rounded(seconds) == kept
