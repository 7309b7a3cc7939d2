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
Job finished, pod gone                       ended, where nothing says that its process failed by the platform; what
                                             it published lies on the workspace
several pods that share the request          `slices.py`
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mergesearch.api.resource import MergeSearch
from mergesearch.lifecycle import roles
from mergesearch.lifecycle.step import ChildState, ObservedChild
from mergesearch_operator import constants, delays, ends, facts, slices
from mergesearch_operator.client import Document
from mergesearch_operator.delays import Delay
from mergesearch_operator.seen import Seen
from mergesearch_operator.slices import Slice, Word


def see_all(resource: MergeSearch, jobs: Iterable[Document], pods: Iterable[Document], now: datetime) -> list[Seen]:
    """All Jobs of a search. What a person has made with our labels, or without, is none of them."""
    owned: dict[str, list[Document]] = {}
    for pod in pods:
        for reference in pod["metadata"].get("ownerReferences", []):
            owned.setdefault(reference["uid"], []).append(pod)
    seen = []
    for job in jobs:
        meta = job["metadata"]
        if not ours(resource, meta):
            continue
        stage = roles.part_of(resource.spec, meta["labels"].get(constants.STAGE, ""))
        one = see(job, owned.get(meta["uid"], []), now, pending_seconds=stage.pending_deadline_seconds)
        going = bool(meta.get("deletionTimestamp"))
        told = delays.told(one.delay, now)
        child = replace(one.child, waiting=told)
        due = one.due if told is not None or one.delay is None else delays.told_at(one.delay, one.due)
        seen.append(replace(one, child=child, due=due, name=meta["name"], uid=meta["uid"], going=going))
    return seen


def ours(resource: MergeSearch, meta: Document) -> bool:
    """Whether the search has made a Job: it owns it, and the name says the same launch as the label."""
    owners = {reference["uid"] for reference in meta.get("ownerReferences", [])}
    number = meta["labels"].get(constants.LAUNCH, "")
    search = resource.metadata
    named = number.isdecimal() and meta["name"].startswith(f"{search.name}-{search.uid[:5]}-{int(number):05d}-")
    return search.uid in owners and named


def see(job: Document, pods: Sequence[Document], now: datetime, *, pending_seconds: float) -> Seen:
    """The child that a Job and its pods make up."""
    launch, patience = int(job["metadata"]["labels"][constants.LAUNCH]), timedelta(seconds=pending_seconds)
    count = facts.slices(job)
    owned = [[pod for pod in pods if count == 1 or facts.index(pod) == index] for index in range(count)]
    through = all(any(facts.succeeded(pod) for pod in own) for own in owned)
    if job["spec"].get("suspend") and not facts.finished(job) and not through:
        return _pending(launch, delays.QUEUED)
    if not pods:
        end = ends.of_job(launch, job)
        return _pending(launch, delays.without_pod(job)) if end is None else Seen(end)
    if count == 1:
        return _of_pods(launch, pods, now, patience)
    return slices.together([_slice(launch, job, index, own, now, patience) for index, own in enumerate(owned)])


def _slice(
    launch: int, job: Document, index: int, pods: Sequence[Document], now: datetime, patience: timedelta
) -> Slice:
    if pods:
        seen = _of_pods(launch, pods, now, patience)
        return Slice(seen, Word.ASKED if facts.asked_to_end(_newest(pods)) else Word.OWN)
    if index in facts.completed(job):
        return Slice(Seen(ends.done_and_gone(launch, job)))
    end = ends.of_job(launch, job)
    return Slice(_pending(launch, delays.without_pod(job)) if end is None else Seen(end), Word.OF_JOB)


def _newest(pods: Sequence[Document]) -> Document:
    """The pod that counts: the one that has succeeded, or else the newest."""
    return max(pods, key=lambda one: (facts.succeeded(one), one["metadata"]["creationTimestamp"]))


def _of_pods(launch: int, pods: Sequence[Document], now: datetime, patience: timedelta) -> Seen:
    pod = _newest(pods)
    lost = next((one for one in pods if facts.disrupted(one) and not facts.succeeded(one)), None)
    # A replacement that runs already, as after an outage of the operator, is not ended for its predecessor's sake.
    replaced = pod is not lost and pod.get("status", {}).get("phase", "Pending") != "Pending"
    if lost is not None and not replaced:
        return Seen(ends.by_platform(launch, lost))
    return _of_pod(launch, pod, now, patience)


def _of_pod(launch: int, pod: Document, now: datetime, patience: timedelta) -> Seen:
    phase = pod.get("status", {}).get("phase", "Pending")
    if phase == "Failed" and facts.never_ran(pod):
        return Seen(ends.by_platform(launch, pod))
    if phase in ("Succeeded", "Failed"):
        return Seen(ends.of_pod(launch, pod), pod=pod["metadata"]["name"])
    lost_at = facts.lost_at(pod)
    if lost_at is not None and now >= lost_at:
        return Seen(ends.by_platform(launch, pod))
    if phase == "Running":
        running = facts.container_state(pod, "running")
        started = facts.time(running.get("startedAt")) or facts.time(pod["status"].get("startTime"))
        child = ObservedChild(launch=launch, state=ChildState.RUNNING, started_at=started, image=facts.image(pod))
        return Seen(child, due=lost_at)
    return _starting(launch, pod, now, patience, lost_at)


def _starting(launch: int, pod: Document, now: datetime, patience: timedelta, lost_at: datetime | None) -> Seen:
    delay = delays.of_pod(pod)
    if delay.trouble_since is None:
        return replace(_pending(launch, delay), due=lost_at)
    deadline = delay.trouble_since + patience
    if now < deadline:
        return replace(_pending(launch, delay), due=min(deadline, lost_at or deadline))
    return replace(_pending(launch, delays.overdue(delay, patience)), due=lost_at)


def _pending(launch: int, delay: Delay) -> Seen:
    return Seen(ObservedChild(launch=launch, state=ChildState.PENDING), delay)
