"""What a search will cost, before it starts and while it runs."""

import functools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.api.status import MergeSearchStatus, Phase, Stage
from mergesearch.lifecycle.forecast import Forecast, forecast, seconds_left
from mergesearch.lifecycle.step import ChildState
from unit.lifecycle.world import Bench, resource, scored

small = st.integers(1, 5)
BASELINES = [
    [],
    ["Uniform"],
    ["Checkpoints", "MergeBest"],
    ["Checkpoints", "Uniform", "MergeBest"],
    ["Checkpoints", "Uniform", "MergeBest", "Greedy"],
]
ALGORITHMS: list[dict[str, Any]] = [
    {"cmaes": {}},
    {"cmaes": {"populationSize": 4}},
    {"cmaes": {"populationSize": 3, "parametrization": "Box"}},
    {"random": {"populationSize": 5}},
    {"preset": "Paper"},
]
specs = st.fixed_dictionaries(
    {
        "checkpoints": st.integers(2, 4),
        "storage": st.fixed_dictionaries({"maxPending": small, "keepBest": small}),
        "merger": st.fixed_dictionaries({"batch": small}),
        "evaluator": st.fixed_dictionaries({"batch": small}),
        "search": st.fixed_dictionaries(
            {
                "maxEvaluations": st.integers(1, 11),
                "parallelism": st.integers(1, 4),
                "baselines": st.sampled_from(BASELINES),
                "algorithm": st.sampled_from(ALGORITHMS),
                "confirm": st.fixed_dictionaries({"finalists": small, "baselines": st.sampled_from(["Best", "All"])}),
            }
        ),
    }
)


@settings(max_examples=100)
@given(parts=specs, newest_only=st.booleans())
def test_no_search_that_goes_well_takes_more_than_was_forecast(parts: dict[str, Any], newest_only: bool) -> None:
    bench = Bench(resource(**parts), newest_only=newest_only)
    expected = forecast(bench.resource.spec, 1000, 10)
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert len(status.baselines) <= expected.baselines
    assert len(status.candidates) <= expected.candidates
    assert len(status.confirmations) <= expected.confirmations
    merges, evaluated = bench.made(Stage.MERGE), bench.made(Stage.EVALUATE)
    assert len(merges) <= expected.merger_processes
    assert len(bench.world.written) <= expected.merges
    assert sum(map(len, evaluated)) <= expected.evaluations
    assert len(bench.started) - len(merges) <= expected.evaluator_processes
    assert expected.bytes_read >= 1000 * len(bench.world.read)
    assert expected.bytes_written >= 10 * len(bench.world.written)
    assert expected.workspace_bytes >= 10 * bench.world.most


@settings(max_examples=100)
@given(parts=specs)
def test_no_search_that_goes_well_takes_longer_than_was_forecast(parts: dict[str, Any]) -> None:
    """Where every merger takes the 10 seconds of reading, and every evaluator those of one evaluation."""
    bench = Bench(resource(**parts))
    expected = forecast(bench.resource.spec, 1000, 0, evaluation_seconds=10, bytes_per_second=100)
    rounds = 0
    while bench.status.completion_time is None:
        bench.step()
        rounds += any(one.child.launch.stage in (Stage.MERGE, Stage.EVALUATE) for one in bench.processes.values())
        bench.work()
    sealed = bench.resource.spec.search.confirm.finalists
    assert expected.seconds is not None
    assert 10 * (rounds - sealed) <= expected.seconds


