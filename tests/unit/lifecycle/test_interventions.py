"""Suspending, resuming, and editing a running search."""

import pytest

from mergesearch.api.status import STATUS_VERSION, MergeSearchStatus, Phase, RecordState
from unit.lifecycle.world import Bench, resource, scored


def test_drain_lets_what_runs_finish_and_starts_nothing() -> None:
    bench = Bench(resource(search={"parallelism": 2}))
    bench.until(lambda status: scored(status, 2) and bool(status.launches))
    bench.step()
    running = len(bench.started)
    bench.edit(suspend=True)
    bench.step()
    assert bench.condition("Suspended")[1] == "Draining"
    bench.rest()
    assert len(bench.started) == running
    assert bench.condition("Suspended") == ("True", "Suspended")
    bench.edit(suspend=False)
    assert bench.rest().phase is Phase.COMPLETE


def test_now_ends_what_runs_and_it_is_tried_again_with_the_same_weights() -> None:
    bench, plain = Bench(resource()), Bench(resource())
    bench.until(lambda status: scored(status, 2) and any(r.state is RecordState.EVALUATING for r in status.candidates))
    bench.edit(suspend=True, suspend_policy="Now")
    bench.step()
    assert bench.status.launches == ()
    assert bench.processes == {}
    bench.edit(suspend=False)
    status = bench.rest()
    assert [(r.x, r.scores) for r in status.candidates] == [(r.x, r.scores) for r in plain.rest().candidates]


@pytest.mark.parametrize("parallelism", [1, 4])
def test_parallelism_may_change_and_never_ends_what_runs(parallelism: int) -> None:
    bench = Bench(resource(search={"parallelism": 2}))
    bench.until(lambda status: scored(status, 2) and bool(status.launches))
    running = {launch.number for launch in bench.status.launches}
    bench.edit("search", parallelism=parallelism)
    bench.step()
    assert running <= {launch.number for launch in bench.status.launches} | {
        number for number in running if number not in bench.processes
    }
    assert bench.rest().phase is Phase.COMPLETE


def test_a_status_of_a_newer_version_is_left_alone() -> None:
    bench = Bench(resource())
    bench.status = MergeSearchStatus(version=STATUS_VERSION + 1)
    assert bench.step() is False
    assert bench.started == []
