"""Suspending, resuming, and editing a running search."""

import pytest

from mergesearch.api.status import STATUS_VERSION, MergeSearchStatus, Phase, RecordState, Stage
from unit.lifecycle.world import Bench, End, faults, resource, scored


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
    bench.status = MergeSearchStatus(version=STATUS_VERSION + 1, start_time=bench.now)
    assert bench.step() is False
    assert bench.started == []


def test_now_while_nothing_runs_changes_nothing_but_the_condition() -> None:
    bench = Bench(resource())
    bench.edit(suspend=True, suspend_policy="Now")
    bench.step()
    assert bench.started == []
    assert bench.condition("Suspended") == ("True", "Suspended")
    bench.edit(suspend=False)
    assert bench.rest().phase is Phase.COMPLETE


def test_what_now_has_ended_is_charged_to_nobody() -> None:
    bench = Bench(resource(search={"parallelism": 2}))
    bench.until(lambda status: sum(r.state is RecordState.EVALUATING for r in status.candidates) == 2)
    running = [record.id for record in bench.status.candidates if record.state is RecordState.EVALUATING]
    bench.edit(suspend=True, suspend_policy="Now")
    bench.step()
    ended = [bench.record(name) for name in running]
    assert {(r.state, r.attempt, r.charged, r.merged) for r in ended} == {(RecordState.WAITING, 2, 0, True)}


def test_another_try_leaves_what_was_told_as_it_was_told() -> None:
    bench = Bench(resource(search={"maxEvaluations": 12}))
    bench.faults = faults((Stage.EVALUATE, "c0002", End(code=65)))
    bench.until(lambda status: scored(status, 5))
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.record("c0002").state is RecordState.FAILED


def test_another_try_gives_an_ended_but_untold_generation_a_new_chance() -> None:
    bench = Bench(resource(search={"maxEvaluations": 4}))
    bench.faults = faults((Stage.EVALUATE, "c0002", End(code=65)))
    bench.until(lambda status: bool(status.confirmations))
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.record("c0002").state is RecordState.SCORED


def test_another_try_does_not_wait_for_pauses_and_forgets_what_was_charged() -> None:
    bench = Bench(resource(evaluator={"retries": 5}))
    bench.faults = faults((Stage.EVALUATE, "c0002", End(code=137)), times=4)
    bench.until(lambda status: bool(status.candidates) and bench.record("c0002").charged == 4)
    bench.retry()
    bench.step()
    record = bench.record("c0002")
    assert (record.charged, record.disruptions, record.not_before) == (0, 0, None)


def test_another_try_gives_a_confirmation_of_any_generation_a_new_chance() -> None:
    bench = Bench(resource(search={"maxEvaluations": 12}))
    bench.until(lambda status: bool(status.confirmations))
    finalists = [record for record in bench.status.confirmations if record.generation is not None]
    first = min(finalists, key=lambda record: record.generation or 0)
    assert first.generation != 2, "not of the last generation"
    bench.faults = faults((Stage.EVALUATE, first.id, End(code=65)))
    bench.rest()
    assert bench.condition("Stalled") == ("True", "ConfirmationFailed")
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE
