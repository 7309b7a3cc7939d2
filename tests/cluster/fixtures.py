"""pytest's door to the test cluster; tests/conftest.py makes these fixtures known to every test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import build, full, light, settings
from cluster.handle import Client, Cluster


@pytest.fixture(scope="session")
def light_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane without a node, one for the whole session: use a namespace of your own in each test.

    MERGESEARCH_LIGHT_CLUSTER names the folder of one that is up already; it is then used and left running.
    """
    kept = os.environ.get(settings.LIGHT_VARIABLE)
    if kept:
        yield light.up(Path(kept))
        return
    folder = tmp_path_factory.mktemp("light-cluster")
    try:
        yield light.up(folder, attached=True)
    finally:
        light.down(folder)


@pytest.fixture(scope="session")
def was_up() -> bool:
    """Whether our cluster was up before the session began."""
    return full.running(settings.run_folder(light=False)) is not None


@pytest.fixture(scope="session")
def real_cluster(*, was_up: bool) -> Iterator[Client]:
    """A cluster that runs pods: the caller's (KUBECONFIG), or ours, which stays up if it was up before the session."""
    callers = settings.callers_kubeconfig()
    if callers is not None:
        yield Client(callers, build.ensure(("kubectl", "helm")))
        return
    folder = settings.run_folder(light=False)
    try:
        yield full.up(folder)
    finally:
        if not was_up:
            full.down(folder)


@pytest.fixture
def disposable_cluster(real_cluster: Client, *, was_up: bool) -> Cluster:
    """The same for tests that kill or remove it: only one that these tests have started."""
    if was_up or not isinstance(real_cluster, Cluster):
        pytest.skip("somebody's own cluster: not to be killed or removed by a test")
    return real_cluster
