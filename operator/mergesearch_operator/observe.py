"""What Jobs and pods say about a launch; pure.

Job suspended                                pending, in a queue
Job without a pod yet                        pending; after a while that is told
pod pending                                  pending; after pendingDeadlineSeconds of trouble with image, volume or
                                             configuration: overdue
pod running                                  running
pod succeeded or failed                      ended; its termination message holds exit and reports
pod with DisruptionTarget, or terminating
on a node that does not answer, or one that
its node has refused or forgotten            ended by the platform
Job finished, pod gone                       ended; what it published lies on the workspace
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from mergesearch.api.resource import MergeSearch
from mergesearch.contract import Exit, Termination
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import roles, step
from mergesearch.lifecycle.step import ChildState, ObservedChild
from mergesearch.reasons import Reason
from mergesearch_operator import constants
from mergesearch_operator.client import Document

KILLED = 137
DEADLINE = "DeadlineExceeded"
"""Reason of a pod that has run for longer than it may."""
IMAGE_TROUBLE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
CONFIGURATION_TROUBLE = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
FORGOTTEN = "ContainerStatusUnknown"
"""Reason of a container that its node, started anew, has not found again."""
EMPTY_WORDS = ("Completed", "Error")
"""Reasons of a container that say no more than its exit code."""
LONGEST_MESSAGE = 500
STARTING = timedelta(seconds=30)
"""A pod, or its container, may be created for so long without a word."""


@dataclass(frozen=True)
class Waiting:
    """Why a launch does not run yet."""

    reason: Reason
    message: str
    trouble_since: datetime | None = None
    """Since when it waits for something that a person has to mend; None while it only queues."""
    worth_telling: bool = True
    """Not so while the scheduler has not even looked."""
    overdue: bool = False
    """It has waited for longer than `pendingDeadlineSeconds`."""


@dataclass(frozen=True)
class Seen:
    """One Job with its pods, as it is now."""

    child: ObservedChild
    waiting: Waiting | None = None
    due: datetime | None = None
    """When it changes by itself, if nothing else happens."""
    name: str = ""
    """Of the Job."""
    uid: str = ""
    """Of the Job."""
    pod: str = ""
    """Of the pod that has ended, while it is there."""
    going: bool = False
    """The Job is being deleted: it counts no more, but its name is still taken."""


def see_all(resource: MergeSearch, jobs: Iterable[Document], pods: Iterable[Document], now: datetime) -> list[Seen]:
    """All Jobs of a search. What a person has made with our labels, or without, is none of them."""
    owned: dict[str, list[Document]] = {}
    for pod in pods:
        for reference in pod["metadata"].get("ownerReferences", []):
            owned.setdefault(reference["uid"], []).append(pod)
    seen = []
    for job in jobs:
        meta = job["metadata"]
        if not _ours(resource, meta):
            continue
        stage = roles.part_of(resource.spec, meta["labels"].get(constants.STAGE, ""))
        one = see(job, owned.get(meta["uid"], []), now, pending_seconds=stage.pending_deadline_seconds)
        going = bool(meta.get("deletionTimestamp"))
        told = told_of(one.waiting, now)
        child = replace(one.child, waiting=told)
        due = one.due if told is not None or one.waiting is None else told_at(one.waiting, one.due)
        seen.append(replace(one, child=child, due=due, name=meta["name"], uid=meta["uid"], going=going))
    return seen


def told_of(waiting: Waiting | None, now: datetime) -> step.Waiting | None:
    """What the status should say of a wait. Every pod is created for a moment; that is told only where it lasts."""
    if waiting is None or not waiting.worth_telling:
        return None
    since = waiting.trouble_since
    starting = waiting.reason is Reason.POD_NOT_STARTED and since is not None and now < since + STARTING
    if starting and not waiting.overdue:
        return None
    return step.Waiting(waiting.reason, waiting.message, waiting.overdue)


def told_at(waiting: Waiting, due: datetime | None) -> datetime | None:
    """When a wait will be worth telling, or what else is due before."""
    if waiting.trouble_since is None:
        return due
    told = waiting.trouble_since + STARTING
    return told if due is None else min(told, due)


def _ours(resource: MergeSearch, meta: Document) -> bool:
    """Whether the search has made a Job: it owns it, and the name says the same launch as the label."""
    owners = {reference["uid"] for reference in meta.get("ownerReferences", [])}
    number = meta["labels"].get(constants.LAUNCH, "")
    search = resource.metadata
    named = number.isdecimal() and meta["name"].startswith(f"{search.name}-{search.uid[:5]}-{int(number):05d}-")
    return search.uid in owners and named


def see(job: Document, pods: Sequence[Document], now: datetime, *, pending_seconds: float) -> Seen:
    """The child that a Job and its pods make up."""
    launch = int(job["metadata"]["labels"][constants.LAUNCH])
    pod = max(pods, key=lambda one: (_succeeded(one), one["metadata"]["creationTimestamp"]), default=None)
    disrupted = next((one for one in pods if _disrupted(one) and not _succeeded(one)), None)
    if job["spec"].get("suspend") and not _finished(job) and (pod is None or not _succeeded(pod)):
        return _pending(launch, Waiting(Reason.QUEUED, "the Job is suspended: it waits in a queue"))
    if pod is None:
        return _without_pod(job, launch)
    # A replacement that runs already, as after an outage of the operator, is not ended for its predecessor's sake.
    replaced = pod is not disrupted and pod.get("status", {}).get("phase", "Pending") != "Pending"
    if disrupted is not None and not replaced:
        return _ended_by_platform(launch, disrupted)
    return _of_pod(launch, pod, now, timedelta(seconds=pending_seconds))


def _of_pod(launch: int, pod: Document, now: datetime, patience: timedelta) -> Seen:
    phase = pod.get("status", {}).get("phase", "Pending")
    if phase == "Failed" and _never_ran(pod):
        return _ended_by_platform(launch, pod)
    if phase in ("Succeeded", "Failed"):
        return Seen(_ended(launch, pod), pod=pod["metadata"]["name"])
    lost_at = _lost_at(pod)
    if lost_at is not None and now >= lost_at:
        return _ended_by_platform(launch, pod)
    if phase == "Running":
        started = _time(_container_state(pod, "running").get("startedAt")) or _time(pod["status"].get("startTime"))
        child = ObservedChild(launch=launch, state=ChildState.RUNNING, started_at=started, image=_image(pod))
        return Seen(child, due=lost_at)
    return _starting(launch, pod, now, patience, lost_at)


def _without_pod(job: Document, launch: int) -> Seen:
    status, conditions = job.get("status", {}), _finished(job)
    ended_at = _time(status.get("completionTime"))
    child = ObservedChild(
        launch=launch, state=ChildState.ENDED, started_at=_time(status.get("startTime")), ended_at=ended_at
    )
    if "Complete" in conditions or "SuccessCriteriaMet" in conditions:
        message = "the pod is gone, and its termination message with it"
        return Seen(replace(child, exit=Exit(code=ExitCode.DONE, message=message), unread=True))
    failed = conditions.get("Failed") or conditions.get("FailureTarget")
    if failed is not None:
        message = f"{failed.get('reason', 'Failed')}: {failed.get('message', '')}; its pod is gone"
        end = Exit(code=ExitCode.TRANSIENT, reason=Reason.PROCESS_DIED, message=message[:LONGEST_MESSAGE])
        return Seen(replace(child, exit=end, ended_at=_time(failed.get("lastTransitionTime"))))
    # Its pods may be forbidden, by a quota of GPUs or by pod security: its controller tells that in Events only.
    since = _time(status.get("startTime")) or _time(job["metadata"]["creationTimestamp"])
    message = f"the Job has no pod: `kubectl describe job {job['metadata']['name']}` says why"
    return _pending(launch, Waiting(Reason.POD_NOT_STARTED, message, since))


def _finished(job: Document) -> dict[str, Document]:
    """The conditions by which a Job says that it is over; none while it is not."""
    ends = ("Complete", "SuccessCriteriaMet", "Failed", "FailureTarget")
    conditions = job.get("status", {}).get("conditions", [])
    return {one["type"]: one for one in conditions if one["type"] in ends and one["status"] == "True"}


def _ended(launch: int, pod: Document) -> ObservedChild:
    terminated = _container_state(pod, "terminated")
    child = ObservedChild(
        launch=launch,
        state=ChildState.ENDED,
        started_at=_time(terminated.get("startedAt")),
        ended_at=_time(terminated.get("finishedAt")),
        image=_image(pod),
    )
    said = _termination(terminated.get("message", ""))
    status = pod["status"]
    if said is not None:
        unread, end = said.reports_digest is not None, said.exit
        if status.get("reason") == DEADLINE and end.code != ExitCode.DONE:
            # The process only knows that it was asked to end.
            end = end.model_copy(update={"reason": Reason.DEADLINE_EXCEEDED, "message": status.get("message", "")})
        return replace(child, reports=said.reports, exit=end, unread=unread, reports_digest=said.reports_digest)
    code = int(terminated.get("exitCode", ExitCode.TRANSIENT))
    told = [terminated.get("message"), status.get("message"), terminated.get("reason"), status.get("reason")]
    words = next((text for text in told if text and text not in EMPTY_WORDS), "")
    reason = _reason_of_death(status.get("reason"), terminated.get("reason"), code)
    message = _tail(words) or f"the container ended with code {code} and said nothing"
    # A process that says nothing has not met its request, whatever its code.
    return replace(child, exit=Exit(code=code or ExitCode.TRANSIENT, reason=reason, message=message))


def _reason_of_death(pod: str | None, container: str | None, code: int) -> Reason | None:
    if pod == DEADLINE:
        return Reason.DEADLINE_EXCEEDED
    if container == "OOMKilled":
        return Reason.OUT_OF_MEMORY
    return Reason.PROCESS_DIED if code in (0, KILLED) else None


def _ended_by_platform(launch: int, pod: Document) -> Seen:
    terminated = _container_state(pod, "terminated")
    condition = _condition(pod, "DisruptionTarget") or {}
    where = "has restarted under it" if terminated.get("reason") == FORGOTTEN else "does not answer"
    words = condition.get("message") or pod.get("status", {}).get("message") or f"its node {where}"
    reason = condition.get("reason") or pod["status"].get("reason") or "Terminating"
    said = _termination(terminated.get("message", ""))
    child = ObservedChild(
        launch=launch,
        state=ChildState.ENDED,
        reports=said.reports if said is not None else (),
        exit=Exit(code=ExitCode.TRANSIENT, reason=Reason.DISRUPTED, message=f"{reason}: {words}"[:LONGEST_MESSAGE]),
        disrupted=True,
        started_at=_time(terminated.get("startedAt")) or _time(pod["status"].get("startTime")),
        ended_at=_time(terminated.get("finishedAt")) or _time(condition.get("lastTransitionTime")),
        image=_image(pod),
    )
    return Seen(child)


def _starting(launch: int, pod: Document, now: datetime, patience: timedelta, lost_at: datetime | None) -> Seen:
    waiting = _why_pending(pod)
    if waiting is None or waiting.trouble_since is None:
        return replace(_pending(launch, waiting), due=lost_at)
    deadline = waiting.trouble_since + patience
    if now < deadline:
        return replace(_pending(launch, waiting), due=min(deadline, lost_at or deadline))
    seconds = int(patience.total_seconds())
    message = f"not started after pendingDeadlineSeconds = {seconds}: {waiting.message}"
    told = replace(waiting, message=message[:LONGEST_MESSAGE], overdue=True)
    return replace(_pending(launch, told), due=lost_at)


def _why_pending(pod: Document) -> Waiting | None:
    """Waiting for GPUs or a node is a queue; everything else is trouble, since the time that it began."""
    scheduled = _condition(pod, "PodScheduled")
    created = _time(pod["metadata"]["creationTimestamp"])
    if scheduled is None or scheduled["status"] != "True":
        message = _tail((scheduled or {}).get("message", ""))
        if "persistentvolumeclaim" not in message.lower():
            return Waiting(Reason.QUEUED, message or "not scheduled yet", worth_telling=bool(message))
        return Waiting(Reason.VOLUME_UNAVAILABLE, message, created)
    since = _time(scheduled.get("lastTransitionTime")) or created
    state = _container_state(pod, "waiting")
    found, words = state.get("reason", ""), _tail(state.get("message", ""))
    if found in IMAGE_TROUBLE:
        image = pod["spec"]["containers"][0].get("image", "")
        # The kubelet changes between two reasons and many sentences; one of each keeps the status still.
        return Waiting(Reason.IMAGE_UNAVAILABLE, f"the image {image} cannot be pulled", since)
    if found in CONFIGURATION_TROUBLE:
        return Waiting(Reason.POD_NOT_STARTED, f"{found}: {words}", since)
    return Waiting(Reason.POD_NOT_STARTED, "the container is being created: volumes are mounted, images pulled", since)


def _pending(launch: int, waiting: Waiting | None) -> Seen:
    return Seen(ObservedChild(launch=launch, state=ChildState.PENDING), waiting)


def _termination(message: str) -> Termination | None:
    """What the process said at its end; None where it was killed, and the message is the end of its log."""
    try:
        return Termination.model_validate_json(message)
    except ValidationError:
        return None


def _lost_at(pod: Document) -> datetime | None:
    """When a pod that is being deleted counts as lost; its deletionTimestamp includes the grace period."""
    deleted = _time(pod["metadata"].get("deletionTimestamp"))
    return None if deleted is None else deleted + timedelta(seconds=constants.TERMINATING_SECONDS)


def _disrupted(pod: Document) -> bool:
    condition = _condition(pod, "DisruptionTarget")
    return condition is not None and condition["status"] == "True"


def _never_ran(pod: Document) -> bool:
    """Whether a failed pod says itself why, and not its container: its node could not take it after all, having lost
    its GPUs for instance, or has restarted under it.
    """
    reason, terminated = pod["status"].get("reason"), _container_state(pod, "terminated")
    return terminated.get("reason") == FORGOTTEN or (bool(reason) and reason != DEADLINE and not terminated)


def _succeeded(pod: Document) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Succeeded")


def _condition(pod: Document, kind: str) -> dict[str, Any] | None:
    conditions: list[dict[str, Any]] = pod.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), None)


def _container_state(pod: Document, which: str) -> dict[str, Any]:
    for container in pod.get("status", {}).get("containerStatuses", []):
        if container["name"] == constants.CONTAINER:
            state: dict[str, Any] = container.get("state", {}).get(which) or {}
            return state
    return {}


def _image(pod: Document) -> str:
    """The image that ran, as the container runtime has resolved it."""
    for container in pod.get("status", {}).get("containerStatuses", []):
        if container["name"] == constants.CONTAINER:
            return str(container.get("imageID") or container.get("image") or "")
    return ""


def _time(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)


def _tail(text: str) -> str:
    """The end of a text: of a log, the last lines say most."""
    text = text.strip()
    return text if len(text) <= LONGEST_MESSAGE else "…" + text[-LONGEST_MESSAGE + 1 :]
