"""A namespace on a real API server that knows the resource as the repository ships it."""

import uuid
from collections.abc import Iterator

import pytest

from cluster.handle import Cluster
from integration.crd.server import Searches
from support import served


@pytest.fixture(scope="session")
def crd_cluster(light_cluster: Cluster) -> Cluster:
    """The cluster once it serves MergeSearches."""
    return served.serve(light_cluster)


@pytest.fixture(scope="module")
def searches(crd_cluster: Cluster) -> Iterator[Searches]:
    """MergeSearches of a namespace of the module's own."""
    namespace = f"crd-{uuid.uuid4().hex[:8]}"
    crd_cluster.kubectl("create", "namespace", namespace)
    searches = Searches(crd_cluster, namespace)
    yield searches
    searches.close()
    crd_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
