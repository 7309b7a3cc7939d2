"""How a search ends: with a winner and nothing left to remove, or with nothing confirmed."""

from datetime import timedelta

import pytest

from mergesearch.api.status import Phase, RecordState, Stage
from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, faults, resource, scored

GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}


def test_a_search_is_complete_when_the_winner_is_decided_and_the_rest_removed() -> None:
    bench = Bench(resource())
    bench.until(lambda status: status.confirmed is not None)
    assert bench.status.completion_time is None
    assert [launch.stage for launch in bench.status.launches] == [Stage.CLEANUP]
    status = bench.rest()
    assert status.completion_time is not None
    assert bench.condition("Ready") == ("True", "NoGain")
    assert bench.condition("Complete") == ("True", "BudgetSpent")


def test_a_cleanup_is_tried_three_times() -> None:
    bench = Bench(resource(), faults=faults((Stage.CLEANUP, None, End(code=1))))
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(Stage.CLEANUP)) == 3


def test_there_is_no_cleanup_where_nothing_is_to_be_removed() -> None:
    bench = Bench(resource(storage={"keepBest": 16}, search={"maxEvaluations": 4, "baselines": []}))
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.made(Stage.CLEANUP) == []


def test_a_stall_that_comes_with_the_last_word_is_over_with_it() -> None:
    """The winner is decided: nobody has to mend anything any more."""
    bench = Bench(resource(storage={"keepBest": 16}, search={"maxEvaluations": 8, "baselines": []}))
    bench.faults = faults((Stage.EVALUATE, "c0002", End(code=65)))
    bench.until(lambda status: any(launch.stage is Stage.COMPARE for launch in status.launches))
    removable = [record.id for record in bench.status.candidates if record.merged and record.id == "c0002"]
    assert removable == [], "nothing is left to be removed"
    bench.edit("search", max_failures=0)
    bench.step()
    assert bench.condition("Stalled") == ("True", "TooManyFailures")
    bench.work()
    bench.step()
    assert bench.status.phase is Phase.COMPLETE
    assert bench.condition("Stalled")[0] == "False"


# --- Nothing confirmed ---


def test_a_search_that_ends_before_anything_is_scored_has_failed_and_ends_what_runs() -> None:
    bench = Bench(resource(search={"maxDuration": "15s", "parallelism": 2}), seconds=10.0)
    status = bench.until(lambda status: status.completion_time is not None)
    assert status.phase is Phase.FAILED
    assert status.launches == ()
    assert bench.condition("Failed") == ("True", "BudgetSpentUnconfirmed")
    assert bench.condition("Reconciling") == ("False", "BudgetSpentUnconfirmed")
    assert not any(r.state in (RecordState.MERGING, RecordState.EVALUATING) for r in status.baselines)


def test_what_a_failed_search_ends_is_paid_for() -> None:
    bench = Bench(resource(evaluator=GPU, search={"maxDuration": "1m", "parallelism": 4}))
    bench.until(lambda status: any(launch.stage is Stage.EVALUATE for launch in status.launches))
    evaluators = sum(launch.stage is Stage.EVALUATE for launch in bench.status.launches)
    for process in bench.processes.values():
        process.start(bench.world, bench.now)
    bench.step()
    before = bench.status.cost.gpu_seconds
    bench.now += timedelta(minutes=5)
    bench.step()
    assert bench.status.phase is Phase.FAILED
    assert bench.status.cost.gpu_seconds - before == 300 * evaluators


def test_a_failed_search_sees_no_edits() -> None:
    bench = Bench(resource(search={"maxDuration": "15s"}))
    bench.rest()
    assert bench.status.phase is Phase.FAILED
    bench.edit("search", max_duration="10h")
    bench.retry()
    assert bench.step() is False


