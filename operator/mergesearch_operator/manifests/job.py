"""The Job of one launch; pure."""

from typing import Any

from mergesearch.api.base import API_VERSION, KIND
from mergesearch.api.resource import MergeSearch
from mergesearch.contract import digest
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.children import Child
from mergesearch_operator import constants
from mergesearch_operator.manifests import pod
from mergesearch_operator.settings import Images

FINAL_CODES = (ExitCode.INVALID_REQUEST, ExitCode.INVALID_CANDIDATE, ExitCode.NO_SPACE)
"""Exit codes after which the same pod need not be tried again."""


def job(resource: MergeSearch, child: Child, images: Images) -> dict[str, Any]:
    """A Job that runs the child once: every further try is a launch of its own, decided by the core."""
    stage = pod.stage_of(resource, child)
    labels = labels_of(resource, child)
    queue = {constants.QUEUE_NAME: stage.queue_name, constants.QUEUE_PRIORITY: stage.priority_class}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": child.name,
            "namespace": resource.metadata.namespace,
            "labels": labels | {name: value for name, value in queue.items() if value},
            "annotations": {constants.REQUEST_DIGEST: request_digest(child)},
            "ownerReferences": [owner(resource)],
        },
        "spec": {
            **_pods(child.slices),
            "backoffLimit": 0,
            # A pod on a node that does not answer is not replaced while it may still write.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": constants.CONTAINER,
                            "operator": "In",
                            "values": [int(code) for code in FINAL_CODES],
                        },
                    },
                ]
            },
            "template": {
                "metadata": {
                    "labels": stage.template.labels | labels,
                    "annotations": dict(stage.template.annotations),
                },
                "spec": pod.pod_spec(resource, child, images),
            },
        },
    }


def _pods(slices: int) -> dict[str, Any]:
    """Several pods have indexes: each finds its own in its environment, and one that fails ends the Job for all."""
    some: dict[str, Any] = {"parallelism": slices, "completions": slices}
    return some | ({"completionMode": "Indexed"} if slices > 1 else {})


def labels_of(resource: MergeSearch, child: Child) -> dict[str, str]:
    """How Jobs and pods are found again."""
    return {
        constants.MANAGED_BY: constants.MANAGER,
        constants.SEARCH: resource.metadata.name,
        constants.SEARCH_UID: resource.metadata.uid,
        constants.LAUNCH: str(child.launch.number),
        constants.STAGE: child.launch.stage.value,
    }


def owner(resource: MergeSearch) -> dict[str, Any]:
    """The reference by which Kubernetes removes what belongs to a search that is deleted. It blocks nothing."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
    }


def request_digest(child: Child) -> str:
    """Tells whether a Job that exists was made for this very request."""
    return digest(child.request.to_json())
