"""What stalls a search, and the way out of it."""

import pytest

from mergesearch.api.status import Phase, RecordState, Stage
from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, faults, resource

NAN = End(code=65, failure=Failure(reason=Reason.NON_FINITE_SCORE, message="a is NaN"))
CRASH = End(code=137, message="killed")
CRASH_FOR_GOOD = (NAN, End(code=65, failure=Failure(reason=Reason.METRIC_MISSING, message="no acc")))


def failing(*names: str, end: End = NAN) -> Bench:
    bench = Bench(resource())
    bench.faults = faults(*((Stage.EVALUATE, name, end) for name in names))
    return bench


def test_a_baseline_that_fails_for_good_stalls_the_search_before_it_begins() -> None:
    bench = failing("uniform")
    status = bench.rest()
    assert status.phase is Phase.STALLED
    assert bench.condition("Stalled") == ("True", "BaselinesFailed")
    assert status.stalled is not None
    assert status.stalled.message.startswith("1 baseline failed with ")
    assert "; uniform " in status.stalled.message
    assert not status.candidates


def test_a_generation_of_which_most_has_failed_is_not_told_and_stalls() -> None:
    bench = failing("c0001", "c0003", "c0004", end=NAN)
    status = bench.rest()
    assert bench.condition("Stalled")[0] == "True"
    assert len(status.candidates) == 4, "the next generation is not asked for"
    assert status.stalled is not None
    assert status.stalled.message.startswith("3 of the 4 candidates of generation 1 failed, 3 of them with ")


def test_the_same_reason_three_times_in_a_row_stalls() -> None:
    bench = Bench(resource(search={"maxEvaluations": 20, "algorithm": {"cmaes": {"populationSize": 8}}}))
    bench.faults = faults(*((Stage.EVALUATE, name, NAN) for name in ("c0002", "c0003", "c0004")))
    bench.rest()
    assert bench.condition("Stalled") == ("True", "RepeatedFailure")


def test_more_failures_than_allowed_stall() -> None:
    bench = Bench(resource(search={"maxEvaluations": 20, "maxFailures": 1}))
    bench.faults = faults((Stage.EVALUATE, "c0002", NAN), (Stage.EVALUATE, "c0004", NAN))
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", "TooManyFailures")
    assert status.stalled is not None
    assert "maxFailures is 1" in status.stalled.message


def test_single_failures_are_told_as_the_worst_and_the_search_completes() -> None:
    bench = failing("c0002", "c0006")
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    failed = [record for record in status.candidates if record.state is RecordState.FAILED]
    assert [(record.id, record.fitness, record.reason) for record in failed] == [
        ("c0002", None, Reason.NON_FINITE_SCORE),
        ("c0006", None, Reason.NON_FINITE_SCORE),
    ]


@pytest.mark.parametrize("name", ["uniform", "c0001"], ids=["a baseline", "a candidate"])
def test_a_new_retry_gives_what_has_failed_a_new_chance_with_the_same_weights(name: str) -> None:
    bench = Bench(resource(search={"maxFailures": 0}))
    bench.faults = faults((Stage.EVALUATE, name, NAN))
    stalled = bench.rest()
    assert stalled.phase is Phase.STALLED
    before = bench.record(name)
    bench.faults = lambda _child: None
    assert bench.rest().phase is Phase.STALLED, "nothing goes on by itself"
    bench.retry()
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    after = bench.record(name)
    assert (after.x, after.members) == (before.x, before.members)
    assert after.attempt > before.attempt
    assert len(bench.made(Stage.PREFLIGHT_CHECKPOINTS)) == 2, "the preflight runs again"


def test_a_confirmation_that_fails_for_good_stalls() -> None:
    bench = Bench(resource())
    done: list[str] = []

    def fail_unseen(child: object) -> End | None:
        launch = child.launch  # type: ignore[attr-defined]
        if launch.stage is Stage.EVALUATE and launch.split == "unseen":
            done.append(launch.candidates[0])
            return NAN
        return None

    bench.faults = fail_unseen
    bench.rest()
    assert bench.condition("Stalled") == ("True", "ConfirmationFailed")
    assert done


