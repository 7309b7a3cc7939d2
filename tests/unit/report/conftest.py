"""Searches that several tests look at; made once."""

import pytest

from unit.report import histories
from unit.report.histories import History


@pytest.fixture(scope="session")
def history() -> History:
    """A plain search from its first step to its end."""
    return histories.run(histories.manifest())


@pytest.fixture(scope="session")
def paper() -> History:
    """Sixteen checkpoints, the paper's settings, its 50 evaluations."""
    return histories.run(histories.manifest(16, maxEvaluations=50, algorithm={"preset": "Paper"}))


@pytest.fixture(scope="session")
def with_failures() -> History:
    """Two candidates of the first generation have failed for good."""
    return histories.run(histories.manifest(), failing=frozenset({"c0002", "c0005"}))
