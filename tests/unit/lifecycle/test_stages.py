"""Stages without records: what follows when they end without what was asked of them."""

from datetime import timedelta

import pytest

from mergesearch.api.status import Phase, Stage
from mergesearch.contract import CleanupReport, Exit, Failure
from mergesearch.lifecycle.advance import next_due
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, Process, faults, resource

STAGES = (Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS, Stage.COMPARE, Stage.CLEANUP)
DISRUPTED = End(code=143, disrupted=True)


def running(bench: Bench, stage: Stage) -> Process:
    bench.until(lambda status: any(launch.stage is stage for launch in status.launches))
    return next(p for p in bench.processes.values() if p.child.launch.stage is stage)


@pytest.mark.parametrize("stage", STAGES)
def test_disruptions_are_no_failures_and_pass(stage: Stage) -> None:
    bench = Bench(resource(), faults=faults((stage, None, DISRUPTED), times=5))
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert len(bench.made(stage)) == 6
    assert status.stage_failures == {}
    assert status.stage_disruptions == {}


@pytest.mark.parametrize("stage", STAGES)
def test_disruptions_without_end_stall(stage: Stage) -> None:
    bench = Bench(resource(), faults=faults((stage, None, DISRUPTED)))
    bench.rest()
    assert bench.condition("Stalled") == ("True", "DisruptedTooOften")
    assert len(bench.made(stage)) == 11
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


def test_the_pauses_between_tries_double() -> None:
    bench = Bench(resource(), faults=faults((Stage.COMPARE, None, DISRUPTED)), seconds=0.0)
    pauses = []
    for _ in range(4):
        process = running(bench, Stage.COMPARE)
        process.start(bench.world, bench.now)
        bench.finish(process, DISRUPTED)
        bench.step()
        due = next_due(bench.status, bench.now)
        assert due is not None
        pauses.append(due - bench.now)
        bench.now = due
        bench.step()
    assert pauses == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 16)]


def test_a_report_that_is_there_counts_however_its_process_ended() -> None:
    bench = Bench(resource())
    process = running(bench, Stage.COMPARE)
    process.start(bench.world, bench.now)
    process.publish(1)
    process.end(Exit(code=143), bench.now, disrupted=True)
    bench.step()
    assert bench.status.confirmed is not None


def test_a_report_counts_when_its_process_has_ended_and_not_before() -> None:
    bench = Bench(resource())
    process = running(bench, Stage.COMPARE)
    process.start(bench.world, bench.now)
    process.publish(1)
    bench.step()
    assert bench.status.confirmed is None
    bench.finish(process)
    bench.step()
    assert bench.status.confirmed is not None


ENDS: dict[str, tuple[End, str]] = {
    "vanished": (End(code=None), "the process vanished"),
    "died": (End(code=137), "exit code 137, and no report that answers this request"),
    "said why": (End(code=75, message="no memory"), "no memory"),
    "done without a report": (End(code=0), "exit code 0, and no report that answers this request"),
}


@pytest.mark.parametrize(("end", "message"), ENDS.values(), ids=ENDS.keys())
def test_an_end_without_a_report_is_tried_again_and_then_stalls_with_the_last_words(end: End, message: str) -> None:
    bench = Bench(resource(), faults=faults((Stage.COMPARE, None, end)))
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", "ComparisonFailed")
    assert status.stalled is not None
    assert status.stalled.message == message
    assert len(bench.made(Stage.COMPARE)) == 3


def test_a_report_of_another_request_or_kind_is_none() -> None:
    bench = Bench(resource())
    process = running(bench, Stage.COMPARE)
    process.start(bench.world, bench.now)
    process.publish(1)
    (report,) = process.reports
    process.reports = [
        report.model_copy(update={"request_hash": "f" * 64}),
        CleanupReport(version=1, request_hash=report.request_hash),
    ]
    process.end(Exit(code=0), bench.now)
    bench.step()
    assert bench.status.confirmed is None
    assert bench.status.stage_failures == {Stage.COMPARE: 1}


@pytest.mark.parametrize("gain", [float("nan"), float("inf")])
def test_a_gain_that_is_no_number_is_no_comparison(gain: float) -> None:
    bench = Bench(resource())
    process = running(bench, Stage.COMPARE)
    process.start(bench.world, bench.now)
    process.publish(1)
    (report,) = process.reports
    some = list(getattr(report, "comparisons"))  # noqa: B009 - a report of any kind, for the type checker
    some[0] = some[0].model_copy(update={"gain": gain})
    process.reports = [report.model_copy(update={"comparisons": tuple(some)})]
    process.end(Exit(code=0), bench.now)
    bench.step()
    assert bench.status.confirmed is None


def test_a_success_forgets_the_failures_before_it() -> None:
    bench = Bench(resource(), faults=faults((Stage.PREFLIGHT_TASKS, None, End(code=1)), times=2))
    bench.until(lambda status: not status.preflight_due)
    assert bench.status.stage_failures == {}


def test_a_cleanup_that_reports_a_failure_is_tried_again_and_then_let_be() -> None:
    wrong = Failure(reason=Reason.WORKSPACE_UNWRITABLE, message="read-only")
    bench = Bench(resource(), faults=faults((Stage.CLEANUP, None, End(code=0, failure=wrong))))
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(Stage.CLEANUP)) == 3
