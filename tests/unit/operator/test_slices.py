"""Pods that share the request of one Job: when they have ended, why, and what they have reported."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from mergesearch.contract import Exit, Failure, MergeReport, Termination, digest_of, termination_message
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import Run
from mergesearch.reasons import Reason
from mergesearch_operator import facts, observe
from mergesearch_operator.seen import Seen
from unit.operator.documents import (
    NOW,
    Document,
    at,
    child_of,
    container,
    disruption,
    finished,
    job_of,
    pod_of,
    scheduled,
    unscheduled,
)
from unit.operator.launches import ENDED, INTERRUPTED, PENDING, RUNNING

RESOURCE, CHILD = child_of("Merge", merger={"slices": 3, "pendingDeadlineSeconds": 60})
REPORT = MergeReport(version=1, candidate="c0001", request_hash="0" * 64, seconds=1.0)
OTHER = REPORT.model_copy(update={"candidate": "c0002"})
BAD = REPORT.model_copy(update={"failure": Failure(reason=Reason.NON_FINITE_WEIGHTS, message="3 NaN")})
LOST = int(ExitCode.TRANSIENT)
NOTHING = termination_message([], Exit(code=0))
WELL = termination_message([REPORT], Exit(code=0))
Pod = Callable[[Document, int], Document | None]
"""A pod of a Job by its index; None where it is gone."""


def job(**status: Any) -> Document:
    return job_of(RESOURCE, CHILD, **status)


def see(of: Document, *pods: Pod) -> Seen:
    there = [pod for pod in (make(of, index) for index, make in enumerate(pods)) if pod is not None]
    (seen,) = observe.see_all(RESOURCE, [of], there, NOW)
    return seen


def running(since: float = -60, **facts_of_pod: Any) -> Pod:
    return lambda of, index: pod_of(
        of, "Running", name=f"pod-{index}", index=index, **container("running", startedAt=at(since)), **facts_of_pod
    )


def ended(code: int, said: str = "", /, *, at_second: float = -10, why: str = "Error", **more: Any) -> Pod:
    facts_of_end: Document = {"exitCode": code, "message": said, "reason": why}
    facts_of_end |= {"startedAt": at(-60), "finishedAt": at(at_second)}
    phase, image = "Failed" if code else "Succeeded", more.pop("image", "example.org/merger@sha256:1")
    terminated = container("terminated", image=image, **facts_of_end)
    return lambda of, index: pod_of(of, phase, name=f"pod-{index}", index=index, **terminated, **more)


def stuck(since: float, reason: str = "ErrImagePull") -> Pod:
    state = container("waiting", reason=reason, message="words")
    return lambda of, index: pod_of(of, name=f"pod-{index}", index=index, conditions=[scheduled(since)], **state)


def queued(of: Document, index: int) -> Document:
    return pod_of(of, name=f"pod-{index}", index=index, conditions=[unscheduled("Insufficient nvidia.com/gpu")])


def gone(_of: Document, _index: int) -> None:
    return None


SILENT, PUBLISHED = ended(0, NOTHING), ended(0, WELL)
EVICTED = ended(143, INTERRUPTED, at_second=-5, deleted=25, conditions=[disruption()])


def removed(at_second: float) -> Pod:
    """A pod that the Job's controller, or a person, has deleted, and that has ended on that."""
    return ended(143, INTERRUPTED, at_second=at_second, deleted=at_second + 30)


# --- While it goes on ---


def test_it_runs_while_one_of_its_pods_does() -> None:
    for pods in ((running(), running(), running()), (SILENT, running(), queued), (SILENT, SILENT, running())):
        seen = see(job(), *pods)
        assert (seen.child.state, seen.child.exit, seen.delay) == (RUNNING, None, None)


def test_what_was_reported_counts_while_another_pod_still_runs() -> None:
    assert see(job(), PUBLISHED, running(), SILENT).child.reports == (REPORT,)


