"""Killed at any moment, a search goes on to the same end: the same vectors, weights, scores and order."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.bench import Bench, make
from support.history import history, partial, read

KILLS = 20


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = long(make(tmp_path_factory.mktemp("undisturbed"), monkeypatch))
        bench.run()
    return bench


@pytest.mark.slow
def test_a_run_killed_at_random_moments_with_all_its_children_equals_an_undisturbed_one(
    bench: Bench, undisturbed: Bench
) -> None:
    long(bench)
    stream, kills = random.Random(1), 0
    while kills < KILLS:
        process = bench.start(seconds=0.3)
        # So many writes of the state after its start, at most: moments spread over the whole search.
        _wait_for_writes(bench, process.poll, stream.randrange(1, 4))
        time.sleep(stream.uniform(0, 0.1))
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate(timeout=600)
        if ended:
            break
    assert kills == KILLS, "the search ended before it was killed often enough"
    assert bench.run() == 0
    assert history(read(bench.state.folder)) == history(read(undisturbed.state.folder))


@pytest.mark.slow
def test_single_children_killed_at_random_moments_cost_tries_but_change_nothing(
    bench: Bench, undisturbed: Bench
) -> None:
    long(bench)
    bench.spec["evaluator"]["retries"] = bench.spec["merger"]["retries"] = 10
    stream, kills = random.Random(2), 0
    process = bench.start(seconds=1.0)
    # A preflight that dies three times stalls the search, as it should.
    while not partial(bench.state.folder).get("baselines"):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    while kills < KILLS and process.poll() is None:
        time.sleep(stream.uniform(0.2, 1.0))
        children = _children(process.pid)
        if children:
            os.kill(stream.choice(children), signal.SIGKILL)
            kills += 1
    output, _ = process.communicate(timeout=1800)
    assert kills == KILLS, f"the search ended before its children were killed often enough: {output}"
    assert process.returncode == 0, output
    assert history(read(bench.state.folder)) == history(read(undisturbed.state.folder))
    status = read(bench.state.folder).status
    assert status is not None
    assert status.counts.retried > 0


def long(bench: Bench) -> Bench:
    """So many evaluations that the search cannot end before it was killed often enough."""
    bench.spec["search"]["maxEvaluations"] = 40
    return bench


def _wait_for_writes(bench: Bench, ended: Callable[[], int | None], count: int) -> None:
    seen = _stamp(bench)
    until = time.monotonic() + 60
    while count and ended() is None:
        assert time.monotonic() < until, f"no write for a minute: {partial(bench.state.folder)}"
        time.sleep(0.01)
        if _stamp(bench) != seen:
            seen, count, until = _stamp(bench), count - 1, time.monotonic() + 60


def _stamp(bench: Bench) -> int:
    return bench.state.document.stat().st_ino if bench.state.document.exists() else 0


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
