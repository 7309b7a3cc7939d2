"""A score comes from a report that answers this very request, and from nothing else."""

import math
from collections.abc import Callable

import pytest

from mergesearch.api.status import MAX_MESSAGE, Phase, Record, RecordState, Stage
from mergesearch.contract import EvaluationReport, Exit, Failure, MergeReport, Report, TaskScore
from mergesearch.lifecycle.outcomes import SCORE_DIGITS
from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, Process, faults, resource

SEARCH = resource(merger={"batch": 4}, evaluator={"batch": 4, "retries": 1}, search={"baselines": ["Uniform"]})


def at(stage: Stage, split: str = "search") -> tuple[Bench, Process]:
    """A bench with a running process of a stage: of the whole first generation, or of the confirmation."""
    bench = Bench(SEARCH)

    def found() -> Process | None:
        for process in bench.processes.values():
            launch = process.child.launch
            whole = split == "unseen" or launch.candidates == ("c0001", "c0002", "c0003", "c0004")
            if launch.stage is stage and launch.split == split and whole:
                return process
        return None

    bench.until(lambda _status: found() is not None)
    process = found()
    assert process is not None
    process.start(bench.world, bench.now)
    return bench, process


def scores(report: Report) -> tuple[TaskScore, ...]:
    assert isinstance(report, EvaluationReport)
    return report.scores


def number(report: Report, index: int, value: float) -> Report:
    """The report with a score that no JSON could hold."""
    some = list(scores(report))
    some[index] = TaskScore.model_construct(task=some[index].task, score=value, stderr=0.1, samples=1)
    return report.model_copy(update={"scores": tuple(some)})


# --- Reports that count ---


def test_reports_are_taken_one_by_one_while_their_process_runs() -> None:
    bench, process = at(Stage.EVALUATE)
    for done in range(1, 5):
        process.publish(1)
        bench.step()
        states = [record.state for record in bench.status.candidates[:4]]
        assert states == [RecordState.SCORED] * done + [RecordState.EVALUATING] * (4 - done)
    assert process.state is ChildState.RUNNING
    assert len(bench.status.candidates) == 8, "the next generation waits for scores only"


def test_a_score_is_the_reports() -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    bench.step()
    record, report = bench.record("c0001"), process.reports[0]
    assert record.scores == tuple(round(score.score, SCORE_DIGITS) for score in scores(report))
    assert record.scores == pytest.approx([score.score for score in scores(report)], abs=1e-9)
    assert record.fitness == math.fsum(record.scores) / 2
    assert record.errors == (0.02, 0.02)
    assert (record.evaluate_seconds, record.finished_at, record.reason) == (10.0, bench.now, None)


def test_tokens_are_counted_once_a_report() -> None:
    bench, process = at(Stage.EVALUATE)
    before = bench.status.cost
    process.publish(2)
    bench.step()
    bench.step()
    after = bench.status.cost
    assert after.prompt_tokens - before.prompt_tokens == 200
    assert after.generated_tokens - before.generated_tokens == 100


def test_merges_count_as_soon_as_they_are_reported_and_are_scored_when_their_process_has_ended() -> None:
    bench, process = at(Stage.MERGE)
    process.publish(3)
    bench.step()
    assert [r.state for r in bench.status.candidates] == [RecordState.MERGED] * 3 + [RecordState.MERGING]
    assert all(r.merged and r.merge_hash and r.merge_seconds == 1.0 for r in bench.status.candidates[:3])
    assert bench.status.counts.evaluating == 3
    assert not bench.made(Stage.EVALUATE, "search")[1:], "only uniform was scored so far"
    bench.finish(process)
    bench.step()
    assert bench.made(Stage.EVALUATE, "search")[1:] == [("c0001", "c0002", "c0003", "c0004")]


def test_reports_that_are_there_when_nobody_knows_how_a_process_ended_count() -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(2)
    process.end(None, bench.now)
    bench.step()
    assert [r.state for r in bench.status.candidates] == [RecordState.SCORED] * 2 + [RecordState.WAITING] * 2
    assert {r.reason for r in bench.status.candidates[2:]} == {Reason.PROCESS_DIED}


# --- Reports that do not ---

Spoil = Callable[[Report], Report]
IGNORED: dict[str, Spoil] = {
    "another hash": lambda report: report.model_copy(update={"request_hash": "f" * 64}),
    "another candidate's name": lambda report: report.model_copy(update={"candidate": "c0002"}),
    "nobody's name": lambda report: report.model_copy(update={"candidate": "c0099"}),
    "another kind": lambda report: MergeReport(version=1, candidate="c0001", request_hash=report.request_hash),
}


@pytest.mark.parametrize("spoil", IGNORED.values(), ids=IGNORED.keys())
def test_a_report_that_answers_another_request_changes_nothing(spoil: Spoil) -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    process.reports = [spoil(process.reports[0])]
    before = bench.status
    bench.step()
    assert bench.status is before or bench.status.candidates == before.candidates


