"""Why a launch does not run yet, and when that has lasted too long."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mergesearch.reasons import Reason
from mergesearch_operator import facts, observe
from unit.operator.documents import NOW, Document, at, child_of, disruption, job_of, pod_of, unscheduled, written
from unit.operator.launches import NOTHING, PENDING, Case, check, job, one, see, terminating, waiting


def unbound(said: float) -> Callable[[Document], list[Document]]:
    """A pod that has queued for long, of which the scheduler says only since then that its claim is missing."""

    def pods(made: Document) -> list[Document]:
        missing = unscheduled('persistentvolumeclaim "w" not found') | {"lastTransitionTime": at(-90000)}
        pod = pod_of(made, "Pending", created=-90000, conditions=[missing])
        pod["metadata"]["managedFields"] = [
            {"manager": "kube-controller-manager", "time": at(-90000), "fieldsV1": {"f:spec": {}}},
            written(said),
            written(-1, "PodReadyToStartContainers", "kubelet"),
        ]
        return [pod]

    return pods


def sandbox_waiting(reason: str, since: float) -> Callable[[Document], list[Document]]:
    """A pod whose evaluator waits for the container beside it."""

    def pods(made: Document) -> list[Document]:
        (pod,) = waiting("PodInitializing", since=since)(made)
        state = {"waiting": {"reason": reason, "message": "back-off"}}
        pod["status"]["initContainerStatuses"] = [{"name": "sandbox", "state": state}]
        return [pod]

    return pods


CASES = {
    "no-pod-yet": Case(NOTHING, PENDING, waiting=Reason.POD_NOT_STARTED),
    "suspended-job": Case(NOTHING, PENDING, waiting=Reason.QUEUED, job=lambda: job(suspend=True)),
    "suspended-job-whose-pod-is-going": Case(
        terminating("Running", -1), PENDING, waiting=Reason.QUEUED, job=lambda: job(suspend=True)
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
    "claim-unbound-after-a-long-queue": Case(unbound(-59), PENDING, waiting=Reason.VOLUME_UNAVAILABLE),
    "claim-unbound-for-too-long-after-a-long-queue": Case(
        unbound(-60),
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
    "sandbox-that-does-not-start": Case(
        sandbox_waiting("CrashLoopBackOff", since=-61),
        PENDING,
        overdue="not started after pendingDeadlineSeconds = 60: CrashLoopBackOff: back-off",
        waiting=Reason.POD_NOT_STARTED,
    ),
    "sandbox-whose-image-is-missing": Case(
        sandbox_waiting("ErrImagePull", since=-10), PENDING, waiting=Reason.IMAGE_UNAVAILABLE
    ),
    "volume-is-mounted": Case(waiting("ContainerCreating"), PENDING, waiting=Reason.POD_NOT_STARTED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_launch_that_does_not_run_yet_says_what_it_waits_for(case: Case) -> None:
    check(case)


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


@pytest.mark.parametrize(
    "pods",
    [
        one("Failed", conditions=[disruption() | {"message": "x" * 900}]),
        waiting("CreateContainerConfigError", since=-61, message="y" * 499),
    ],
    ids=["lost", "overdue"],
)
def test_words_of_the_platform_that_are_cut_carry_a_mark(pods: Callable[[Document], list[Document]]) -> None:
    made = job()
    child = see(made, *pods(made)).child
    told = child.exit or child.waiting
    assert told is not None
    assert len(told.message) == facts.LONGEST_MESSAGE
    assert told.message.endswith("…")
