"""Volumes, mounts and the workspace's claim; pure."""

from typing import Any

from mergesearch.api.resource import MergeSearch
from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME
from mergesearch.worker import DEFAULT_MOUNTS
from mergesearch_operator import constants

SCRATCH_VOLUME = "mergesearch-scratch"
SHARED_MEMORY_VOLUME = "mergesearch-shm"
ONE_NODE = ("ReadWriteOnce",)
"""Access modes with which all pods that use a claim have to run on one node."""


def volumes(resource: MergeSearch) -> list[dict[str, Any]]:
    """All volumes of a pod of the search."""
    storage = resource.spec.storage
    read_only = {
        CHECKPOINTS_VOLUME: storage.checkpoints.persistent_volume_claim.claim_name,
        **{volume.name: volume.persistent_volume_claim.claim_name for volume in storage.volumes},
    }
    return [
        *(
            {"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
            for name, claim in read_only.items()
        ),
        {"name": WORKSPACE_VOLUME, "persistentVolumeClaim": {"claimName": workspace_claim(resource)}},
        {"name": SCRATCH_VOLUME, "emptyDir": {}},
        {"name": SHARED_MEMORY_VOLUME, "emptyDir": {"medium": "Memory"}},
    ]


def mounts(resource: MergeSearch) -> list[dict[str, Any]]:
    """Where a container finds them: each in a folder of its name, as the entry points expect it."""
    read_only = (CHECKPOINTS_VOLUME, *(volume.name for volume in resource.spec.storage.volumes))
    return [
        *({"name": name, "mountPath": f"{DEFAULT_MOUNTS}/{name}", "readOnly": True} for name in read_only),
        {"name": WORKSPACE_VOLUME, "mountPath": f"{DEFAULT_MOUNTS}/{WORKSPACE_VOLUME}"},
        {"name": SCRATCH_VOLUME, "mountPath": constants.SCRATCH},
        {"name": SHARED_MEMORY_VOLUME, "mountPath": constants.SHARED_MEMORY},
    ]


def workspace_claim(resource: MergeSearch) -> str:
    """Name of the claim that is written to."""
    claim = resource.spec.storage.workspace.persistent_volume_claim
    meta = resource.metadata
    return claim.claim_name if claim is not None else f"{meta.name}-{meta.uid[:5]}-workspace"


def claim(resource: MergeSearch, owner: dict[str, Any]) -> dict[str, Any] | None:
    """The claim that belongs to the search and goes with it; None where an existing one is used."""
    template = resource.spec.storage.workspace.claim_template
    if template is None:
        return None
    spec: dict[str, Any] = {
        "accessModes": list(template.access_modes),
        "resources": {"requests": {"storage": template.size}},
    }
    if template.storage_class_name is not None:
        spec["storageClassName"] = template.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": workspace_claim(resource),
            "namespace": resource.metadata.namespace,
            "labels": {
                constants.MANAGED_BY: constants.MANAGER,
                constants.SEARCH: resource.metadata.name,
                constants.SEARCH_UID: resource.metadata.uid,
            },
            "ownerReferences": [owner],
        },
        "spec": spec,
    }


def affinity(resource: MergeSearch, own: dict[str, Any] | None) -> dict[str, Any] | None:
    """The user's affinity; with a workspace of one node, the pods of the search stay together as well."""
    template = resource.spec.storage.workspace.claim_template
    if template is None or not set(template.access_modes) <= set(ONE_NODE):
        return own
    term = {
        "labelSelector": {"matchLabels": {constants.SEARCH_UID: resource.metadata.uid}},
        "topologyKey": "kubernetes.io/hostname",
    }
    merged = dict(own or {})
    together = dict(merged.get("podAffinity") or {})
    terms = [*(together.get("requiredDuringSchedulingIgnoredDuringExecution") or []), term]
    merged["podAffinity"] = {**together, "requiredDuringSchedulingIgnoredDuringExecution": terms}
    return merged
