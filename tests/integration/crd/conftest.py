"""A namespace on a real API server that knows the resource as the repository ships it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.handle import Cluster
from integration.crd.server import Searches
from mergesearch.crd.definition import NAME

CRD = Path(__file__).resolve().parents[3] / "crds" / "mergesearch.io_mergesearches.yaml"


@pytest.fixture(scope="session")
def crd_cluster(light_cluster: Cluster) -> Cluster:
    """The cluster once it serves MergeSearches."""
    light_cluster.kubectl("apply", "-f", str(CRD))
    light_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{NAME}")
    return light_cluster


@pytest.fixture(scope="module")
def searches(crd_cluster: Cluster) -> Iterator[Searches]:
    """MergeSearches of a namespace of the module's own."""
    namespace = f"crd-{uuid.uuid4().hex[:8]}"
    crd_cluster.kubectl("create", "namespace", namespace)
    searches = Searches(crd_cluster, namespace)
    yield searches
    searches.close()
    crd_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