def test_when_only_such_a_report_came_the_candidate_is_tried_again_and_charged() -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    process.reports = [IGNORED["another hash"](process.reports[0])]
    process.end(Exit(code=65), bench.now)
    bench.step()
    record = bench.record("c0001")
    assert (record.state, record.reason, record.charged) == (RecordState.WAITING, Reason.REPORT_MISMATCH, 1)
    assert bench.record("c0002").reason is Reason.PROCESS_DIED


def test_a_report_that_comes_twice_counts_once() -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    bench.step()
    before = bench.status
    process.reports *= 3
    assert bench.step() is False
    assert bench.status is before


def test_the_first_report_of_a_try_counts() -> None:
    """A failure has sent the candidate back; a score that comes after it in the same process is not the one awaited."""
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    good = process.reports[0]
    again = Failure(reason=Reason.ENGINE_FAILED, message="CUDA error", transient=True)
    process.reports = [good.model_copy(update={"failure": again, "scores": ()}), good]
    bench.step()
    assert bench.record("c0001").state is RecordState.WAITING
    bench.finish(process)
    bench.now = bench.record("c0001").not_before or bench.now
    bench.step()
    assert bench.record("c0001").attempt == 2
    assert bench.rest().phase is Phase.COMPLETE


def test_reports_of_a_launch_that_is_over_change_nothing() -> None:
    bench, process = at(Stage.EVALUATE)
    bench.finish(process)
    bench.step()
    before = bench.status
    bench.processes[process.child.launch.number] = process
    assert bench.step() is False
    assert bench.status is before


def test_a_launch_without_a_child_waits() -> None:
    bench, _ = at(Stage.EVALUATE)
    bench.processes.clear()
    before = bench.status.candidates
    bench.step()
    assert bench.status.candidates == before
    assert bench.rest().phase is Phase.COMPLETE


# --- Nonsense ---

NONSENSE: dict[str, tuple[Spoil, Reason, str]] = {
    "not a number": (lambda r: number(r, 0, math.nan), Reason.NON_FINITE_SCORE, "not finite"),
    "infinite": (lambda r: number(r, 1, math.inf), Reason.NON_FINITE_SCORE, "not finite"),
    "a task too few": (
        lambda r: r.model_copy(update={"scores": scores(r)[:1]}),
        Reason.METRIC_MISSING,
        "scores for a; wanted a, b",
    ),
    "no task": (lambda r: r.model_copy(update={"scores": ()}), Reason.METRIC_MISSING, "scores for none; wanted a, b"),
    "another order": (
        lambda r: r.model_copy(update={"scores": scores(r)[::-1]}),
        Reason.METRIC_MISSING,
        "scores for b, a; wanted a, b",
    ),
    "a task twice": (
        lambda r: r.model_copy(update={"scores": scores(r) * 2}),
        Reason.METRIC_MISSING,
        "scores for a, b, a, b; wanted a, b",
    ),
}


@pytest.mark.parametrize(("spoil", "reason", "message"), NONSENSE.values(), ids=NONSENSE.keys())
def test_a_nonsensical_score_fails_the_candidate_and_is_never_a_number(
    spoil: Spoil, reason: Reason, message: str
) -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    process.reports = [spoil(process.reports[0])]
    bench.step()
    record = bench.record("c0001")
    assert (record.state, record.reason, record.fitness, record.scores) == (RecordState.FAILED, reason, None, ())
    assert message in record.message


def test_a_held_out_score_that_is_no_number_fails_the_confirmation() -> None:
    bench, process = at(Stage.EVALUATE, "unseen")
    process.publish(1)
    process.reports = [number(process.reports[0], -1, math.nan)]
    bench.step()
    record = bench.record(process.child.launch.candidates[0], "unseen")
    assert (record.state, record.reason) == (RecordState.FAILED, Reason.NON_FINITE_SCORE)


def test_a_geometric_mean_of_a_negative_score_is_no_score() -> None:
    bench = Bench(resource(objective={"aggregate": "GeometricMean"}, search={"baselines": ["Uniform"]}))
    bench.world.landscape = lambda _weights, task, _split: -0.5 if task == "a" else 0.5
    bench.rest()
    assert bench.record("uniform").reason is Reason.NON_FINITE_SCORE


def test_an_error_or_a_time_that_is_no_number_is_left_out() -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    some = [
        TaskScore.model_construct(task=s.task, score=s.score, stderr=math.nan, samples=1)
        for s in scores(process.reports[0])
    ]
    process.reports = [process.reports[0].model_copy(update={"scores": tuple(some), "seconds": math.inf})]
    bench.step()
    record = bench.record("c0001")
    assert record.state is RecordState.SCORED
    assert (record.errors, record.evaluate_seconds) == ((None, None), None)


def test_a_score_without_a_standard_error_has_none() -> None:
    bench, process = at(Stage.EVALUATE)
    process.publish(1)
    some = [score.model_copy(update={"stderr": None}) for score in scores(process.reports[0])]
    process.reports = [process.reports[0].model_copy(update={"scores": tuple(some)})]
    bench.step()
    assert bench.record("c0001").errors == (None, None)


# --- Ends without a report ---