def test_a_queue_is_told_only_where_none_runs_with_the_number_of_the_slice() -> None:
    seen = see(job(), SILENT, queued, queued)
    assert seen.child.state is PENDING
    assert seen.child.waiting is not None
    assert seen.child.waiting.reason is Reason.QUEUED
    assert seen.child.waiting.message == "slice 1 of 3: Insufficient nvidia.com/gpu"
    assert seen.child.runs == (Run(NOW - timedelta(seconds=60), NOW - timedelta(seconds=10)),)
    assert seen.child.started_at is None, "what waits has not started, for the time that is booked"


def test_what_keeps_one_of_them_from_starting_is_told_though_the_others_run() -> None:
    seen = see(job(), running(), stuck(-40), running())
    assert seen.child.state is RUNNING
    told = seen.child.waiting
    assert told is not None
    assert (told.reason, told.overdue) == (Reason.IMAGE_UNAVAILABLE, False)
    assert told.message == "slice 1 of 3: the image example.org/merger:1 cannot be pulled"
    assert seen.due == NOW + timedelta(seconds=20)


def test_the_one_that_has_waited_for_too_long_comes_first() -> None:
    told = see(job(startTime=at(-90)), gone, stuck(-40), stuck(-61)).child.waiting
    assert told is not None
    assert (told.reason, told.overdue) == (Reason.IMAGE_UNAVAILABLE, True)
    assert told.message.startswith("slice 2 of 3: not started after pendingDeadlineSeconds = 60: the image")


def test_a_pod_that_may_not_be_made_is_missed() -> None:
    told = see(job(startTime=at(-50)), running(), running(), gone).child.waiting
    assert told is not None
    assert told.reason is Reason.POD_NOT_STARTED
    assert told.message.startswith("slice 2 of 3: the Job has no pod: ")


def test_a_job_that_its_queue_holds_back_waits_whatever_some_of_its_pods_have_done() -> None:
    held = job()
    held["spec"]["suspend"] = True
    assert see(held, SILENT, gone, gone).child.state is PENDING
    assert see(held, SILENT, SILENT, PUBLISHED).child.state is ENDED


def test_a_pod_counts_for_its_own_index_only() -> None:
    made = job()
    first, again = (
        pod_of(made, "Succeeded", name=name, index=0, **container("terminated", exitCode=0, message=NOTHING))
        for name in ("a", "b")
    )
    (seen,) = observe.see_all(RESOURCE, [made], [first, again], NOW)
    assert seen.child.state is PENDING, "two pods of one slice are not two slices"


def test_a_replacement_that_runs_already_as_after_an_outage_of_the_operator_goes_on_beside_the_others() -> None:
    made = job()
    others = [pod for pod in (running()(made, 0), SILENT(made, 2)) if pod is not None]
    evicted = EVICTED(made, 1)
    newer = pod_of(made, "Running", name="new", created=-20, index=1, **container("running", startedAt=at(-10)))
    assert evicted is not None
    (seen,) = observe.see_all(RESOURCE, [made], [*others, evicted, newer], NOW)
    assert (seen.child.state, seen.child.disrupted) == (RUNNING, False)
    (seen,) = observe.see_all(RESOURCE, [made], [*others, evicted], NOW)
    assert (seen.child.state, seen.child.disrupted) == (ENDED, True)


# --- When all have done their part ---


def test_it_has_ended_when_the_last_one_has_with_the_reports_of_whichever_has_any() -> None:
    pods = (ended(0, NOTHING, at_second=-30), ended(0, WELL, at_second=-7), ended(0, NOTHING, at_second=-20))
    child = see(job(), *pods).child
    assert (child.state, child.reports, child.unread) == (ENDED, (REPORT,), False)
    assert child.exit is not None
    assert child.exit.code == ExitCode.DONE
    assert child.started_at == NOW - timedelta(seconds=60)
    assert child.ended_at == NOW - timedelta(seconds=7)
    assert [run.ended_at for run in child.runs] == [NOW - timedelta(seconds=s) for s in (30, 7, 20)]


