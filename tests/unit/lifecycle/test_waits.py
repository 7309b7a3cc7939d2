"""What does not start for its image, its volumes or its configuration stalls the search and is charged to nobody."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mergesearch.api.status import Phase, RecordState, Stage
from mergesearch.contract import Failure
from mergesearch.lifecycle import children, retries, stages
from mergesearch.lifecycle.step import WAITS, ChildState, Observed, ObservedChild, Run, Waiting
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, Process, faults, resource, scored

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


def processes(bench: Bench, stage: Stage) -> list[Process]:
    return [process for process in bench.processes.values() if process.child.launch.stage is stage]


def evaluating(parallelism: int = 2) -> Bench:
    """A search in the middle, whose next evaluators are there and have not started."""
    bench = Bench(resource(search={"parallelism": parallelism}, evaluator={"retries": 0}))
    bench.until(lambda status: scored(status, 5) and any(r.state is RecordState.EVALUATING for r in status.candidates))
    return bench


def name(bench: Bench, stage: Stage) -> str:
    """Of the first Job of a stage."""
    launch = next(launch for launch in bench.status.launches if launch.stage is stage)
    return children.name(bench.resource, launch)


@pytest.mark.parametrize("reason", WAITS)
def test_what_does_not_start_stalls_with_its_reason_and_what_to_do(reason: Reason) -> None:
    bench = evaluating()
    step(bench, Stage.EVALUATE, Waiting(reason, "not started after pendingDeadlineSeconds = 9: words", overdue=True))
    assert bench.condition("Stalled") == ("True", str(reason))
    assert bench.status.stalled is not None
    assert bench.status.stalled.message == (
        f"Evaluate: Job {name(bench, Stage.EVALUATE)}: not started after pendingDeadlineSeconds = 9: words; it starts "
        "by itself once that is mended; a new value of spec.retry makes another pod at once"
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


@pytest.mark.parametrize("reason", [Reason.QUEUED, Reason.FORBIDDEN])
def test_a_retry_leaves_alone_what_runs_and_what_only_queues_or_is_forbidden(reason: Reason) -> None:
    bench = evaluating()
    before = {launch.number for launch in bench.status.launches}
    bench.retry()
    step(bench, Stage.EVALUATE, Waiting(reason, "1 Insufficient nvidia.com/gpu"))
    assert before <= {launch.number for launch in bench.status.launches}


@pytest.mark.parametrize("reason", WAITS)
def test_a_retry_makes_another_process_also_before_the_deadline(reason: Reason) -> None:
    bench = evaluating(parallelism=1)
    (old,) = (launch for launch in bench.status.launches if launch.stage is Stage.EVALUATE)
    early = Waiting(reason, "words")
    step(bench, Stage.EVALUATE, early)
    assert old in bench.status.launches
    bench.retry()
    step(bench, Stage.EVALUATE, early)
    assert old.number not in bench.processes
    record = bench.record(old.candidates[0])
    assert (record.charged, record.disruptions, record.reason) == (0, 0, None)
    assert bench.rest().phase is Phase.COMPLETE


# --- One of many ---


def test_one_that_does_not_start_while_another_of_its_stage_runs_is_made_anew_and_stops_nothing() -> None:
    bench = evaluating()
    bad, good = processes(bench, Stage.EVALUATE)
    good.start(bench.world, bench.now)
    step(bench, Stage.EVALUATE)
    assert bench.condition("Stalled")[0] == "False"
    assert bad.child.launch.number not in bench.processes
    record = bench.record(bad.child.launch.candidates[0])
    assert (record.charged, record.disruptions, record.reason) == (0, 1, Reason.DISRUPTED)
    assert record.message == BROKEN.message
    assert record.not_before == bench.now + retries.pause(1)
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.record(record.id).state is RecordState.SCORED


@pytest.mark.parametrize("state", [ChildState.RUNNING, ChildState.PENDING], ids=["runs", "has done its part"])
def test_one_that_does_not_start_while_another_process_of_its_own_does_is_made_anew(state: ChildState) -> None:
    bench = Bench(resource(merger={"slices": 2}))
    bench.until(lambda status: any(launch.stage is Stage.MERGE for launch in status.launches))
    (bad,) = processes(bench, Stage.MERGE)
    others = tuple(child for child in bench.observe().children if child.launch != bad.child.launch.number)
    part = ObservedChild(launch=bad.child.launch.number, state=state, waiting=BROKEN, runs=(Run(bench.now),))
    bench.status = bench.decide(Observed((*others, part)))
    bench.act()
    assert bench.condition("Stalled")[0] == "False"
    record = bench.record(bad.child.launch.candidates[0])
    assert (record.charged, record.disruptions, record.message) == (0, 1, BROKEN.message)
    assert bench.rest().phase is Phase.COMPLETE


def test_where_none_of_a_stage_runs_the_search_stalls_until_one_does() -> None:
    bench = evaluating()
    good, bad = processes(bench, Stage.EVALUATE)
    step(bench, Stage.EVALUATE)
    assert bench.condition("Stalled") == ("True", "ImageUnavailable")
    good.start(bench.world, bench.now)
    step(bench, Stage.EVALUATE)
    assert bench.condition("Stalled")[0] == "False"
    assert bench.record(bad.child.launch.candidates[0]).disruptions == 1


@pytest.mark.parametrize("stage", [Stage.EVALUATE, Stage.MERGE])
def test_the_last_of_a_generation_is_made_anew_since_the_others_came_through_while_it_waited(stage: Stage) -> None:
    """Nothing else of its stage is left to run: the generation waits for it alone."""
    bench = Bench(resource(search={"parallelism": 2}))
    bench.until(lambda status: scored(status, 1) and any(launch.stage is stage for launch in status.launches))
    bad = processes(bench, stage)[0].child.launch
    for _ in range(100):
        others = [process for number, process in bench.processes.items() if number != bad.number]
        if not others:
            break
        bench.now += timedelta(seconds=10)
        for process in others:
            process.start(bench.world, bench.now)
            bench.finish(process)
        bench.step()
    assert list(bench.processes) == [bad.number]
    bench.now += DEADLINE
    step(bench, stage)
    assert bench.condition("Stalled")[0] == "False"
    record = bench.record(bad.candidates[0])
    assert (record.charged, record.disruptions, record.message) == (0, 1, BROKEN.message)
    bench.now = record.not_before or bench.now
    bench.step()
    bench.now += DEADLINE
    step(bench, stage)
    assert bench.condition("Stalled") == ("True", "ImageUnavailable"), "nothing has come through since it was made anew"
    assert bench.rest().phase is Phase.COMPLETE


def test_what_runs_of_another_stage_says_nothing_of_this_one() -> None:
    bench = Bench(resource())
    bench.step()
    (other,) = processes(bench, Stage.PREFLIGHT_CHECKPOINTS)
    other.start(bench.world, bench.now)
    step(bench, Stage.PREFLIGHT_TASKS)
    assert bench.condition("Stalled") == ("True", "ImageUnavailable")


def test_one_that_never_starts_beside_others_that_do_comes_to_the_cap_in_its_words() -> None:
    """As with an image that only the nodes of the others still have."""
    bench = evaluating()
    bad, good = processes(bench, Stage.EVALUATE)
    lost = bad.child.launch.candidates
    good.start(bench.world, bench.now)
    for _ in range(50):
        if bench.status.stalled is not None:
            break
        step(bench, Stage.EVALUATE)
        bench.now += DEADLINE
    assert bench.status.stalled is not None
    assert bench.status.stalled.reason is Reason.DISRUPTED_TOO_OFTEN
    assert BROKEN.message in bench.status.stalled.message
    assert bench.made(Stage.EVALUATE).count(lost) == retries.MAX_DISRUPTIONS + 1


# --- Words ---


def test_when_the_wait_that_is_told_is_over_the_one_that_lasts_is_told() -> None:
    bench = Bench(resource())
    bench.step()
    step(bench, Stage.PREFLIGHT_CHECKPOINTS)
    assert bench.condition("Stalled") == ("True", "ImageUnavailable")
    first = bench.status.stalled
    processes(bench, Stage.PREFLIGHT_CHECKPOINTS)[0].start(bench.world, bench.now)
    step(bench, Stage.PREFLIGHT_TASKS, Waiting(Reason.VOLUME_UNAVAILABLE, "no claim", overdue=True))
    told = bench.status.stalled
    assert first is not None
    assert told is not None
    assert told.reason is Reason.VOLUME_UNAVAILABLE
    assert told.message.startswith(f"PreflightTasks: Job {name(bench, Stage.PREFLIGHT_TASKS)}: no claim")
    assert "PreflightCheckpoints" not in told.message


def test_where_both_halves_of_the_preflight_wait_both_are_told_for_as_long_as_they_do() -> None:
    bench = Bench(resource())
    bench.step()
    image, claim = (launch.number for launch in bench.status.launches)
    words = {image: BROKEN, claim: Waiting(Reason.VOLUME_UNAVAILABLE, "no claim:\n  w", overdue=True)}

    def told(*which: int) -> list[str]:
        found = (replace(c, waiting=words[c.launch]) if c.launch in which else c for c in bench.observe().children)
        bench.status = bench.decide(Observed(tuple(found)))
        assert bench.status.stalled is not None
        return [str(bench.status.stalled.reason), *(line[:40] for line in bench.status.stalled.message.splitlines())]

    tasks = "PreflightTasks: Job soup-abcde-00002-p: "
    checkpoints = "PreflightCheckpoints: Job soup-abcde-000"
    assert told(claim) == ["VolumeUnavailable", tasks]
    assert told(image, claim) == ["VolumeUnavailable", tasks, checkpoints], "the first stays the first"
    assert told(image) == ["ImageUnavailable", checkpoints]


def test_the_wait_that_was_told_first_stays_as_it_was_told() -> None:
    bench = evaluating()
    step(bench, Stage.EVALUATE)
    before = bench.status
    step(bench, Stage.EVALUATE, Waiting(Reason.POD_NOT_STARTED, "other words", overdue=True))
    assert bench.status is before


def test_a_stall_stands_while_its_child_waits_for_the_same_though_its_time_is_counted_anew() -> None:
    """As when a node joins, and the scheduler says again that a claim is missing."""
    bench = evaluating()
    step(bench, Stage.EVALUATE, Waiting(Reason.VOLUME_UNAVAILABLE, "0/1 nodes: no claim", overdue=True))
    before, made = bench.status, len(bench.started)
    step(bench, Stage.EVALUATE, Waiting(Reason.VOLUME_UNAVAILABLE, "0/2 nodes: no claim"))
    assert bench.status is before
    assert len(bench.started) == made
    step(bench, Stage.EVALUATE, Waiting(Reason.QUEUED, "0/2 nodes: 2 Insufficient nvidia.com/gpu"))
    assert bench.condition("Stalled")[0] == "False", "the claim is there: it only queues"


REFUSED = End(code=64, reason=Reason.ENGINE_REFUSED, message="max_model_len is too large")


@pytest.mark.parametrize("at_once", [False, True], ids=["while it waits", "as it starts"])
def test_what_only_a_person_can_mend_takes_the_place_of_a_wait_and_outlives_it(at_once: bool) -> None:
    bench = evaluating()
    waiting, refused = processes(bench, Stage.EVALUATE)
    step(bench, Stage.EVALUATE)
    refused.start(bench.world, bench.now)
    bench.finish(refused, REFUSED)
    if not at_once:
        step(bench, Stage.EVALUATE)
        assert bench.condition("Stalled") == ("True", "EngineRefused")
    made = len(bench.started)
    waiting.start(bench.world, bench.now)
    bench.step()
    assert bench.status.stalled is not None
    assert (bench.status.stalled.reason, bench.status.stalled.message) == (REFUSED.reason, REFUSED.message)
    assert len(bench.started) == made, "nobody has mended it"
    bench.finish(waiting)
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


def test_a_wait_does_not_take_the_place_of_what_a_person_has_to_mend() -> None:
    bench = evaluating()
    _, refused = processes(bench, Stage.EVALUATE)
    refused.start(bench.world, bench.now)
    bench.finish(refused, REFUSED)
    bench.step()
    step(bench, Stage.EVALUATE)
    assert bench.condition("Stalled") == ("True", "EngineRefused")


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


def test_a_half_that_fails_once_too_often_is_told_beside_the_wait_of_the_other() -> None:
    bench = Bench(resource())
    bench.step()
    for _ in range(stages.STAGE_RETRIES):
        (process,) = processes(bench, Stage.PREFLIGHT_CHECKPOINTS)
        process.start(bench.world, bench.now)
        bench.finish(process, End(code=137, message="killed"))
        bench.step()
        bench.now = bench.status.stages_not_before or bench.now
        bench.step()
    step(bench, Stage.PREFLIGHT_TASKS)
    (process,) = processes(bench, Stage.PREFLIGHT_CHECKPOINTS)
    process.start(bench.world, bench.now)
    bench.finish(process, End(code=137, message="killed"))
    step(bench, Stage.PREFLIGHT_TASKS)
    assert bench.status.stalled is not None
    assert bench.status.stalled.reason is Reason.PREFLIGHT_FAILED
    assert "killed" in bench.status.stalled.message
    assert f"ImageUnavailable: PreflightTasks: Job {name(bench, Stage.PREFLIGHT_TASKS)}" in bench.status.stalled.message


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
