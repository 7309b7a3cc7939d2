"""Why a launch does not run yet, and when that is worth telling; pure.

Waiting for GPUs, a node or a place in a queue is no fault. Everything else is trouble that a person may have to mend,
since the time that it began.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mergesearch.lifecycle.step import Waiting, clip
from mergesearch.reasons import Reason
from mergesearch_operator import facts
from mergesearch_operator.client import Document

IMAGE_TROUBLE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
CONFIGURATION_TROUBLE = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff")
"""The last only of a sandbox: no other container starts again."""
STARTING = timedelta(seconds=30)
"""A pod, or its container, may be created for so long without a word."""


@dataclass(frozen=True)
class Delay:
    """Why a launch does not run yet."""

    reason: Reason
    message: str
    trouble_since: datetime | None = None
    """Since when it waits for something that a person has to mend; None while it only queues."""
    worth_telling: bool = True
    """Not so while the scheduler has not even looked."""
    overdue: bool = False
    """It has lasted longer than `pendingDeadlineSeconds`."""


QUEUED = Delay(Reason.QUEUED, "the Job is suspended: it waits in a queue")


def told(delay: Delay | None, now: datetime) -> Waiting | None:
    """What the status should say of a delay. Every pod is created for a moment; that is told only where it lasts."""
    if delay is None or not delay.worth_telling:
        return None
    since = delay.trouble_since
    starting = delay.reason is Reason.POD_NOT_STARTED and since is not None and now < since + STARTING
    if starting and not delay.overdue:
        return None
    return Waiting(delay.reason, delay.message, delay.overdue)


def told_at(delay: Delay, due: datetime | None) -> datetime | None:
    """When a delay will be worth telling, or what else is due before."""
    if delay.trouble_since is None:
        return due
    at = delay.trouble_since + STARTING
    return at if due is None else min(at, due)


def overdue(delay: Delay, patience: timedelta) -> Delay:
    """The same after `pendingDeadlineSeconds`."""
    message = f"not started after pendingDeadlineSeconds = {int(patience.total_seconds())}: {delay.message}"
    return replace(delay, message=clip(message, facts.LONGEST_MESSAGE), overdue=True)


def without_pod(job: Document) -> Delay:
    """Its pods may be forbidden, by a quota of GPUs or by pod security: its controller tells that in Events only."""
    meta = job["metadata"]
    since = facts.time(job.get("status", {}).get("startTime")) or facts.time(meta["creationTimestamp"])
    message = f"the Job has no pod: `kubectl describe job {meta['name']}` says why"
    return Delay(Reason.POD_NOT_STARTED, message, since)


def of_pod(pod: Document) -> Delay:
    """What a pod that is pending waits for."""
    scheduled = facts.condition(pod, "PodScheduled")
    created = facts.time(pod["metadata"]["creationTimestamp"])
    if scheduled is None or scheduled["status"] != "True":
        message = facts.tail((scheduled or {}).get("message", ""))
        if "persistentvolumeclaim" not in message.lower():
            return Delay(Reason.QUEUED, message or "not scheduled yet", worth_telling=bool(message))
        # The transition of the condition is when the pod began to queue, which may be long before the claim was missed.
        return Delay(Reason.VOLUME_UNAVAILABLE, message, facts.said_at(pod, "PodScheduled") or created)
    since = facts.time(scheduled.get("lastTransitionTime")) or created
    state = facts.waiting(pod)
    found, words = state.get("reason", ""), facts.tail(state.get("message", ""))
    if found in IMAGE_TROUBLE:
        image = pod["spec"]["containers"][0].get("image", "")
        # The kubelet changes between two reasons and many sentences; one of each keeps the status still.
        return Delay(Reason.IMAGE_UNAVAILABLE, f"the image {image} cannot be pulled", since)
    if found in CONFIGURATION_TROUBLE:
        return Delay(Reason.POD_NOT_STARTED, f"{found}: {words}", since)
    return Delay(Reason.POD_NOT_STARTED, "the container is being created: volumes are mounted, images pulled", since)