ENDS: dict[str, tuple[End, RecordState, Reason]] = {
    "done without a report": (End(code=0), RecordState.WAITING, Reason.REPORT_MISSING),
    "killed": (End(code=137), RecordState.WAITING, Reason.PROCESS_DIED),
    "transient": (End(code=75), RecordState.WAITING, Reason.UNEXPECTED),
    "asked to stop": (End(code=143), RecordState.WAITING, Reason.INTERRUPTED),
    "no space": (End(code=66), RecordState.WAITING, Reason.NO_SPACE),
    "in its own words": (End(code=75, reason=Reason.OUT_OF_MEMORY), RecordState.WAITING, Reason.OUT_OF_MEMORY),
    "disrupted": (End(code=143, disrupted=True), RecordState.WAITING, Reason.DISRUPTED),
    "vanished": (End(code=None), RecordState.WAITING, Reason.PROCESS_DIED),
}


@pytest.mark.parametrize(("end", "state", "reason"), ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("stage", [Stage.MERGE, Stage.EVALUATE])
def test_an_end_without_a_report_says_why(stage: Stage, end: End, state: RecordState, reason: Reason) -> None:
    bench, process = at(stage)
    bench.finish(process, end)
    bench.step()
    record = bench.record("c0001")
    assert (record.state, record.reason, record.attempt) == (state, reason, 2)
    assert record.not_before is not None
    assert record.not_before > bench.now


def invalid(bench: Bench) -> list[Record]:
    return [record for record in bench.status.candidates if record.state is RecordState.FAILED]


def test_an_invalid_candidate_is_not_tried_again() -> None:
    bench = Bench(resource(search={"baselines": []}))
    bench.faults = faults((Stage.MERGE, "c0001", End(code=65, reason=Reason.NON_FINITE_WEIGHTS, message="w" * 999)))
    assert bench.rest().phase is Phase.COMPLETE
    (record,) = invalid(bench)
    assert (record.reason, len(record.message), record.attempt) == (Reason.NON_FINITE_WEIGHTS, MAX_MESSAGE, 1)


def test_what_a_batch_says_of_itself_is_not_said_of_its_candidates() -> None:
    bench, process = at(Stage.EVALUATE)
    bench.finish(process, End(code=65, reason=Reason.NON_FINITE_SCORE))
    bench.step()
    assert invalid(bench) == []


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (End(code=64, reason=Reason.ENGINE_REFUSED, message="no such argument"), "EngineRefused"),
        (End(code=64), "RequestRefused"),
    ],
    ids=["with a reason", "without"],
)
def test_a_request_that_is_refused_stalls_and_charges_nobody(end: End, reason: str) -> None:
    bench, process = at(Stage.EVALUATE)
    bench.finish(process, end)
    bench.step()
    assert bench.condition("Stalled") == ("True", reason)
    assert {(r.state, r.charged) for r in bench.status.candidates} == {(RecordState.WAITING, 0)}


@pytest.mark.parametrize("reason", [Reason.CHECKPOINT_CHANGED, Reason.TASKS_CHANGED])
def test_inputs_that_have_changed_stall_and_charge_nobody(reason: Reason) -> None:
    bench, process = at(Stage.EVALUATE)
    bench.finish(process, End(code=0, failure=Failure(reason=reason, message="m-1 was overwritten")))
    bench.step()
    assert bench.condition("Stalled") == ("True", str(reason))
    assert {(r.state, r.charged) for r in bench.status.candidates} == {(RecordState.WAITING, 0)}


# --- Lost weights ---


def test_lost_weights_charge_nobody_and_are_merged_again() -> None:
    bench, process = at(Stage.EVALUATE)
    bench.world.destroy("c0002")
    bench.finish(process)
    bench.step()
    record = bench.record("c0002")
    assert (record.state, record.merged, record.charged, record.disruptions) == (RecordState.WAITING, False, 0, 1)
    assert bench.rest().phase is Phase.COMPLETE
    assert [ids for ids in bench.made(Stage.MERGE) if "c0002" in ids][1:] == [("c0002",)]


def test_lost_weights_of_a_finalist_are_merged_again() -> None:
    bench, process = at(Stage.EVALUATE, "unseen")
    finalist = next(name for name in process.child.launch.candidates if name.startswith("c"))
    bench.world.destroy(finalist)
    bench.finish(process)
    bench.step()
    assert bench.record(finalist).state is RecordState.SCORED, "its score on the search samples stays"
    assert not bench.record(finalist).merged
    assert bench.record(finalist, "unseen").state is RecordState.WAITING
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert bench.record(finalist, "unseen").state is RecordState.SCORED


def test_weights_that_are_lost_again_and_again_stall_the_search() -> None:
    """An evaluator that sees another volume than the merger would go on for ever."""
    bench = Bench(resource(evaluator={"retries": 0}, search={"baselines": ["Uniform"]}))
    lost = Failure(reason=Reason.WEIGHTS_LOST, message="nothing there", transient=True)
    bench.faults = faults((Stage.EVALUATE, "uniform", End(code=0, failure=lost)))
    bench.rest()
    assert bench.condition("Stalled") == ("True", "DisruptedTooOften")
    assert len(bench.made(Stage.MERGE)) == 11
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE
