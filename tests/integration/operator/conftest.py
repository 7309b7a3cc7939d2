"""A namespace on a real API server with a real operator, in which a script takes the place of the kubelet."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.handle import Cluster
from mergesearch_operator.client import Client
from support import served
from support.operator_bed import Bed

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
"""The API server refuses every pod with more rights, so each test proves that ours have none."""


@pytest.fixture(scope="session")
def operator_cluster(light_cluster: Cluster) -> Cluster:
    """The cluster once it serves MergeSearches."""
    return served.serve(light_cluster)


@pytest.fixture(scope="session")
def admin(operator_cluster: Cluster) -> Client:
    """The administrator's client."""
    return Client.connect(connections=8, kubeconfig=str(operator_cluster.kubeconfig))


@pytest.fixture
def bed(operator_cluster: Cluster, admin: Client, tmp_path: Path) -> Iterator[Bed]:
    """A namespace of the test's own; nothing runs in it yet."""
    namespace = f"op-{uuid.uuid4().hex[:8]}"
    operator_cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": RESTRICTED}}
    )
    with Bed(operator_cluster, admin, namespace, tmp_path) as made:
        yield made
    operator_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
