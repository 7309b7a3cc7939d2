"""The step as a whole: nothing new leaves the status as it is; when to look again."""

from datetime import timedelta

from mergesearch.api.status import MergeSearchStatus, Phase, RecordState, Stage
from mergesearch.lifecycle.advance import advance, next_due
from mergesearch.lifecycle.step import MAX_DECISION, Observed, Step, clip
from mergesearch.reasons import Reason
from unit.lifecycle.world import START, Bench, End, faults, resource


def test_a_search_begins_from_nothing() -> None:
    status = advance(resource(), None, Observed(), START)
    assert status.phase is Phase.PREFLIGHT
    assert status.start_time == START
    assert len(status.launches) == 2


def test_the_same_object_comes_back_where_nothing_has_changed_however_late_it_is() -> None:
    bench = Bench(resource())
    bench.step()
    for seconds in (0, 1, 10**6):
        assert advance(bench.resource, bench.status, Observed(), START + timedelta(seconds=seconds)) is bench.status


def test_the_order_in_which_children_are_seen_does_not_matter() -> None:
    bench = Bench(resource(search={"parallelism": 4}))
    bench.until(lambda status: sum(r.state is RecordState.EVALUATING for r in status.candidates) == 4)
    bench.work()
    seen = bench.observe().children
    forward = advance(bench.resource, bench.status, Observed(children=seen), bench.now)
    backward = advance(bench.resource, bench.status, Observed(children=seen[::-1]), bench.now)
    assert forward == backward


def test_a_whole_search_is_the_same_every_time() -> None:
    assert Bench(resource()).rest() == Bench(resource()).rest()


def test_children_that_nobody_asked_for_are_ignored() -> None:
    bench, other = Bench(resource()), Bench(resource(search={"parallelism": 4}))
    other.rest()
    bench.step()
    other.step()
    before = bench.status
    strangers = tuple(process.observed() for process in other.processes.values())
    assert advance(bench.resource, before, Observed(children=strangers), bench.now) is before


# --- When to look again ---


def test_nothing_is_due_by_itself_in_a_search_that_waits_for_its_children() -> None:
    bench = Bench(resource())
    bench.until(lambda status: bool(status.candidates))
    assert next_due(bench.status, bench.now) is None


def test_the_end_of_the_shortest_pause_is_due() -> None:
    bench = Bench(resource(merger={"batch": 4}, evaluator={"batch": 4}), seconds=0.0)
    bench.faults = faults((Stage.EVALUATE, "c0001", End(code=137)), (Stage.PREFLIGHT_TASKS, None, End(code=1)), times=1)
    bench.until(lambda status: bool(status.stage_failures))
    assert next_due(bench.status, bench.now) == bench.now + timedelta(seconds=2)
    bench.now += timedelta(seconds=2)
    assert next_due(bench.status, bench.now) is None
    bench.until(lambda status: any(record.not_before for record in status.candidates))
    assert next_due(bench.status, bench.now) == bench.now + timedelta(seconds=2)


def test_what_has_ended_is_due_no_more() -> None:
    bench = Bench(resource())
    status = bench.rest()
    late = status.candidates[0].model_copy(update={"not_before": bench.now + timedelta(hours=1)})
    assert next_due(status.model_copy(update={"candidates": (late,)}), bench.now) is None


# --- Decisions ---


def test_the_first_reason_for_a_stall_stays() -> None:
    step = Step(resource=resource(), status=MergeSearchStatus(), observed=Observed(), now=START)
    step = step.stall(Reason.STORAGE_FULL, "first").stall(Reason.NAME_CONFLICT, "second")
    assert step.status.stalled is not None
    assert (step.status.stalled.reason, step.status.stalled.message) == (Reason.STORAGE_FULL, "first")


def test_a_message_is_cut_where_it_is_too_long_and_says_so() -> None:
    step = Step(resource=resource(), status=MergeSearchStatus(), observed=Observed(), now=START)
    stalled = step.stall(Reason.STORAGE_FULL, "m" * 5000).status.stalled
    assert stalled is not None
    assert len(stalled.message) == MAX_DECISION
    assert stalled.message.endswith("…")
    assert clip("short", 10) == "short"
