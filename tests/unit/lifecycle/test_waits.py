"""What does not start for its image, its volumes or its configuration stalls the search and is charged to nobody."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mergesearch.api.status import Phase, RecordState, Stage
from mergesearch.contract import Failure
from mergesearch.lifecycle import waits
from mergesearch.lifecycle.step import ChildState, Observed, Waiting
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, faults, resource, scored

BROKEN = Waiting(Reason.IMAGE_UNAVAILABLE, "the image x cannot be pulled", overdue=True)
DEADLINE = timedelta(seconds=1800)


def stuck(bench: Bench, stage: Stage, waiting: Waiting = BROKEN) -> Observed:
    """What is there, where pods of a stage do not start."""
    numbers = {launch.number for launch in bench.status.launches if launch.stage is stage}
    return Observed(
        tuple(
            replace(child, waiting=waiting) if child.launch in numbers and child.state is ChildState.PENDING else child
            for child in bench.observe().children
        )
    )


def step(bench: Bench, stage: Stage, waiting: Waiting = BROKEN) -> None:
    bench.status = bench.decide(stuck(bench, stage, waiting))
    bench.act()


def evaluating(parallelism: int = 2) -> Bench:
    """A search in the middle, whose next evaluators are there and have not started."""
    bench = Bench(resource(search={"parallelism": parallelism}, evaluator={"retries": 0}))
    bench.until(lambda status: scored(status, 5) and any(r.state is RecordState.EVALUATING for r in status.candidates))
    return bench


@pytest.mark.parametrize("reason", waits.REASONS)
def test_what_does_not_start_stalls_with_its_reason_and_what_to_do(reason: Reason) -> None:
    bench = evaluating()
    step(bench, Stage.EVALUATE, Waiting(reason, "not started after pendingDeadlineSeconds = 9: words", overdue=True))
    assert bench.condition("Stalled") == ("True", str(reason))
    assert bench.status.stalled is not None
    assert bench.status.stalled.message == (
        "Evaluate: not started after pendingDeadlineSeconds = 9: words; it starts by itself once that is mended; a new "
        "value of spec.retry makes another pod at once"
    )
    assert bench.status.phase is Phase.STALLED


def test_a_long_outage_of_the_registry_fails_no_candidate_and_ends_by_itself() -> None:
    bench, undisturbed = evaluating(), evaluating()
    before, made = bench.status, len(bench.started)
    for _ in range(20):
        step(bench, Stage.EVALUATE)
        bench.now += DEADLINE
    assert bench.status.candidates == before.candidates, "nothing is charged, and the same processes are waited for"
    assert bench.status.launches == before.launches
    assert len(bench.started) == made
    bench.step()
    assert bench.condition("Stalled")[0] == "False"
    end = bench.rest()
    assert end.phase is Phase.COMPLETE
    calm = undisturbed.rest()
    assert [(r.x, r.scores, r.attempt) for r in end.candidates] == [(r.x, r.scores, r.attempt) for r in calm.candidates]


def test_nothing_more_starts_while_others_finish() -> None:
    bench = evaluating()
    first, *_ = (p for p in bench.processes.values() if p.child.launch.stage is Stage.EVALUATE)
    made = len(bench.started)
    step(bench, Stage.EVALUATE)
    first.start(bench.world, bench.now)
    bench.finish(first)
    step(bench, Stage.EVALUATE)
    assert bench.record(first.child.launch.candidates[0]).state is RecordState.SCORED
    assert len(bench.started) == made
    assert bench.condition("Stalled") == ("True", "ImageUnavailable")


def test_a_retry_makes_another_process_of_the_same_candidate_and_ends_the_one_that_waits() -> None:
    bench = evaluating(parallelism=1)
    (old,) = (launch for launch in bench.status.launches if launch.stage is Stage.EVALUATE)
    step(bench, Stage.EVALUATE)
    bench.retry()
    step(bench, Stage.EVALUATE)
    assert bench.condition("Stalled")[0] == "False"
    assert old.number not in bench.processes
    record = bench.record(old.candidates[0])
    assert (record.charged, record.disruptions, record.reason) == (0, 0, None)
    assert bench.rest().phase is Phase.COMPLETE


def test_a_retry_leaves_alone_what_runs_and_what_only_queues() -> None:
    bench = evaluating()
    before = {launch.number for launch in bench.status.launches}
    bench.retry()
    step(bench, Stage.EVALUATE, Waiting(Reason.QUEUED, "1 Insufficient nvidia.com/gpu"))
    assert before <= {launch.number for launch in bench.status.launches}


def test_the_wait_that_was_told_first_stays_as_it_was_told() -> None:
    bench = evaluating()
    step(bench, Stage.EVALUATE)
    before = bench.status
    step(bench, Stage.EVALUATE, Waiting(Reason.POD_NOT_STARTED, "other words", overdue=True))
    assert bench.status is before


def test_a_stall_for_something_else_is_not_ended_by_what_starts() -> None:
    bench = Bench(resource(), faults=faults((Stage.EVALUATE, None, End(code=64, reason=Reason.ENGINE_REFUSED))))
    bench.rest()
    bench.step()
    assert bench.condition("Stalled") == ("True", "EngineRefused")


def test_a_suspension_gives_back_the_place_of_what_waits() -> None:
    bench = evaluating()
    step(bench, Stage.EVALUATE)
    bench.edit(suspend=True, suspend_policy="Now")
    step(bench, Stage.EVALUATE)
    assert bench.status.launches == ()
    assert bench.condition("Stalled")[0] == "False"


# --- Stages without records ---

HALVES = (Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS)


@pytest.mark.parametrize("stage", HALVES)
def test_a_preflight_whose_image_is_mended_goes_on(stage: Stage) -> None:
    bench = Bench(resource())
    bench.step()
    step(bench, stage)
    assert bench.condition("Stalled") == ("True", "ImageUnavailable")
    assert bench.status.stage_failures == {}
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(stage)) == 1


@pytest.mark.parametrize("wait_first", [True, False], ids=["wait first", "problem first"])
def test_the_problems_of_one_half_and_the_wait_of_the_other_are_both_told(wait_first: bool) -> None:
    bench = Bench(resource())
    bench.step()
    if wait_first:
        step(bench, Stage.PREFLIGHT_TASKS)
    (process,) = (p for p in bench.processes.values() if p.child.launch.stage is Stage.PREFLIGHT_CHECKPOINTS)
    process.start(bench.world, bench.now)
    bench.finish(process, End(code=0, failure=Failure(reason=Reason.CHECKPOINT_MISSING, message="m-1: no folder")))
    step(bench, Stage.PREFLIGHT_TASKS)
    told = bench.status
    step(bench, Stage.PREFLIGHT_TASKS)
    assert bench.status is told, "each is told once"
    assert told.stalled is not None
    assert sorted(line.split(":")[0] for line in told.stalled.message.splitlines()) == [
        "CheckpointMissing",
        "ImageUnavailable",
    ]
    bench.step()
    assert bench.condition("Stalled") == ("True", "PreflightFailed"), "the checkpoint is missing still"


def test_a_half_that_fails_in_passing_is_tried_again_once_the_other_has_started() -> None:
    bench = Bench(resource())
    bench.step()
    step(bench, Stage.PREFLIGHT_TASKS)
    (process,) = (p for p in bench.processes.values() if p.child.launch.stage is Stage.PREFLIGHT_CHECKPOINTS)
    process.start(bench.world, bench.now)
    bench.finish(process, End(code=137))
    step(bench, Stage.PREFLIGHT_TASKS)
    assert bench.condition("Stalled") == ("True", "ImageUnavailable")
    assert bench.rest().phase is Phase.COMPLETE


def test_a_cleanup_that_does_not_start_keeps_no_search_from_its_end() -> None:
    bench = Bench(resource())

    def cleaning() -> bool:
        return any(launch.stage is Stage.CLEANUP for launch in bench.status.launches)

    bench.until(lambda _status: cleaning())
    for _ in range(3):
        step(bench, Stage.CLEANUP)
        bench.now = bench.status.stages_not_before or bench.now
        bench.step()
    assert bench.status.phase is Phase.COMPLETE
    assert bench.status.stalled is None
