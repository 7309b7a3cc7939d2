"""Folding what the children report into the records; pure.

Reports are taken one by one, also while their process still runs; a report counts only for a record that waits for
just this request, so late, repeated and mismatched ones change nothing. When a child has ended, what it left without
a report is tried again, fails for good, or stalls the search, and its launch is dropped.
"""

import math

from mergesearch.api.base import number_of
from mergesearch.api.status import Launch, Record, RecordState, Stage
from mergesearch.contract import EvaluationReport, Exit, Failure, MergeReport
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import accounting, launches, reading, records, requests, retries, roles, stages, waits
from mergesearch.lifecycle.step import MAX_DECISION, ChildState, ObservedChild, Step, clip
from mergesearch.reasons import Reason
from mergesearch.search import objective

SCORE_DIGITS = 9
"""Decimals of a score that are kept: far more than samples can tell, and half of what a float takes in a status."""
STDERR_DIGITS = 6
CHANGED = (Reason.CHECKPOINT_CHANGED, Reason.TASKS_CHANGED)
RecordReport = MergeReport | EvaluationReport


def fold(step: Step) -> Step:
    """Take in every report and every end of a child that the status has a launch for."""
    for launch in step.status.launches:
        child = step.observed.child(launch.number)
        if child is None or launch not in step.status.launches:
            continue
        child = waits.cut_short(step, launch, child)
        ended = child.state is ChildState.ENDED
        if requests.asked(launch).stage in roles.WITH_RECORDS:
            step, refused = _fold_reports(step, requests.asked(launch), child)
            step = _fold_end(step, launch, child, refused) if ended else step
        elif ended and reading.possible(launch, child):
            step = reading.begin(step, launch, child)
        elif ended:
            step = stages.fold(step, launch, child)
    return step


def _fold_reports(step: Step, launch: Launch, child: ObservedChild) -> tuple[Step, set[str]]:
    """Take in what was published so far; returns the candidates of which a report came that answers another request."""
    reports = [report for report in child.reports if isinstance(report, RecordReport)]
    if not reports:
        return step, set()
    # Hashed once a launch: each hash reads all tasks with all their leaves.
    expected = _hashes(step, launch, {report.candidate for report in reports})
    refused = set()
    for report in reports:
        if expected.get(report.candidate) == (report.kind, report.request_hash):
            step = _take(step, launch, report)
        else:
            refused.add(report.candidate)
    return step, refused


def _hashes(step: Step, launch: Launch, wanted: set[str]) -> dict[str, tuple[str, str]]:
    """Kind and request hash that the reports of these candidates have to carry."""
    request = requests.request_of(step.resource, step.status, launch)
    assert isinstance(request, requests.OfRecords)
    some = tuple(candidate for candidate in request.candidates if candidate.id in wanted)
    if not some:
        return {}
    asked = request.model_copy(update={"candidates": some})
    return {identity: (request.kind, found) for identity, found in requests.hashes_of(asked).items()}


def _fold_end(step: Step, launch: Launch, child: ObservedChild, refused: set[str]) -> Step:
    """What the child left undone, what it removed and what it has cost; the launch is over."""
    left = [record for record in records.launched(step.status, launch) if record.state in launches.RUNNING]
    if left and reading.possible(launch, child):
        return reading.begin(step, launch, child, tuple(record.id for record in left))
    if launch.stage is Stage.READ:
        return _read(step, launch, child, left)
    end = child.exit or Exit(code=ExitCode.TRANSIENT, reason=Reason.PROCESS_DIED, message="the process vanished")
    for record in left:
        facts = {"refused": record.id in refused, "disrupted": child.disrupted, "shared": len(left) > 1}
        step = _without_report(step, launch, record, end, **facts)
    if end.code == ExitCode.DONE:
        step = stages.pruned(step, launch)
    return launches.drop(accounting.spend(step, launch, child), launch)


def _read(step: Step, launch: Launch, child: ObservedChild, left: list[Record]) -> Step:
    """What becomes of records whose reports were looked for and not found: as their process has ended. Where nobody
    knows that, or nobody could look or tell what was found, they are tried again, and nothing is charged.
    """
    looked = child.exit is not None and child.exit.code == ExitCode.DONE and not child.unread
    for record in left:
        if looked and launch.ended is not None:
            end = Exit(code=launch.ended.code, reason=launch.ended.reason, message=launch.ended.message)
            facts = {"refused": False, "disrupted": False, "shared": len(left) > 1}
            step = _without_report(step, requests.asked(launch), record, end, **facts)
        else:
            message = "what its process has reported could not be read"
            step = retries.excuse(step, requests.asked(launch), record, Reason.REPORT_MISSING, message)
    return launches.drop(accounting.spend(step, launch, child), launch)


