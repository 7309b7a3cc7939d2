"""Searches that several tests export; made once."""

import pytest

from unit.export import searches
from unit.report import histories
from unit.report.histories import History


@pytest.fixture(scope="session")
def history() -> History:
    """A plain search to its end."""
    return histories.run(histories.manifest())


@pytest.fixture(scope="session")
def sparse() -> History:
    """In the paper's box weights are exactly 0."""
    return histories.run(histories.manifest(8, algorithm={"preset": "Paper"}))


@pytest.fixture(scope="session", params=list(searches.NASTY.values()), ids=list(searches.NASTY))
def nasty(request: pytest.FixtureRequest) -> History:
    """A search with names of one nasty kind."""
    words: str = request.param
    return searches.nasty(words)
