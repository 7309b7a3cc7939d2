"""A namespace on a real API server with a real operator, in which a script takes the place of the kubelet."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.handle import Cluster
from mergesearch.crd.definition import NAME
from mergesearch_operator.client import Client
from support.operator_bed import Bed

CRD = Path(__file__).resolve().parents[3] / "crds" / "mergesearch.io_mergesearches.yaml"


@pytest.fixture(scope="session")
def operator_cluster(light_cluster: Cluster) -> Cluster:
    """The cluster once it serves MergeSearches."""
    light_cluster.kubectl("apply", "-f", str(CRD))
    light_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{NAME}")
    return light_cluster


@pytest.fixture(scope="session")
def admin(operator_cluster: Cluster) -> Client:
    """The administrator's client."""
    return Client.connect(connections=8, kubeconfig=str(operator_cluster.kubeconfig))


@pytest.fixture
def bed(operator_cluster: Cluster, admin: Client, tmp_path: Path) -> Iterator[Bed]:
    """A namespace of the test's own; nothing runs in it yet."""
    namespace = f"op-{uuid.uuid4().hex[:8]}"
    operator_cluster.kubectl("create", "namespace", namespace)
    with Bed(operator_cluster, admin, namespace, tmp_path) as made:
        yield made
    operator_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
