"""The quickstart's family, trained once and kept in pytest's cache, and one search on it that nothing disturbs."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster import locks
from support.quickstart import QUICKSTART, Quickstart


@pytest.fixture(scope="session")
def family(request: pytest.FixtureRequest) -> Path:
    """Nine checkpoints; the training finds by itself what is there already."""
    folder = Path(request.config.cache.mkdir("quickstart")) / "family"
    # Of two test sessions at once one waits for the other's training.
    with locks.held(folder.with_name("family.lock")):
        subprocess.run([sys.executable, str(QUICKSTART / "train_family.py"), "--out", str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def undisturbed(family: Path, tmp_path_factory: pytest.TempPathFactory) -> Quickstart:
    """A small search that has run to its end without a disturbance."""
    search = Quickstart(family, tmp_path_factory.mktemp("undisturbed"))
    search.run()
    return search
