"""Which launches start now: within the parallelism, the room and the budgets, in their order."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.api.status import Launch, Phase, RecordKind, Stage
from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, faults, resource, scored

GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
NO_BASELINES: dict[str, Any] = {"baselines": []}


def running(bench: Bench, stage: Stage) -> list[Launch]:
    return [launch for launch in bench.status.launches if launch.stage is stage]


# --- Parallelism ---


def test_no_more_evaluators_run_than_the_parallelism_allows_and_no_fewer_than_it_could() -> None:
    bench = Bench(resource(search={"parallelism": 3, **NO_BASELINES}))
    bench.until(lambda _status: len(running(bench, Stage.EVALUATE)) == 3)
    assert sorted(i for launch in running(bench, Stage.EVALUATE) for i in launch.candidates) == [
        "c0001",
        "c0002",
        "c0003",
    ]


def test_a_lower_parallelism_ends_nothing_and_starts_nothing_until_there_is_room() -> None:
    bench = Bench(resource(search={"parallelism": 3, **NO_BASELINES}))
    bench.until(lambda _status: len(running(bench, Stage.EVALUATE)) == 3)
    bench.edit("search", parallelism=1)
    bench.step()
    assert len(running(bench, Stage.EVALUATE)) == 3
    bench.work()
    bench.step()
    assert len(running(bench, Stage.EVALUATE)) == 1


# --- Room ---


@pytest.mark.parametrize("room", [1, 2, 3])
def test_mergers_never_outrun_evaluators(room: int) -> None:
    bench = Bench(resource(storage={"maxPending": room}, search=NO_BASELINES))
    bench.until(lambda _status: bool(running(bench, Stage.MERGE)))
    assert sum(len(launch.candidates) for launch in running(bench, Stage.MERGE)) == room


def test_a_merger_writes_no_more_than_there_is_room_for() -> None:
    bench = Bench(resource(storage={"maxPending": 3}, merger={"batch": 4}, search=NO_BASELINES))
    bench.rest()
    assert bench.made(Stage.MERGE)[0] == ("c0001", "c0002", "c0003")


small = st.integers(1, 5)


@settings(max_examples=60)
@given(room=small, merger=small, evaluator=small, parallelism=small, finalists=small, everything=st.booleans())
def test_no_choice_of_sizes_stops_a_search(
    room: int, merger: int, evaluator: int, parallelism: int, finalists: int, everything: bool
) -> None:
    bench = Bench(
        resource(
            storage={"maxPending": room},
            merger={"batch": merger},
            evaluator={"batch": evaluator},
            search={
                "maxEvaluations": 7,
                "parallelism": parallelism,
                "baselines": ["Checkpoints", "Uniform", "MergeBest", "Greedy"],
                "confirm": {"finalists": finalists, "baselines": "All" if everything else "Best"},
            },
        )
    )
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.world.lost == [], "no weights were removed that were still needed"


@settings(max_examples=40)
@given(room=small, merger=small, evaluator=small, parallelism=small, hours=st.sampled_from(["0.04", "0.08", "0.15"]))
def test_no_choice_of_sizes_stops_a_search_that_runs_out_of_gpu_hours(
    room: int, merger: int, evaluator: int, parallelism: int, hours: str
) -> None:
    bench = Bench(
        resource(
            storage={"maxPending": room},
            merger={"batch": merger},
            evaluator={"batch": evaluator, **GPU},
            search={
                "maxEvaluations": 9,
                "parallelism": parallelism,
                "maxGpuHours": hours,
                "baselines": ["Checkpoints", "Uniform", "MergeBest", "Greedy"],
            },
        )
    )
    assert bench.rest().phase in (Phase.COMPLETE, Phase.FAILED)
    assert bench.status.launches == ()


# --- Batches ---


def test_merger_and_evaluator_batches_are_independent() -> None:
    bench = Bench(
        resource(
            merger={"batch": 4}, evaluator={"batch": 2}, search={"maxEvaluations": 4, "parallelism": 2, **NO_BASELINES}
        )
    )
    bench.rest()
    assert bench.made(Stage.MERGE, "search") == [("c0001", "c0002", "c0003", "c0004")]
    assert bench.made(Stage.EVALUATE, "search") == [("c0001", "c0002"), ("c0003", "c0004")]


def test_an_evaluator_batch_waits_for_merges_that_are_under_way() -> None:
    bench = Bench(resource(evaluator={"batch": 3}, search={"maxEvaluations": 4, **NO_BASELINES}))
    bench.rest()
    assert bench.made(Stage.EVALUATE, "search") == [("c0001", "c0002", "c0003"), ("c0004",)]


def test_an_evaluator_batch_does_not_wait_for_what_pauses() -> None:
    slow = Failure(reason=Reason.INTERRUPTED, message="evicted", transient=True)
    bench = Bench(resource(evaluator={"batch": 4}, search={"maxEvaluations": 4, **NO_BASELINES}), seconds=1.0)
    bench.faults = faults((Stage.MERGE, "c0002", End(code=0, failure=slow)), times=1)
    bench.rest()
    assert bench.made(Stage.EVALUATE, "search") == [("c0001", "c0003", "c0004"), ("c0002",)]


def test_an_evaluator_batch_does_not_wait_for_what_has_no_room() -> None:
    bench = Bench(
        resource(storage={"maxPending": 2}, evaluator={"batch": 4}, search={"maxEvaluations": 4, **NO_BASELINES})
    )
    bench.rest()
    assert bench.made(Stage.EVALUATE, "search") == [("c0001", "c0002"), ("c0003", "c0004")]


MERGES = {
    "room for one batch": (4, 4, [4, 3, 1]),
    "room for two": (4, 8, [4, 4]),
    "room for one and a half": (4, 6, [4, 4]),
    "batches that do not divide the generation": (3, 6, [3, 3, 2]),
    "batches larger than the room": (8, 2, [2, 1, 1, 1, 1, 1, 1]),
    "no batches": (1, 4, [1] * 8),
}


@pytest.mark.parametrize(("batch", "room", "sizes"), MERGES.values(), ids=MERGES.keys())
def test_a_merger_rather_waits_for_room_than_reads_the_checkpoints_for_a_part_of_a_batch(
    batch: int, room: int, sizes: list[int]
) -> None:
    bench = Bench(
        resource(
            merger={"batch": batch},
            storage={"maxPending": room},
            search={"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 8}}, **NO_BASELINES},
        )
    )
    bench.rest()
    assert [len(ids) for ids in bench.made(Stage.MERGE, "search")] == sizes


def test_a_merger_does_not_wait_for_room_while_an_evaluator_has_nothing_to_do() -> None:
    bench = Bench(
        resource(
            merger={"batch": 4},
            storage={"maxPending": 4},
            search={
                "maxEvaluations": 8,
                "algorithm": {"cmaes": {"populationSize": 8}},
                "parallelism": 4,
                **NO_BASELINES,
            },
        )
    )
    bench.until(lambda _status: len(running(bench, Stage.EVALUATE)) == 4)
    first = next(p for p in bench.processes.values() if p.child.launch.stage is Stage.EVALUATE)
    first.start(bench.world, bench.now)
    bench.finish(first)
    bench.step()
    assert [launch.candidates for launch in running(bench, Stage.MERGE)] == [("c0005",)]


def test_while_a_batch_waits_for_a_merge_a_free_evaluator_takes_other_samples() -> None:
    bench = Bench(resource(evaluator={"batch": 8}, search={"parallelism": 2}))
    bench.until(lambda status: bool(status.baselines))
    assert [launch.split for launch in running(bench, Stage.EVALUATE)] == ["again"]
    assert [launch.candidates for launch in running(bench, Stage.MERGE)] == [("uniform",)]


def test_a_batch_is_of_one_split() -> None:
    bench = Bench(resource(evaluator={"batch": 8}))
    bench.rest()
    assert bench.made(Stage.EVALUATE, "search")[0] == (
        "checkpoint-m-0",
        "checkpoint-m-1",
        "checkpoint-m-2",
        "uniform",
    )
    assert bench.made(Stage.EVALUATE, "again") == [("noise",)]


# --- Order ---


def test_the_baselines_come_first_and_need_no_merge_where_they_are_checkpoints() -> None:
    bench = Bench(resource(search={"parallelism": 8}))
    bench.until(lambda status: bool(status.baselines))
    assert [launch.candidates for launch in running(bench, Stage.EVALUATE)] == [
        ("checkpoint-m-0",),
        ("checkpoint-m-1",),
        ("checkpoint-m-2",),
        ("noise",),
    ]
    assert [launch.candidates for launch in running(bench, Stage.MERGE)] == [("uniform",)]


@pytest.mark.parametrize("parallelism", [1, 2])
def test_a_greedy_soup_is_never_started_before_a_candidate_that_could_start(parallelism: int) -> None:
    bench = Bench(
        resource(4, search={"parallelism": parallelism, "baselines": ["Checkpoints", "Uniform", "MergeBest", "Greedy"]})
    )

    def orderly(_status: object) -> bool:
        fresh = [launch for launch in bench.status.launches if launch.created_at == bench.now]
        for stage in (Stage.MERGE, Stage.EVALUATE):
            kinds = [launch.candidates[0].startswith("greedy") for launch in fresh if launch.stage is stage]
            assert kinds == sorted(kinds), "greedy last"
        return bench.status.completion_time is not None

    bench.until(orderly)
    assert [r.id for r in bench.status.baselines if r.kind is RecordKind.GREEDY] == ["greedy-1", "greedy-2", "greedy-3"]


def test_while_candidates_wait_for_an_evaluator_no_greedy_soup_takes_it() -> None:
    bench = Bench(resource(search={"baselines": ["Checkpoints", "Greedy"]}), seconds=10.0)
    bench.until(lambda status: scored(status, 1))
    order = [ids[0] for ids in bench.made(Stage.EVALUATE, "search") if not ids[0].startswith("checkpoint")]
    soups = [i for i, name in enumerate(order) if name.startswith("greedy")]
    assert all(i == 0 or order[i - 1] == "c0004" or i == len(order) - 1 for i in soups)


# --- GPU-hours ---


@pytest.mark.parametrize(("batch", "hours"), [(1, "0.05"), (8, "0.04")])
def test_a_generation_that_starts_at_once_leaves_the_gpu_hours_of_the_confirmation(batch: int, hours: str) -> None:
    bench = Bench(
        resource(
            merger={"batch": 8},
            evaluator={"batch": batch, **GPU},
            storage={"maxPending": 8},
            search={
                "maxEvaluations": 64,
                "parallelism": 8,
                "maxGpuHours": hours,
                "algorithm": {"cmaes": {"populationSize": 8}},
                "confirm": {"finalists": 3},
                "baselines": ["Uniform"],
            },
        )
    )
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "GpuHoursSpent")
    assert status.cost.gpu_seconds <= 3600 * float(hours)


def test_greedy_soups_end_with_the_gpu_hours_and_the_search_completes_without_them() -> None:
    bench = Bench(
        resource(
            6,
            evaluator=GPU,
            search={
                "maxEvaluations": 4,
                "parallelism": 4,
                "maxGpuHours": "10",
                "baselines": ["Checkpoints", "Greedy"],
                "confirm": {"finalists": 1},
            },
        )
    )
    bench.until(lambda status: status.closed is not None)
    soups = [record for record in bench.status.baselines if record.kind is RecordKind.GREEDY]
    assert len(soups) < 5
    # The winner, the best checkpoint and the soup so far: 10 seconds each, and half an evaluation to spare.
    at_work = sum(len(launch.candidates) for launch in running(bench, Stage.EVALUATE))
    left = bench.status.cost.gpu_seconds + 10 * (at_work + 3) + 5
    bench.edit("search", max_gpu_hours=f"{left / 3600:.6f}")
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert len([record for record in status.baselines if record.kind is RecordKind.GREEDY and record.ended]) < 5


# --- Preflight, suspension, stall ---


def test_stages_without_records_wait_for_the_end_of_their_pause() -> None:
    bench = Bench(resource(), faults=faults((Stage.PREFLIGHT_TASKS, None, End(code=137)), times=1), seconds=1.0)
    bench.until(lambda status: bool(status.stage_failures))
    assert not running(bench, Stage.PREFLIGHT_TASKS)
    assert bench.status.stages_not_before is not None
    bench.now = bench.status.stages_not_before
    bench.step()
    assert running(bench, Stage.PREFLIGHT_TASKS)


def test_launch_numbers_only_grow() -> None:
    bench = Bench(resource(search={"parallelism": 2}))
    bench.rest()
    numbers = [child.launch.number for child in bench.started]
    assert numbers == list(range(1, len(numbers) + 1))