def plain(*, dearer: float = 1.0, storage: dict[str, int] | None = None, **search: object) -> Forecast:
    what = resource(
        storage=storage or {"maxPending": 8},
        evaluator={"resources": {"limits": {"nvidia.com/gpu": "2"}}},
        search={"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 4}}, "baselines": ["Uniform"], **search},
    )
    return forecast(what.spec, 10**9, 10**8, evaluation_seconds=100, dearer=dearer, bytes_per_second=10**8)


def test_time_and_gpu_hours_follow_from_the_seconds_of_one_evaluation() -> None:
    found = plain()
    merging = (found.bytes_read + found.bytes_written) / 10**8
    assert found.evaluations == 1 + 8 + 3 + 1
    assert found.seconds == pytest.approx(merging + 1300)
    assert found.gpu_hours == pytest.approx(1300 * 2 / 3600)


def test_slices_take_the_gpus_of_each_and_as_much_time_of_the_volumes() -> None:
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    one, four = (
        forecast(resource(merger={"slices": n, **gpu}).spec, 10**9, 10**8, evaluation_seconds=100) for n in (1, 4)
    )
    assert one.gpu_hours is not None
    assert four.gpu_hours == pytest.approx(4 * one.gpu_hours)
    assert (four.seconds, four.bytes_read, four.merger_processes) == (one.seconds, one.bytes_read, one.merger_processes)


def test_more_evaluators_take_less_time_and_as_many_gpu_hours() -> None:
    one, four = plain(), plain(parallelism=4)
    assert one.seconds is not None
    assert four.seconds is not None
    assert four.seconds < one.seconds
    assert four.gpu_hours == one.gpu_hours


def test_one_generation_waits_for_the_other() -> None:
    """Of 8 candidates in two generations 3 at once take twice 2 turns, not 3; beside them come 1 and 4."""
    found = plain(parallelism=3)
    merging = (found.bytes_read + found.bytes_written) / 10**8
    assert found.seconds == pytest.approx(merging + 100 * (1 + 2 + 2 + 2))


def test_a_confirmation_takes_longer_as_it_has_more_samples() -> None:
    one, dear = plain(), plain(dearer=3.0)
    assert one.seconds is not None
    assert one.gpu_hours is not None
    assert dear.seconds == pytest.approx(one.seconds + 4 * 200)
    assert dear.gpu_hours == pytest.approx(one.gpu_hours + 4 * 200 * 2 / 3600)


def test_evaluators_without_room_for_merges_save_no_time() -> None:
    narrow = {"maxPending": 2, "keepBest": 1}
    assert plain(storage=narrow, parallelism=2).seconds == plain(storage=narrow, parallelism=4).seconds


def test_without_the_seconds_of_an_evaluation_nobody_knows_the_time() -> None:
    found = forecast(resource().spec, 10**9, 10**8)
    assert (found.seconds, found.gpu_hours) == (None, None)


@pytest.mark.parametrize("room", [2, 3, 5])
def test_evaluators_that_end_at_once_and_mergers_that_run_in_reverse_do_not_fill_the_workspace(room: int) -> None:
    bench = Bench(
        resource(
            storage={"maxPending": room},
            search={"maxEvaluations": 12, "parallelism": room, "algorithm": {"cmaes": {"populationSize": 6}}},
        )
    )
    while bench.status.completion_time is None:
        bench.step()
        alive = [process for process in bench.processes.values() if process.state is not ChildState.ENDED]
        evaluators = [process for process in alive if process.child.launch.stage is Stage.EVALUATE]
        for process in evaluators or alive[-1:]:
            process.start(bench.world, bench.now)
            bench.now += timedelta(seconds=1)
            bench.finish(process)
    assert 10 * bench.world.most <= forecast(bench.resource.spec, 1000, 10).workspace_bytes


def test_the_workspace_holds_what_is_pending_and_what_stays() -> None:
    what = resource(storage={"maxPending": 5, "keepBest": 4})
    assert forecast(what.spec, 0, 10).workspace_bytes == 90
    single = resource(storage={"maxPending": 1, "keepBest": 4})
    assert forecast(single.spec, 0, 10).workspace_bytes == 60, "a baseline may have to stay beside the one to be scored"
    unmerged = resource(storage={"maxPending": 1, "keepBest": 4}, search={"baselines": ["Checkpoints"]})
    assert forecast(unmerged.spec, 0, 10).workspace_bytes == 50


# --- While it runs ---


def test_before_the_first_evaluation_has_ended_nobody_knows() -> None:
    assert seconds_left(resource().spec, MergeSearchStatus()) is None


def test_the_time_left_is_not_lengthened_by_the_start_of_an_engine() -> None:
    """As after a resume: the first evaluation of a new process takes the start of its engine on top."""
    bench = Bench(resource(search={"maxEvaluations": 12}))
    before = seconds_left(bench.resource.spec, bench.until(functools.partial(scored, number=1)))
    bench.seconds, bench.world.seconds = 310.0, (1.0, 310.0)
    status = bench.until(functools.partial(scored, number=2))
    after = seconds_left(bench.resource.spec, status)
    assert max(record.evaluate_seconds or 0.0 for record in status.candidates) == 310.0
    assert before is not None
    assert after is not None
    assert after < before


def test_the_time_left_falls_to_nothing() -> None:
    bench = Bench(resource(search={"maxEvaluations": 12}))
    left = []
    for number in (1, 5, 9, 12):
        status = bench.until(functools.partial(scored, number=number))
        left.append(seconds_left(bench.resource.spec, status))
    known = [seconds for seconds in left if seconds is not None]
    assert len(known) == 4
    assert known == sorted(known, reverse=True)
    assert seconds_left(bench.resource.spec, bench.rest()) is None