def test_slices_that_find_the_merge_published_say_so_each_and_it_counts_once() -> None:
    again = ended(0, termination_message([REPORT.model_copy(update={"reused": True}), OTHER], Exit(code=0)))
    failed = REPORT.model_copy(update={"failure": Failure(reason=Reason.NO_SPACE, message="full", transient=True)})
    seen = see(job(), ended(0, termination_message([failed], Exit(code=0))), again, PUBLISHED)
    assert set(seen.child.reports) == {REPORT, OTHER}, "what was published counts, whatever another has met before"


@pytest.mark.parametrize(
    "pods", [(SILENT, SILENT, SILENT), (SILENT, gone, SILENT)], ids=["none-has-the-last-word", "the-last-one-is-gone"]
)
def test_where_no_pod_says_what_was_published_it_lies_on_the_workspace(pods: tuple[Pod, ...]) -> None:
    child = see(job(completedIndexes="0-2"), *pods).child
    assert (child.state, child.unread, child.reports) == (ENDED, True, ())
    assert child.exit is not None
    assert child.exit.code == ExitCode.DONE


def test_a_slice_that_is_done_needs_no_pod_for_the_others_to_go_on() -> None:
    seen = see(job(completedIndexes="0,2"), gone, running(), gone)
    assert (seen.child.state, seen.delay) == (RUNNING, None)


def test_where_all_pods_are_gone_the_job_says_how_it_ended() -> None:
    child = see(job(conditions=[finished("Complete")]), gone, gone, gone).child
    assert (child.state, child.unread) == (ENDED, True)


def test_reports_that_are_too_long_are_looked_for_in_the_log_of_the_pod_that_points_to_them() -> None:
    pointer = Termination(exit=Exit(code=0), reports_digest=digest_of([REPORT])).to_json()
    seen = see(job(), SILENT, ended(0, pointer), SILENT)
    assert (seen.pod, seen.child.unread, seen.child.reports_digest) == ("pod-1", True, digest_of([REPORT]))


def test_reports_of_one_log_leave_those_that_another_pod_points_to_on_the_workspace() -> None:
    pointer = Termination(exit=Exit(code=0), reports_digest=digest_of([REPORT])).to_json()
    seen = see(job(), ended(0, termination_message([OTHER], Exit(code=0))), ended(0, pointer), ended(0, pointer))
    assert seen.with_log(f"some words\n{REPORT.to_json()}\n").child.reports == (OTHER, REPORT)
    assert seen.with_log(REPORT.to_json()).child.unread
    assert seen.with_log("nothing of that") is seen


def test_different_images_of_one_merge_are_seen() -> None:
    other = ended(0, WELL, image="example.org/merger@sha256:2")
    child = see(job(), SILENT, other, SILENT).child
    assert (child.image, child.other_images) == ("example.org/merger@sha256:1", ("example.org/merger@sha256:2",))


# --- When one has failed ---


@dataclass(frozen=True)
class Case:
    """Pods of a Job of which one has failed, and what is to be said of all."""

    pods: tuple[Pod, Pod, Pod]
    code: int
    reason: Reason | None
    message: str
    disrupted: bool = False
    job: Document | None = None


