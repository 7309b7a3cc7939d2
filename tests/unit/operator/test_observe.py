"""What Jobs and pods say about a launch, document by document."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from mergesearch.contract import Exit, MergeReport, termination_message
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from mergesearch_operator import constants, facts, observe
from mergesearch_operator.observe import Seen
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

RESOURCE, CHILD = child_of("Merge", merger={"pendingDeadlineSeconds": 60})
LOST = int(ExitCode.TRANSIENT)
PENDING, RUNNING, ENDED = ChildState.PENDING, ChildState.RUNNING, ChildState.ENDED
REPORT = MergeReport(version=1, candidate="c0001", request_hash="0" * 64, seconds=1.0)


def job(**parts: Any) -> Document:
    made = job_of(RESOURCE, CHILD, **parts.pop("status", {}))
    made["spec"] |= parts
    return made


def see(of: Document, *pods: Document, now: datetime = NOW) -> Seen:
    (seen,) = observe.see_all(RESOURCE, [of], pods, now)
    assert seen.child.launch == CHILD.launch.number
    return seen


@dataclass(frozen=True)
class Case:
    """A Job, its pods, and what they make up."""

    pods: Callable[[Document], list[Document]]
    state: ChildState
    code: int | None = None
    reason: Reason | None = None
    message: str = ""
    waiting: Reason | None = None
    overdue: str = ""
    disrupted: bool = False
    job: Callable[[], Document] = job


def one(phase: str, **status: Any) -> Callable[[Document], list[Document]]:
    return lambda made: [pod_of(made, phase, **status)]


def terminating(phase: str, deleted: float, **status: Any) -> Callable[[Document], list[Document]]:
    def pods(made: Document) -> list[Document]:
        pod = pod_of(made, phase, **status)
        pod["metadata"]["deletionTimestamp"] = at(deleted)
        return [pod]

    return pods


def waiting(reason: str, since: float = -10, message: str = "words") -> Callable[[Document], list[Document]]:
    return one("Pending", conditions=[scheduled(since)], **container("waiting", reason=reason, message=message))


def died(code: int, message: str = "", *, reason: str = "Error", **status: Any) -> Callable[[Document], list[Document]]:
    facts: dict[str, Any] = {"exitCode": code, "message": message, "reason": reason}
    facts |= {"startedAt": at(-60), "finishedAt": at(-10)}
    return one("Failed" if code else "Succeeded", **container("terminated", **facts), **status)


GONE = "the pod is gone, and its termination message with it"
GOOD = termination_message([REPORT], Exit(code=0))
INTERRUPTED = termination_message([], Exit(code=143, reason=Reason.INTERRUPTED, message="asked to end"))
NOTHING: Callable[[Document], list[Document]] = lambda _made: []  # noqa: E731
CASES = {
    "no-pod-yet": Case(NOTHING, PENDING, waiting=Reason.POD_NOT_STARTED),
    "suspended-job": Case(NOTHING, PENDING, waiting=Reason.QUEUED, job=lambda: job(suspend=True)),
    "suspended-job-whose-pod-is-going": Case(
        terminating("Running", -1), PENDING, waiting=Reason.QUEUED, job=lambda: job(suspend=True)
    ),
    "suspended-too-late": Case(died(0, GOOD), ENDED, code=0, job=lambda: job(suspend=True)),
    "suspended-when-it-was-over": Case(
        NOTHING,
        ENDED,
        code=0,
        message=GONE,
        job=lambda: job(suspend=True, status={"conditions": [finished("Complete")]}),
    ),
    "pod-just-made": Case(one("Pending"), PENDING, waiting=Reason.QUEUED),
    "no-gpu-free": Case(
        one("Pending", conditions=[unscheduled("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")]),
        PENDING,
        waiting=Reason.QUEUED,
    ),
    "no-gpu-free-for-hours": Case(
        one("Pending", created=-90000, conditions=[unscheduled("0/3 nodes: 3 Insufficient nvidia.com/gpu.")]),
        PENDING,
        waiting=Reason.QUEUED,
    ),
    "claim-unbound": Case(
        one("Pending", created=-59, conditions=[unscheduled('persistentvolumeclaim "w" not found')]),
        PENDING,
        waiting=Reason.VOLUME_UNAVAILABLE,
    ),
    "claim-unbound-for-too-long": Case(
        one("Pending", created=-60, conditions=[unscheduled('persistentvolumeclaim "w" not found')]),
        PENDING,
        overdue='not started after pendingDeadlineSeconds = 60: persistentvolumeclaim "w" not found',
        waiting=Reason.VOLUME_UNAVAILABLE,
    ),
    "image-pull-fails": Case(waiting("ErrImagePull"), PENDING, waiting=Reason.IMAGE_UNAVAILABLE),
    "image-pull-backs-off": Case(waiting("ImagePullBackOff"), PENDING, waiting=Reason.IMAGE_UNAVAILABLE),
    "image-name-invalid": Case(waiting("InvalidImageName"), PENDING, waiting=Reason.IMAGE_UNAVAILABLE),
    "image-pull-fails-for-too-long": Case(
        waiting("ImagePullBackOff", since=-61),
        PENDING,
        overdue="not started after pendingDeadlineSeconds = 60: the image example.org/merger:1 cannot be pulled",
        waiting=Reason.IMAGE_UNAVAILABLE,
    ),
    "secret-missing": Case(
        waiting("CreateContainerConfigError", message='secret "token" not found'),
        PENDING,
        waiting=Reason.POD_NOT_STARTED,
    ),
    "secret-missing-for-too-long": Case(
        waiting("CreateContainerConfigError", since=-61, message='secret "token" not found'),
        PENDING,
        overdue='not started after pendingDeadlineSeconds = 60: CreateContainerConfigError: secret "token" not found',
        waiting=Reason.POD_NOT_STARTED,
    ),
    "volume-is-mounted": Case(waiting("ContainerCreating"), PENDING, waiting=Reason.POD_NOT_STARTED),
    "running": Case(one("Running", **container("running", startedAt=at(-30))), RUNNING),
    "asked-to-end": Case(terminating("Running", -119, **container("running", startedAt=at(-30))), RUNNING),
    "node-does-not-answer": Case(
        terminating("Running", -121, **container("running", startedAt=at(-30))),
        ENDED,
        code=LOST,
        reason=Reason.DISRUPTED,
        message="Terminating: its node does not answer",
        disrupted=True,
    ),
    "never-started-on-a-dead-node": Case(
        terminating("Pending", -121, conditions=[scheduled()]),
        ENDED,
        code=LOST,
        reason=Reason.DISRUPTED,
        message="Terminating: its node does not answer",
        disrupted=True,
    ),
    "done": Case(died(0, GOOD), ENDED, code=0),
    "refused-the-request": Case(
        died(64, termination_message([], Exit(code=64, reason=Reason.CHECKPOINT_MISSING, message="m-0 is missing"))),
        ENDED,
        code=64,
        reason=Reason.CHECKPOINT_MISSING,
        message="m-0 is missing",
    ),
    "ended-well-and-said-nothing": Case(
        died(0),
        ENDED,
        code=LOST,
        reason=Reason.PROCESS_DIED,
        message="the container ended with code 0 and said nothing",
    ),
    "crashed-with-a-log": Case(
        died(1, "Traceback\nValueError: x\n"), ENDED, code=1, message="Traceback\nValueError: x"
    ),
    "killed-for-memory": Case(
        died(137, reason="OOMKilled"), ENDED, code=137, reason=Reason.OUT_OF_MEMORY, message="OOMKilled"
    ),
    "killed-by-somebody": Case(
        died(137),
        ENDED,
        code=137,
        reason=Reason.PROCESS_DIED,
        message="the container ended with code 137 and said nothing",
    ),
    "ran-for-too-long": Case(
        one(
            "Failed", reason="DeadlineExceeded", message="Pod was active on the node longer than the specified deadline"
        ),
        ENDED,
        code=LOST,
        reason=Reason.DEADLINE_EXCEEDED,
        message="Pod was active on the node longer than the specified deadline",
    ),
    "evicted": Case(
        one("Failed", reason="Evicted", conditions=[disruption("TerminationByKubelet")]),
        ENDED,
        code=LOST,
        reason=Reason.DISRUPTED,
        message="TerminationByKubelet: eviction: evicting",
        disrupted=True,
    ),
    "evicted-and-still-terminating": Case(
        one("Running", conditions=[disruption()], **container("running", startedAt=at(-30))),
        ENDED,
        code=LOST,
        reason=Reason.DISRUPTED,
        message="EvictionByEvictionAPI: eviction: evicting",
        disrupted=True,
    ),
    "done-before-it-could-be-evicted": Case(
        one("Succeeded", conditions=[disruption()], **container("terminated", exitCode=0, message=GOOD)), ENDED, code=0
    ),
    "pod-gone-after-success": Case(
        NOTHING,
        ENDED,
        code=0,
        message=GONE,
        job=lambda: job(status={"conditions": [finished("SuccessCriteriaMet"), finished("Complete")]}),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_launch_is_seen_as_its_job_and_pods_stand(case: Case) -> None:
    made = case.job()
    seen = see(made, *case.pods(made))
    child = seen.child
    assert child.state is case.state
    assert (child.exit is not None) == (case.state is ENDED)
    if child.exit is not None:
        assert (int(child.exit.code), child.exit.reason, child.exit.message) == (case.code, case.reason, case.message)
    assert child.disrupted is case.disrupted
    assert (seen.delay.reason if seen.delay else None) is case.waiting
    told = child.waiting
    assert (told.message if told is not None and told.overdue else "") == case.overdue


def test_reports_come_from_the_termination_message_and_the_image_from_the_runtime() -> None:
    made = job()
    seen = see(made, *died(0, GOOD)(made))
    assert seen.child.reports == (REPORT,)
    assert seen.child.image == "example.org/merger@sha256:1"
    assert (seen.child.started_at, seen.child.ended_at) == (NOW - timedelta(seconds=60), NOW - timedelta(seconds=10))


def test_the_deadline_is_told_and_not_that_the_process_was_asked_to_end() -> None:
    made = job()
    pods = died(143, INTERRUPTED)(made)
    pods[0]["status"] |= {"reason": "DeadlineExceeded", "message": "active for too long"}
    end = see(made, *pods).child.exit
    assert end == Exit(code=143, reason=Reason.DEADLINE_EXCEEDED, message="active for too long")


def test_a_report_counts_even_where_the_platform_ended_the_pod() -> None:
    made = job()
    pods = died(143, termination_message([REPORT], Exit(code=143)), conditions=[disruption()])(made)
    seen = see(made, *pods)
    assert seen.child.reports == (REPORT,)
    assert seen.child.disrupted


def test_the_end_of_a_long_log_is_kept() -> None:
    made = job()
    end = see(made, *died(1, "x" * 3000 + "\nthe cause")(made)).child.exit
    assert end is not None
    assert len(end.message) == facts.LONGEST_MESSAGE
    assert end.message.endswith("\nthe cause")


def test_of_two_pods_the_one_that_succeeded_counts_else_the_newest() -> None:
    made = job()
    evicted = pod_of(made, "Failed", name="old", created=-500, conditions=[disruption()])
    assert see(made, evicted, pod_of(made, "Pending", name="new", created=-20)).child.disrupted
    newer = pod_of(made, "Running", name="new", created=-20, **container("running", startedAt=at(-10)))
    assert see(made, evicted, newer).child.state is RUNNING, "a replacement that runs goes on"
    well = pod_of(made, "Succeeded", name="well", created=-400, **container("terminated", exitCode=0, message=GOOD))
    assert see(made, evicted, well, newer).child.reports == (REPORT,)
    failed = pod_of(made, "Failed", name="failed", created=-500)
    assert see(made, failed, newer).child.state is RUNNING


@pytest.mark.parametrize(
    ("pods", "due"),
    [
        (terminating("Running", -20, **container("running", startedAt=at(-30))), constants.TERMINATING_SECONDS - 20),
        (one("Running", **container("running", startedAt=at(-30))), None),
        (one("Pending", conditions=[unscheduled("Insufficient nvidia.com/gpu")]), None),
    ],
    ids=["terminating", "running", "queueing"],
)
def test_it_is_known_when_to_look_again(pods: Callable[[Document], list[Document]], due: float | None) -> None:
    made = job()
    seen = see(made, *pods(made))
    assert seen.due == (None if due is None else NOW + timedelta(seconds=due))
    if due is not None:
        assert see(made, *pods(made), now=NOW + timedelta(seconds=due)).child.state is ENDED


def test_it_is_known_when_a_wait_lasts_too_long_and_then_nothing_more_is_due() -> None:
    made = job()
    pods = waiting("ErrImagePull", since=-10)(made)
    deadline = NOW + timedelta(seconds=50)
    assert see(made, *pods).due == deadline
    late = see(made, *pods, now=deadline)
    assert late.child.waiting is not None
    assert late.child.waiting.overdue
    assert late.due is None


def test_a_container_that_is_being_created_for_too_long_is_told_at_once() -> None:
    """A deadline may be shorter than what a start takes without a word."""
    resource, child = child_of("Merge", merger={"pendingDeadlineSeconds": 10})
    made = job_of(resource, child)
    (seen,) = observe.see_all(resource, [made], waiting("ContainerCreating", since=-10)(made), NOW)
    assert seen.child.waiting is not None
    assert seen.child.waiting.overdue


def test_a_job_that_is_being_deleted_is_going() -> None:
    made = job()
    made["metadata"]["deletionTimestamp"] = at(-1)
    assert see(made).going
    assert (see(job()).name, see(job()).uid, see(job()).going) == (CHILD.name, f"uid-of-{CHILD.name}", False)


def _foreign(change: Callable[[Document], Any]) -> Document:
    made = job()
    change(made["metadata"])
    return made


@pytest.mark.parametrize(
    "made",
    [
        _foreign(lambda meta: meta.update(ownerReferences=[])),
        _foreign(lambda meta: meta.update(ownerReferences=[{"uid": "another"}])),
        _foreign(lambda meta: meta["labels"].pop(constants.LAUNCH)),
        _foreign(lambda meta: meta["labels"].update({constants.LAUNCH: "x"})),
        _foreign(lambda meta: meta.update(name=meta["name"] + "-copy") or meta.update(name="copy-of-" + meta["name"])),
        _foreign(lambda meta: meta["labels"].update({constants.LAUNCH: "99"})),
    ],
    ids=["unowned", "of-another", "no-launch", "odd-launch", "copied", "another-launch"],
)
def test_what_a_person_has_made_with_our_labels_is_no_child(made: Document) -> None:
    assert observe.see_all(RESOURCE, [made], [], NOW) == []


def test_pods_are_those_of_their_job_and_no_other() -> None:
    other = job_of(*child_of("Evaluate"))
    assert see(job(), pod_of(other, "Running", **container("running", startedAt=at(-30)))).child.state is PENDING
