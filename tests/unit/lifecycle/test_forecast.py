"""What a search will cost, before it starts and while it runs."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.api.status import MergeSearchStatus, Phase, Stage
from mergesearch.lifecycle.forecast import Forecast, forecast, seconds_left
from unit.lifecycle.world import Bench, resource, scored

small = st.integers(1, 5)
BASELINES = [
    [],
    ["Uniform"],
    ["Checkpoints", "Uniform", "MergeBest"],
    ["Checkpoints", "Uniform", "MergeBest", "Greedy"],
]


@settings(max_examples=60)
@given(
    checkpoints=st.integers(2, 4),
    room=small,
    merger=small,
    evaluator=small,
    evaluations=st.integers(1, 11),
    finalists=small,
    everything=st.booleans(),
    baselines=st.sampled_from(BASELINES),
)
def test_no_search_that_goes_well_takes_more_than_was_forecast(
    checkpoints: int,
    room: int,
    merger: int,
    evaluator: int,
    evaluations: int,
    finalists: int,
    everything: bool,
    baselines: list[str],
) -> None:
    bench = Bench(
        resource(
            checkpoints,
            storage={"maxPending": room},
            merger={"batch": merger},
            evaluator={"batch": evaluator},
            search={
                "maxEvaluations": evaluations,
                "algorithm": {"cmaes": {"populationSize": 4}},
                "baselines": baselines,
                "confirm": {"finalists": finalists, "baselines": "All" if everything else "Best"},
            },
        )
    )
    expected = forecast(bench.resource.spec, 1000, 10)
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert len(status.baselines) <= expected.baselines
    assert len(status.candidates) == expected.candidates
    assert len(status.confirmations) <= expected.confirmations
    merges, evaluated = bench.made(Stage.MERGE), bench.made(Stage.EVALUATE)
    assert len(merges) <= expected.merger_processes
    assert len(bench.world.written) <= expected.merges
    assert sum(map(len, evaluated)) <= expected.evaluations
    assert len(bench.started) - len(merges) <= expected.evaluator_processes
    assert expected.bytes_read >= 1000 * len(bench.world.read)
    assert expected.bytes_written >= 10 * len(bench.world.written)


def plain(**search: object) -> Forecast:
    what = resource(
        evaluator={"resources": {"limits": {"nvidia.com/gpu": "2"}}},
        search={"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 4}}, "baselines": ["Uniform"], **search},
    )
    return forecast(what.spec, 10**9, 10**8, evaluation_seconds=100, bytes_per_second=10**8)


def test_time_and_gpu_hours_follow_from_the_seconds_of_one_evaluation() -> None:
    found = plain()
    merging = (found.bytes_read + found.bytes_written) / 10**8
    assert found.evaluations == 1 + 8 + 3 + 1
    assert found.seconds == pytest.approx(merging + 1300)
    assert found.gpu_hours == pytest.approx(1300 * 2 / 3600)


def test_more_evaluators_take_less_time_and_as_many_gpu_hours() -> None:
    one, four = plain(), plain(parallelism=4)
    assert one.seconds is not None
    assert four.seconds is not None
    assert four.seconds < one.seconds
    assert four.gpu_hours == one.gpu_hours


def test_without_the_seconds_of_an_evaluation_nobody_knows_the_time() -> None:
    found = forecast(resource().spec, 10**9, 10**8)
    assert (found.seconds, found.gpu_hours) == (None, None)


def test_the_workspace_holds_what_is_pending_and_what_stays() -> None:
    what = resource(storage={"maxPending": 5, "keepBest": 4})
    assert forecast(what.spec, 0, 10).workspace_bytes == 90


# --- While it runs ---


def test_before_the_first_evaluation_has_ended_nobody_knows() -> None:
    assert seconds_left(resource().spec, MergeSearchStatus()) is None


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
