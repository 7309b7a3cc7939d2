"""Why Kueue lets a Job wait, in its own words: those of the Workload that stands for the Job.

This only improves a sentence. Without Kueue, without the right to list Workloads or without an answer it stays as it
is, and nothing else depends on it.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mergesearch.lifecycle import step
from mergesearch_operator import constants, facts, faults
from mergesearch_operator.client import Document
from mergesearch_operator.cluster import Cluster
from mergesearch_operator.seen import Seen

logger = logging.getLogger(__name__)
VERSIONS = ("v1beta2", "v1beta1")
"""Of its API, the newer one first."""
RESERVED = "QuotaReserved"
PENDING = "Pending"
"""Reason of a Workload that waits and has no fault."""


def explained(cluster: Cluster, namespace: str, jobs: Iterable[Document], seen: Sequence[Seen]) -> list[Seen]:
    """The same, but with Kueue's words for Jobs that wait in one of its queues. Nothing is asked where none does."""
    waiting = {one.uid for one in seen if one.child.waiting is not None}
    asked = [job["metadata"]["uid"] for job in jobs if job["metadata"]["uid"] in waiting and _in_queue(job)]
    words = _words(_workloads(cluster, namespace, asked)) if asked else {}
    return [_told(one, words[one.uid]) if one.uid in asked and one.uid in words else one for one in seen]


def _in_queue(job: Document) -> bool:
    return bool(job["spec"].get("suspend")) and constants.QUEUE_NAME in job["metadata"].get("labels", {})


def _workloads(cluster: Cluster, namespace: str, jobs: Sequence[str]) -> list[Document]:
    for version in VERSIONS:
        try:
            return cluster.workloads(namespace, version, jobs)
        except faults.NotFoundError:
            continue
        except faults.ApiError as error:
            logger.debug("Kueue's reasons are not known: %s", error)
            return []
    return []


def _words(workloads: Iterable[Document]) -> dict[str, str]:
    """What keeps each Job from its quota, by the Job's UID."""
    found: dict[str, str] = {}
    for workload in workloads:
        owners = [reference["uid"] for reference in workload["metadata"].get("ownerReferences", [])]
        for condition in workload.get("status", {}).get("conditions", []):
            if condition["type"] == RESERVED and condition["status"] == "False" and condition.get("message"):
                reason = condition.get("reason", PENDING)
                words = condition["message"] if reason == PENDING else f"{reason}: {condition['message']}"
                found |= dict.fromkeys(owners, f"queued: {words}")
    return found


def _told(seen: Seen, words: str) -> Seen:
    assert seen.child.waiting is not None
    message = step.clip(words, facts.LONGEST_MESSAGE)
    return replace(seen, child=replace(seen.child, waiting=replace(seen.child.waiting, message=message)))
