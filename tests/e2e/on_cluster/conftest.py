"""One installation for all tests on a real cluster, and a namespace for each."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.handle import Client
from support.installation import Installation, Place, build_images


@pytest.fixture(scope="session")
def installation(real_cluster: Client) -> Iterator[Installation]:
    """The operator, installed by Helm from images that were just built."""
    installed = Installation(real_cluster, build_images())
    installed.install()
    yield installed
    installed.uninstall()


@pytest.fixture
def place(installation: Installation, family: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A namespace of the test's own, with volumes."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    made = Place.make(installation.cluster, name, family, tmp_path / "workspace")
    yield made
    installation.cluster.kubectl("delete", "namespace", name, "--wait=false")
    for claim in ("checkpoints", "tasks", "workspace"):
        installation.cluster.run_kubectl("delete", "pv", f"{name}-quickstart-{claim}", "--wait=false")