LIMIT = finished("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit")
RULE = "Container main for pod n/x failed with exit code 66 matching FailJob rule at index 1"
EVICTION = "EvictionByEvictionAPI: eviction: evicting"
CRASH = "Traceback"
UNHAPPY = {
    "the-others-run-still": Case(
        (running(), ended(137, CRASH, why="OOMKilled"), running()), 137, Reason.OUT_OF_MEMORY, "slice 1 of 3: Traceback"
    ),
    "the-others-were-ended-on-that": Case(
        (removed(-9), ended(137, CRASH, why="OOMKilled"), removed(-10)),
        137,
        Reason.OUT_OF_MEMORY,
        "slice 1 of 3: Traceback",
    ),
    "the-others-were-ended-and-have-said-so-in-the-same-second": Case(
        (removed(-10), ended(1, CRASH), removed(-10)), 1, None, "slice 1 of 3: Traceback"
    ),
    "two-failed-by-themselves": Case(
        (ended(1, "second", at_second=-3), ended(1, "first", at_second=-4), SILENT), 1, None, "slice 1 of 3: first"
    ),
    "one-said-nothing": Case(
        (SILENT, SILENT, ended(0, "", why="Completed")),
        LOST,
        Reason.PROCESS_DIED,
        "slice 2 of 3: the container ended with code 0 and said nothing",
    ),
    "one-was-evicted": Case(
        (running(), EVICTED, running()), LOST, Reason.DISRUPTED, f"slice 1 of 3: {EVICTION}", disrupted=True
    ),
    "one-was-evicted-and-the-others-were-ended-on-that": Case(
        (removed(-5), EVICTED, removed(-5)), LOST, Reason.DISRUPTED, f"slice 1 of 3: {EVICTION}", disrupted=True
    ),
    "one-was-evicted-after-another-had-failed": Case(
        (EVICTED, ended(1, CRASH, at_second=-8), SILENT), 1, None, "slice 1 of 3: Traceback"
    ),
    "one-was-evicted-before-another-failed": Case(
        (EVICTED, ended(1, CRASH, at_second=-2), SILENT),
        LOST,
        Reason.DISRUPTED,
        f"slice 0 of 3: {EVICTION}",
        disrupted=True,
    ),
    "one-lies-on-a-node-that-does-not-answer": Case(
        (running(), SILENT, running(deleted=-121, conditions=[])),
        LOST,
        Reason.DISRUPTED,
        "slice 2 of 3: Terminating: its node does not answer",
        disrupted=True,
    ),
    "one-was-deleted-by-a-person": Case(
        (running(), removed(-4), running()), 143, Reason.INTERRUPTED, "slice 1 of 3: asked to end"
    ),
    "the-one-deleted-first-gives-the-reason": Case(
        (removed(-3), removed(-4), removed(-2)), 143, Reason.INTERRUPTED, "slice 1 of 3: asked to end"
    ),
    "the-first-is-gone-and-the-job-knows-no-more": Case(
        (removed(-4), gone, SILENT),
        LOST,
        Reason.DISRUPTED,
        "BackoffLimitExceeded: Job has reached the specified backoff limit; its pod is gone",
        disrupted=True,
        job=job(conditions=[LIMIT], completedIndexes="2"),
    ),
    "the-first-is-gone-and-the-job-names-its-code": Case(
        (removed(-4), gone, removed(-4)),
        66,
        None,
        f"PodFailurePolicy: {RULE}; its pod is gone",
        job=job(conditions=[finished("FailureTarget", reason="PodFailurePolicy", message=RULE)]),
    ),
    "the-last-one-found-the-candidate-bad": Case(
        (SILENT, SILENT, ended(65, termination_message([BAD], Exit(code=65, message="3 NaN")))),
        65,
        None,
        "slice 2 of 3: 3 NaN",
    ),
    "its-time-was-up": Case(
        (running(), ended(143, INTERRUPTED, reason=facts.DEADLINE, message="too long"), running()),
        143,
        Reason.DEADLINE_EXCEEDED,
        "slice 1 of 3: too long",
    ),
}


@pytest.mark.parametrize("case", UNHAPPY.values(), ids=UNHAPPY.keys())
def test_the_reason_is_that_of_the_pod_that_failed_first(case: Case) -> None:
    child = see(case.job or job(), *case.pods).child
    assert child.state is ENDED
    assert child.exit is not None
    assert (int(child.exit.code), child.exit.reason, child.exit.message) == (case.code, case.reason, case.message)
    assert child.disrupted is case.disrupted


def test_what_was_reported_before_one_failed_counts() -> None:
    bad = UNHAPPY["the-last-one-found-the-candidate-bad"]
    assert see(job(), *bad.pods).child.reports == (BAD,)
    assert see(job(), PUBLISHED, ended(1, CRASH), SILENT).child.reports == (REPORT,)
    assert see(job(), PUBLISHED, EVICTED, SILENT).child.reports == (REPORT,)