@pytest.mark.parametrize(
    ("stage", "end", "reason"),
    [
        (Stage.PREFLIGHT_TASKS, End(code=64, reason=Reason.TASK_UNKNOWN, message="no task a"), "TaskUnknown"),
        (Stage.PREFLIGHT_CHECKPOINTS, End(code=1), "PreflightFailed"),
        (Stage.MERGE, End(code=64, reason=Reason.CHECKPOINT_CHANGED, message="m-1"), "CheckpointChanged"),
        (Stage.EVALUATE, End(code=64, reason=Reason.TASKS_CHANGED, message="a"), "TasksChanged"),
        (Stage.MERGE, End(code=66, reason=Reason.NO_SPACE, message="1 byte free"), "StorageFull"),
        (Stage.COMPARE, End(code=1), "ComparisonFailed"),
        (Stage.EVALUATE, End(code=1, disrupted=True), "DisruptedTooOften"),
    ],
    ids=["unknown task", "preflight dies", "changed checkpoint", "changed task", "full", "compare dies", "disrupted"],
)
def test_what_a_person_has_to_mend_stalls_with_its_reason_and_retry_completes(
    stage: Stage, end: End, reason: str
) -> None:
    bench = Bench(resource())
    bench.faults = faults((stage, None, end))
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", reason)
    assert status.completion_time is None
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


def test_a_failed_cleanup_stalls_nothing() -> None:
    bench = Bench(resource())
    bench.faults = faults((Stage.CLEANUP, None, End(code=1)))
    assert bench.rest().phase is Phase.COMPLETE


def test_failures_for_different_reasons_in_a_row_are_no_pattern() -> None:
    ends = [
        End(code=65, failure=Failure(reason=reason, message="broken"))
        for reason in (Reason.NON_FINITE_SCORE, Reason.NON_FINITE_WEIGHTS, Reason.METRIC_MISSING)
    ]
    bench = Bench(resource(search={"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 8}}}))
    bench.faults = faults(*((Stage.EVALUATE, f"c000{n}", end) for n, end in enumerate(ends, start=2)))
    assert bench.rest().phase is Phase.COMPLETE


def test_a_generation_that_the_budget_has_cut_stalls_nothing_where_others_were_scored() -> None:
    """Its last member has failed, which is all of it; it would not be told anyway."""
    bench = Bench(resource(search={"maxEvaluations": 5}))
    bench.faults = faults((Stage.EVALUATE, "c0005", NAN))
    assert bench.rest().phase is Phase.COMPLETE


def test_a_cut_generation_that_has_mostly_failed_is_not_completed_but_stalls() -> None:
    bench = Bench(resource(search={"maxEvaluations": 7, "parallelism": 4}))
    bench.faults = faults(*((Stage.EVALUATE, f"c000{n}", CRASH_FOR_GOOD[n % 2]) for n in (5, 6, 7)))
    assert bench.rest().phase is Phase.COMPLETE
    bench.edit("search", max_evaluations=8)
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", "GenerationFailed")
    assert len(status.candidates) == 7, "the missing member is not asked for"
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.status.candidates) == 8


def test_a_closed_search_stalls_for_no_generation() -> None:
    bench = Bench(resource(search={"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 8}}}))
    bench.until(lambda status: sum(record.ended for record in status.candidates) == 1)
    bench.edit("search", max_duration="1s")
    bench.faults = faults((Stage.EVALUATE, "c0002", NAN))
    assert bench.rest().phase is Phase.COMPLETE


def test_the_message_names_the_commonest_reason_and_an_example() -> None:
    bench = Bench(resource(search={"maxEvaluations": 20, "maxFailures": 1, "parallelism": 4}))
    bench.faults = faults((Stage.EVALUATE, "c0002", NAN), (Stage.EVALUATE, "c0003", NAN))
    status = bench.rest()
    assert status.stalled is not None
    assert status.stalled.message == (
        "2 candidates failed, 2 of them with NonFiniteScore; c0002: a is NaN; search.maxFailures is 1"
    )


def test_a_larger_limit_and_another_try_end_a_stall_for_too_many_failures() -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, "maxFailures": 0}))
    bench.faults = faults((Stage.EVALUATE, "c0002", NAN))
    bench.until(lambda status: status.stalled is not None)
    bench.edit("search", max_failures=1)
    bench.rest()
    assert bench.condition("Stalled")[0] == "True", "nothing goes on by itself"
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE
