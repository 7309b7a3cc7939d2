"""A small search on real files: the real merger, a scripted evaluator, in a folder of its own."""

from pathlib import Path

import pytest

from support.bench import Bench, make


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A search that has not begun."""
    return make(tmp_path, monkeypatch)
