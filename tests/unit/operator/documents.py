"""Jobs and pods as the API server would give them, as far as the operator reads them."""

import functools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from mergesearch.api.resource import MergeSearch
from mergesearch.lifecycle.children import Child, children
from mergesearch_operator import constants
from mergesearch_operator.manifests import job as jobs
from mergesearch_operator.settings import Images
from unit.lifecycle import world

IMAGES = Images(merger="example.org/merger:1", evaluator="example.org/evaluator:1")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Document = dict[str, Any]


def at(seconds: float) -> str:
    """A time before or after NOW, as Kubernetes writes it."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def child_of(stage: str, **parts: Any) -> tuple[MergeSearch, Child]:
    """A search as soon as it has a launch of a stage, and the child that it wants then."""
    return _child_of(stage, json.dumps(parts))


@functools.cache
def _child_of(stage: str, parts: str) -> tuple[MergeSearch, Child]:
    bench = world.Bench(world.resource(**json.loads(parts)))
    status = bench.until(lambda now: any(launch.stage == stage for launch in now.launches))
    wanted = children(bench.resource, status)
    return bench.resource, next(child for child in wanted if child.launch.stage == stage)


def job_of(resource: MergeSearch, child: Child, **status: Any) -> Document:
    """A Job as it is after its creation."""
    made = jobs.job(resource, child, IMAGES)
    made["metadata"] |= {"uid": f"uid-of-{child.name}", "creationTimestamp": at(-600)}
    made["status"] = status
    return made


def pod_of(
    job: Document,
    phase: str = "Pending",
    *,
    name: str = "pod",
    created: float = -590,
    index: int | None = None,
    deleted: float | None = None,
    **status: Any,
) -> Document:
    """A pod of a Job."""
    meta = job["metadata"]
    further: Document = {} if index is None else {"annotations": {constants.COMPLETION_INDEX: str(index)}}
    further |= {} if deleted is None else {"deletionTimestamp": at(deleted)}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-of-{name}",
            "creationTimestamp": at(created),
            "ownerReferences": [{"uid": meta["uid"], "kind": "Job", "name": meta["name"]}],
            "labels": job["spec"]["template"]["metadata"]["labels"],
            **further,
        },
        "spec": job["spec"]["template"]["spec"],
        "status": {"phase": phase, **status},
    }


def container(state: str, *, image: str = "example.org/merger@sha256:1", **facts: Any) -> Document:
    """The status of the one container, and what comes with it."""
    found = {"name": "main", "imageID": image, "image": "example.org/merger:1", "state": {state: facts}}
    return {"containerStatuses": [found], "startTime": at(-580)}


def scheduled(since: float = -500) -> Document:
    """The condition of a pod that has a node."""
    return {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(since)}


def unscheduled(message: str) -> Document:
    """The condition of a pod that has none."""
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}


def written(since: float, kind: str = "PodScheduled", manager: str = "kube-scheduler") -> Document:
    """The record of who has last written a condition of a pod, and when."""
    fields: Document = {f'k:{{"type":"{kind}"}}': {".": {}, "f:message": {}}}
    return {
        "manager": manager,
        "operation": "Update",
        "subresource": "status",
        "time": at(since),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {"f:conditions": fields}},
    }


def disruption(reason: str = "EvictionByEvictionAPI") -> Document:
    """The condition of a pod that the platform ends."""
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": "eviction: evicting",
        "lastTransitionTime": at(-5),
    }


def finished(kind: str, **facts: Any) -> Document:
    """A condition by which a Job is over."""
    return {"type": kind, "status": "True", "lastTransitionTime": at(-3), **facts}
