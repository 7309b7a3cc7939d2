"""Kueue as far as the operator reads it: the Workloads that stand for Jobs, with a definition that holds the fields of
Kueue's own, and what its controller does to them.
"""

import time

from cluster.handle import Cluster
from mergesearch_operator import constants
from mergesearch_operator.client import Client, Document

NAME = f"workloads.{constants.KUEUE}"
SECONDS = 60


def definition(version: str) -> Document:
    """Queue, pod sets and conditions; the rest is taken as it comes."""
    text = {"type": "string"}
    condition = {
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), text),
    }
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = loose | {"properties": {"queueName": text, "podSets": {"type": "array", "items": loose}}}
    status = loose | {"properties": {"conditions": {"type": "array", "items": condition}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}}
    served = {"name": version, "served": True, "storage": True, "subresources": {"status": {}}, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Names in a group of Kubernetes itself are protected by the API server.
        "metadata": {"name": NAME, "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"}},
        "spec": {
            "group": constants.KUEUE,
            "scope": "Namespaced",
            "names": {"kind": "Workload", "plural": "workloads", "singular": "workload"},
            "versions": [served],
        },
    }


def install(cluster: Cluster, version: str) -> None:
    """Serve Workloads."""
    cluster.apply(definition(version))
    deadline = time.monotonic() + SECONDS
    while (answer := cluster.run_kubectl("get", NAME, "--all-namespaces")).returncode:
        assert time.monotonic() < deadline, answer.stderr
        time.sleep(0.2)


def uninstall(cluster: Cluster) -> None:
    """Serve them no more."""
    cluster.kubectl("delete", "crd", NAME, "--ignore-not-found", "--timeout=60s")


def hold(cluster: Cluster, job: Document) -> None:
    """Suspend a Job, as Kueue's webhook does with all that have a queue."""
    meta, change = job["metadata"], '{"spec": {"suspend": true}}'
    cluster.kubectl("patch", "job", meta["name"], "--namespace", meta["namespace"], "--type=merge", "--patch", change)


def tell(client: Client, job: Document, version: str, *, reason: str, message: str) -> None:
    """A Workload for a Job that gets no quota."""
    meta = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
    path = f"/apis/{constants.KUEUE}/{version}/namespaces/{meta['namespace']}/workloads"
    made, _ = client.request(
        "POST",
        path,
        body={
            "apiVersion": f"{constants.KUEUE}/{version}",
            "kind": "Workload",
            "metadata": {
                "name": f"job-{meta['name']}",
                "labels": {constants.WORKLOAD_OF: meta["uid"]},
                "ownerReferences": [owner],
            },
            "spec": {"queueName": meta["labels"][constants.QUEUE_NAME], "podSets": [{"name": "main", "count": 1}]},
        },
    )
    made["status"] = {"conditions": [not_reserved(reason, message)]}
    client.request("PUT", f"{path}/{made['metadata']['name']}/status", body=made)


def not_reserved(reason: str, message: str) -> Document:
    """The condition of a Workload without quota."""
    return {
        "type": "QuotaReserved",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