def test_a_stalled_search_does_not_fail_for_having_nothing() -> None:
    """All candidates have failed and the budget is spent, but a person can mend that."""
    bench = Bench(resource(search={"maxEvaluations": 2}))
    bench.faults = faults((Stage.EVALUATE, "c0001", End(code=65)), (Stage.EVALUATE, "c0002", End(code=65)))
    bench.rest()
    assert bench.condition("Stalled") == ("True", "GenerationFailed")
    assert bench.condition("Failed")[0] == "False"
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


def test_a_confirmation_that_costs_more_than_expected_fails_the_search() -> None:
    bench = Bench(resource(evaluator=GPU, search={"maxEvaluations": 8, "maxGpuHours": "0.08"}))
    bench.until(lambda status: bool(status.confirmations))
    bench.seconds = 60.0
    status = bench.rest()
    assert status.phase is Phase.FAILED
    assert status.failed is not None
    assert "nothing could be confirmed within the budget" in status.failed.message
    assert status.cost.gpu_seconds <= 0.08 * 3600 + 60


def second_round() -> Bench:
    """Complete once and opened again; then there are no GPU-hours left for a second confirmation."""
    bench = Bench(resource(evaluator=GPU, search={"maxEvaluations": 4, "maxGpuHours": "10", "baselines": ["Uniform"]}))
    bench.rest()
    bench.world.landscape = lambda weights, _task, _split: 0.95 + 0.01 * weights[0]
    bench.edit("search", max_evaluations=8)
    bench.until(lambda status: scored(status, 8))
    bench.edit("search", max_gpu_hours="0.01")
    return bench


def test_a_second_confirmation_that_nobody_can_pay_leaves_the_first() -> None:
    bench = second_round()
    first = bench.status.confirmed
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert status.confirmed == first
    assert any(not record.ended for record in status.confirmations)
    assert first is not None
    assert set(bench.world.merges) == {first.id}, "the weights of what was not confirmed are removed as ever"


def test_it_is_made_up_for_when_there_are_gpu_hours_again() -> None:
    bench = second_round()
    first = bench.rest().confirmed
    bench.edit("search", max_gpu_hours="10")
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert status.rounds == 2
    assert status.confirmed != first
    assert all(record.ended for record in status.confirmations)


# --- The comparison ---


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (End(code=64, reason=Reason.MALFORMED_REQUEST), "MalformedRequest"),
        (End(code=1), "ComparisonFailed"),
    ],
    ids=["refused", "dies"],
)
def test_a_comparison_that_cannot_be_done_stalls_and_another_try_completes(end: End, reason: str) -> None:
    bench = Bench(resource(), faults=faults((Stage.COMPARE, None, end)))
    bench.rest()
    assert bench.condition("Stalled") == ("True", reason)
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


LOST = Failure(reason=Reason.SAMPLES_LOST, message="c0001: report.json cannot be read", transient=True)


def test_lost_samples_are_scored_again() -> None:
    bench = Bench(resource(), faults=faults((Stage.COMPARE, None, End(code=0, failure=LOST)), times=1))
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert {record.attempt for record in status.confirmations} == {2}
    assert len(bench.made(Stage.COMPARE)) == 2


def test_samples_that_are_lost_again_and_again_stall() -> None:
    bench = Bench(resource(), faults=faults((Stage.COMPARE, None, End(code=0, failure=LOST))))
    bench.rest()
    assert bench.condition("Stalled") == ("True", "ComparisonFailed")
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


def test_the_gains_are_the_winners() -> None:
    bench = Bench(resource())
    status = bench.rest()
    assert status.confirmed is not None
    assert [(g.baseline, g.gain, g.low, g.high, g.p) for g in status.confirmed.gains] == [
        ("checkpoint-m-0", 0.01, 0.0, 0.02, 0.05),
        ("uniform", 0.01, 0.0, 0.02, 0.05),
        ("merge-best", 0.01, 0.0, 0.02, 0.05),
    ]
    assert status.confirmed.path == f"abcdef-1/merges/{status.confirmed.id}"
