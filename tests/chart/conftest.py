"""Namespaces on a real API server that serves MergeSearches."""

import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest

from chart.helm import Document
from cluster import settings
from cluster.handle import Cluster
from mergesearch.crd.definition import NAME

CRD = settings.ROOT / "crds" / "mergesearch.io_mergesearches.yaml"
MONITORING = ("ServiceMonitor", "PodMonitor", "PrometheusRule")


@pytest.fixture(scope="session")
def serving_cluster(light_cluster: Cluster) -> Cluster:
    """The cluster once it serves MergeSearches, and takes the kinds of the Prometheus operator as they come."""
    light_cluster.kubectl("apply", "-f", str(CRD))
    light_cluster.apply(*(_taken_as_it_comes(kind) for kind in MONITORING))
    names = [f"crd/{_plural(kind)}.monitoring.coreos.com" for kind in MONITORING]
    light_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{NAME}", *names)
    return light_cluster


@pytest.fixture
def namespaces(serving_cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Makes namespaces that are gone after the test."""
    made: list[str] = []

    def make(beginning: str) -> str:
        made.append(f"{beginning}-{uuid.uuid4().hex[:8]}")
        serving_cluster.kubectl("create", "namespace", made[-1])
        return made[-1]

    yield make
    for name in made:
        serving_cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def release(serving_cluster: Cluster) -> Iterator[Callable[[Sequence[Document]], None]]:
    """Applies rendered objects; those of the cluster are gone after the test, the others with their namespace."""
    applied: list[Document] = []

    def apply(documents: Sequence[Document]) -> None:
        applied.extend(documents)
        serving_cluster.apply(*documents)

    yield apply
    for document in applied:
        if document["kind"].startswith("ClusterRole"):
            serving_cluster.kubectl("delete", document["kind"], document["metadata"]["name"])


def _taken_as_it_comes(kind: str) -> Document:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": _plural(kind)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{_plural(kind)}.monitoring.coreos.com"},
        "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _plural(kind: str) -> str:
    return kind.lower() + "s"
