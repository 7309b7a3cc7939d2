"""What the operator asks of a cluster, in its own words."""

from collections.abc import Iterable
from datetime import datetime

from mergesearch.api.base import GROUP, VERSION
from mergesearch_operator import client, constants, faults
from mergesearch_operator.client import Client, Document

Key = tuple[str, str]
"""Namespace and name of a search."""


class Cluster:
    """Searches, Jobs, pods, claims and Events."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def search(self, key: Key) -> tuple[Document, datetime] | None:
        """The resource as it is now, and the server's time; None where there is none. Raises ApiError."""
        try:
            return self._client.get_with_time(_search(key))
        except faults.NotFoundError:
            return None

    def searches(self, namespace: str | None) -> list[Document]:
        """The metadata of all of a namespace, or of the cluster: the statuses may be large, and each step reads its own
        anew. Raises ApiError.
        """
        middle = f"/namespaces/{namespace}" if namespace else ""
        return self._client.items(f"/apis/{GROUP}/{VERSION}{middle}/{constants.PLURAL}", accept=client.NAMES_ONLY)

    def write_status(self, document: Document) -> Document:
        """Replace the status if nobody has written since it was read. Raises ApiError, ConflictError."""
        meta = document["metadata"]
        path = f"{_search((meta['namespace'], meta['name']))}/status"
        return self._client.request("PUT", path, body=document)[0]

    def jobs(self, key: Key, uid: str) -> list[Document]:
        """The Jobs of a search. Raises ApiError."""
        path = f"/apis/batch/v1/namespaces/{key[0]}/jobs"
        return self._client.items(path, labels=f"{constants.SEARCH_UID}={uid}")

    def pods(self, key: Key, uid: str) -> list[Document]:
        """The pods of a search. Raises ApiError."""
        return self._client.items(f"/api/v1/namespaces/{key[0]}/pods", labels=f"{constants.SEARCH_UID}={uid}")

    def job(self, namespace: str, name: str) -> Document | None:
        """A Job by name; None where there is none. Raises ApiError."""
        return self._found(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")

    def workloads(self, namespace: str, version: str, jobs: Iterable[str]) -> list[Document]:
        """Kueue's Workloads that stand for Jobs with these UIDs. Raises ApiError."""
        path = f"/apis/{constants.KUEUE}/{version}/namespaces/{namespace}/workloads"
        return self._client.items(path, labels=f"{constants.WORKLOAD_OF} in ({','.join(jobs)})")

    def create_job(self, manifest: Document) -> Document:
        """Raises ApiError, ExistsError."""
        namespace = manifest["metadata"]["namespace"]
        return self._client.request("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", body=manifest)[0]

    def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Job with its pods, if it is still the same one. Raises ApiError."""
        body: Document = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            # Without this a Job that is deleted by its path leaves its pods behind.
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        try:
            self._client.request("DELETE", f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}", body=body)
        except (faults.NotFoundError, faults.ConflictError):
            return

    def log(self, namespace: str, pod: str) -> str | None:
        """What a pod has printed, up to LOG_BYTES; None where the pod or its node is gone. Raises ApiError."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        try:
            query = {"container": constants.CONTAINER, "limitBytes": str(constants.LOG_BYTES)}
            return self._client.text(path, query)
        except (faults.NotFoundError, faults.RefusedError):
            return None

    def claim(self, namespace: str, name: str) -> Document | None:
        """A claim by name; None where there is none. Raises ApiError."""
        return self._found(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")

    def create_claim(self, manifest: Document) -> None:
        """Raises ApiError, ExistsError."""
        namespace = manifest["metadata"]["namespace"]
        self._client.request("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", body=manifest)

    def post_event(self, event: Document) -> None:
        """Tell something; what was told already is not told again. Raises ApiError."""
        namespace = event["metadata"]["namespace"]
        try:
            self._client.request("POST", f"/api/v1/namespaces/{namespace}/events", body=event)
        except faults.ExistsError:
            return

    def _found(self, path: str) -> Document | None:
        try:
            return self._client.get(path)
        except faults.NotFoundError:
            return None


def _search(key: Key) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{key[0]}/{constants.PLURAL}/{key[1]}"
