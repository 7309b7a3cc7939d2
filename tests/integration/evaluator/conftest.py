"""One resident evaluator for all tests of this folder: importing lm-eval and transformers takes longer than they do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator_support import models, process, tasks


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Volumes with checkpoints one to four, of equal shape, and the shared tasks."""
    root = tmp_path_factory.mktemp("evaluator")
    for number, name in enumerate(("one", "two", "three", "four"), start=1):
        models.write_model(root / "checkpoints" / name, seed=number)
    tasks.write_tasks(root / "tasks" / "shared")
    (root / "workspace").mkdir()
    (root / "home").mkdir()
    return {name: root / name for name in ("checkpoints", "tasks", "workspace")}


@pytest.fixture(scope="session")
def home(volumes: dict[str, Path]) -> Path:
    return volumes["workspace"].parent / "home"


@pytest.fixture(scope="session")
def evaluator(volumes: dict[str, Path], home: Path) -> Iterator[process.ResidentProcess]:
    running = process.ResidentProcess(volumes, home)
    yield running
    assert running.end() == 0


@pytest.fixture
def search(request: pytest.FixtureRequest) -> str:
    """A search of the test's own: nothing in the workspace is shared."""
    name: str = request.node.name
    return "".join(letter if letter.isalnum() else "-" for letter in name)[-64:].strip("-")