def _take(step: Step, launch: Launch, report: RecordReport) -> Step:
    record = records.find(step.status, launch.split, report.candidate)
    running = RecordState.MERGING if launch.stage is Stage.MERGE else RecordState.EVALUATING
    if record is None or record.state is not running:
        return step
    if report.failure is not None:
        return _failed(step, launch, record, report.failure)
    if isinstance(report, MergeReport):
        return _merged(step, launch, record, report)
    return _evaluated(step, launch, record, report)


def _merged(step: Step, launch: Launch, record: Record, report: MergeReport) -> Step:
    facts = {"merged": True, "merge_hash": report.request_hash}
    done = {
        "state": RecordState.MERGED,
        "charged": 0,
        "alone": False,
        "reason": None,
        "message": "",
        "merge_seconds": accounting.rounded(report.seconds),
    }
    if launch.split != "unseen":
        return records.change(step, launch.split, record, **facts, **done)
    origin = records.source(step.status, record)
    step = records.change(step, records.split_of(origin), origin, **facts)
    sealed = {"merge_hash": report.request_hash, "weights_digest": report.weights_digest}
    return records.change(step, launch.split, record, **done, **sealed)


def _evaluated(step: Step, launch: Launch, record: Record, report: EvaluationReport) -> Step:
    held_in = len(step.spec.objective.tasks)
    scores = tuple(round(score.score, SCORE_DIGITS) for score in report.scores)
    task_weights = [number_of(task.weight) for task in step.spec.objective.tasks]
    wanted = [task.name for task in step.spec.objective.tasks]
    if launch.split == "unseen":
        wanted += [task.name for task in step.spec.held_out.tasks]
    if [score.task for score in report.scores] != wanted:
        found = ", ".join(score.task for score in report.scores) or "none"
        failure = _failure(Reason.METRIC_MISSING, f"scores for {found}; wanted {', '.join(wanted)}")
        return _failed(step, launch, record, failure)
    try:
        fitness = objective.aggregate(scores[:held_in], task_weights, step.spec.objective.aggregate)
        objective.refuse_non_finite(scores)
    except ValueError as error:
        return _failed(step, launch, record, _failure(Reason.NON_FINITE_SCORE, str(error)))
    step = accounting.count_tokens(step, record, report)
    return records.change(
        step,
        launch.split,
        record,
        state=RecordState.SCORED,
        charged=0,
        alone=False,
        reason=None,
        message="",
        scores=scores,
        errors=tuple(_error(score.stderr) for score in report.scores),
        fitness=fitness,
        finished_at=step.now,
        evaluate_seconds=accounting.rounded(report.seconds),
        prompt_tokens=report.prompt_tokens,
        generated_tokens=report.generated_tokens,
    )


def _error(stderr: float | None) -> float | None:
    return round(stderr, STDERR_DIGITS) if stderr is not None and math.isfinite(stderr) else None


def _failed(step: Step, launch: Launch, record: Record, failure: Failure) -> Step:
    if failure.reason in CHANGED:
        step = step.stall(failure.reason, failure.message)
        return records.put(step, launch.split, records.sent_back(record))
    if failure.reason is not Reason.WEIGHTS_LOST:
        return retries.settle(step, launch, record, failure)
    origin = records.source(step.status, record)
    step = records.change(step, records.split_of(origin), origin, merged=False)
    # Without a confirmation in between, the origin is the record itself.
    lost = record.model_copy(update={"merged": False})
    return retries.excuse(step, launch, lost, failure.reason, failure.message)


def _without_report(
    step: Step, launch: Launch, record: Record, end: Exit, *, refused: bool, disrupted: bool, shared: bool
) -> Step:
    """What becomes of a record whose process has ended without a report that counts; `shared`: others are left too."""
    reason, message = retries.reason_of(end), end.message or f"exit code {end.code}"
    if disrupted:
        return retries.excuse(step, launch, record, Reason.DISRUPTED, message)
    if end.code == ExitCode.INVALID_REQUEST:
        step = step.stall(reason, message)
        return records.put(step, launch.split, records.sent_back(record))
    if refused:
        reason, message = Reason.REPORT_MISMATCH, "a report came that answers another request"
    elif end.code == ExitCode.DONE:
        reason, message = Reason.REPORT_MISSING, "the process ended well but left no report"
    if shared and not refused:
        return retries.part(step, launch, record, reason, message)
    # What is said of a process as a whole can only be said of a candidate where it is alone.
    final = end.code == ExitCode.INVALID_CANDIDATE and len(launch.candidates) == 1 and not refused
    return retries.settle(step, launch, record, _failure(reason, message, transient=not final))


def _failure(reason: Reason, message: str, *, transient: bool = False) -> Failure:
    return Failure(reason=reason, message=clip(message, MAX_DECISION), transient=transient)
