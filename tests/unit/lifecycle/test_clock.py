"""Active time: while some process runs; queueing and suspension do not count."""

from datetime import timedelta

from mergesearch.api.status import MergeSearchStatus, Stage
from mergesearch.lifecycle import clock
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild, Step
from unit.lifecycle.world import START, Bench, resource


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def tick(status: MergeSearchStatus, now: float, *children: ObservedChild, blind: float | None = None) -> Step:
    blind_since = None if blind is None else START + at(blind)
    observed = Observed(children=children, blind_since=blind_since)
    return clock.tick(Step(resource=resource(), status=status, observed=observed, now=START + at(now)))


def child(launch: int, state: ChildState, start: float | None = None, end: float | None = None) -> ObservedChild:
    return ObservedChild(
        launch=launch,
        state=state,
        started_at=None if start is None else START + at(start),
        ended_at=None if end is None else START + at(end),
    )


def launched() -> MergeSearchStatus:
    """A search with two launches, numbers 1 and 2."""
    bench = Bench(resource())
    bench.step()
    return bench.status


RUNNING, PENDING, ENDED = ChildState.RUNNING, ChildState.PENDING, ChildState.ENDED


def test_the_start_is_when_the_search_is_first_seen() -> None:
    first = tick(MergeSearchStatus(), 5)
    assert first.status.start_time == START + at(5)
    assert tick(first.status, 9).status.start_time == START + at(5)


def test_waiting_in_a_queue_is_not_active() -> None:
    step = tick(launched(), 100, child(1, PENDING), child(2, PENDING))
    assert step.status.active_since is None
    assert clock.active_seconds(step) == 0


def test_the_clock_runs_from_the_start_of_the_first_process_to_the_end_of_the_last() -> None:
    step = tick(launched(), 10, child(1, RUNNING, 8), child(2, PENDING))
    assert step.status.active_since == START + at(8)
    step = tick(step.status, 20, child(1, ENDED, 8, 15), child(2, RUNNING, 14))
    assert clock.active_seconds(step) == 12
    step = tick(step.status, 40, child(1, ENDED, 8, 15), child(2, ENDED, 14, 35))
    assert (step.status.active_since, step.status.active_seconds) == (None, 27)


def test_a_process_that_was_over_before_anybody_saw_it_counts() -> None:
    step = tick(launched(), 40, child(1, ENDED, 8, 15))
    assert (step.status.active_since, step.status.active_seconds) == (None, 7)


def test_a_process_whose_times_nobody_knows_counts_from_when_it_is_seen() -> None:
    step = tick(launched(), 10, child(1, RUNNING))
    assert step.status.active_since == START + at(10)
    step = tick(step.status, 25)
    assert step.status.active_seconds == 15


def test_the_end_of_an_older_child_is_not_the_end_of_this_one() -> None:
    step = tick(launched(), 30, child(1, RUNNING, 30))
    step = tick(step.status, 50, child(9, ENDED, 1, 20))
    assert step.status.active_seconds == 20


def test_processes_of_others_do_not_count() -> None:
    assert tick(launched(), 10, child(9, RUNNING, 1)).status.active_since is None


def test_time_in_which_nobody_watched_does_not_count() -> None:
    step = tick(launched(), 10, child(1, RUNNING, 10))
    step = tick(step.status, 1000, child(1, RUNNING, 990), blind=20)
    assert step.status.active_seconds == 10
    assert step.status.active_since == START + at(990)


def test_an_idle_search_stays_idle_when_nobody_watched() -> None:
    step = tick(launched(), 1000, blind=20)
    assert (step.status.active_since, step.status.active_seconds) == (None, 0)


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    step = tick(launched(), 100, child(1, RUNNING, 100))
    step = tick(step.status, 50)
    assert step.status.active_seconds == 0


def test_a_suspended_search_is_not_active() -> None:
    bench = Bench(resource(search={"maxEvaluations": 8, "maxDuration": "1h"}))
    bench.until(lambda status: any(launch.stage is Stage.EVALUATE for launch in status.launches))
    bench.edit(suspend=True, suspend_policy="Now")
    bench.step()
    before = bench.status.active_seconds
    bench.now += timedelta(hours=5)
    bench.edit(suspend=False)
    bench.step()
    assert bench.status.active_seconds == before
    bench.rest()
    assert bench.condition("Complete") == ("True", "BudgetSpent")
