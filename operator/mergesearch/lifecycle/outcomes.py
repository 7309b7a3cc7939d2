"""Folding what the children report into the records; pure.

Reports are taken one by one, also while their process still runs; a report counts only for a record that waits for
just this request, so late, repeated and mismatched ones change nothing. When a child has ended, what it left without
a report is tried again, fails for good, or stalls the search, and its launch is dropped.
"""

from mergesearch.api.base import number_of
from mergesearch.api.status import Launch, Record, RecordState, Stage
from mergesearch.contract import EvaluationReport, Exit, Failure, MergeReport, Report, Request
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import accounting, records, requests, retries, stages
from mergesearch.lifecycle.step import ChildState, ObservedChild, Step
from mergesearch.reasons import Reason
from mergesearch.search import objective

STDERR_DIGITS = 6
CHANGED = (Reason.CHECKPOINT_CHANGED, Reason.TASKS_CHANGED)
NOT_RUN = (RecordState.SCORED, RecordState.FAILED, RecordState.WAITING, RecordState.MERGED)
"""States in which nothing runs for a record."""


def fold(step: Step) -> Step:
    """Take in every report and every end of a child that the status has a launch for."""
    for launch in step.status.launches:
        child = step.observed.child(launch.number)
        if child is not None and launch in step.status.launches:
            step = _fold_child(step, launch, child)
    return step


def _fold_child(step: Step, launch: Launch, child: ObservedChild) -> Step:
    request = requests.request_of(step.resource, step.status, launch)
    if launch.stage not in (Stage.MERGE, Stage.EVALUATE):
        return stages.fold(step, launch, child, request) if child.state is ChildState.ENDED else step
    refused = set()
    for report in child.reports:
        if _matches(report, request):
            step = _take(step, launch, report)
        elif isinstance(report, MergeReport | EvaluationReport):
            refused.add(report.candidate)
    if child.state is not ChildState.ENDED:
        return step
    end = child.exit or Exit(code=ExitCode.TRANSIENT, reason=Reason.PROCESS_DIED, message="the process vanished")
    for record in records.launched(step.status, launch):
        if record.state not in NOT_RUN:
            step = _without_report(step, launch, record, end, refused=record.id in refused, disrupted=child.disrupted)
    if end.code == ExitCode.DONE:
        step = stages.pruned(step, launch)
    return stages.drop(accounting.spend(step, launch, child), launch)


def _matches(report: Report, request: Request) -> bool:
    """Whether a report answers this very request for one of its candidates."""
    candidates = getattr(request, "candidates", ())
    hash_of = getattr(request, "hash_of", None)
    return report.kind == request.kind and any(
        candidate.id == getattr(report, "candidate", None)
        and hash_of is not None
        and hash_of(candidate) == report.request_hash
        for candidate in candidates
    )


def _take(step: Step, launch: Launch, report: Report) -> Step:
    record = records.find(step.status, launch.split, getattr(report, "candidate", ""))
    running = RecordState.MERGING if launch.stage is Stage.MERGE else RecordState.EVALUATING
    if record is None or record.state is not running:
        return step
    if report.failure is not None:
        return _failed(step, launch, record, report.failure)
    if isinstance(report, MergeReport):
        return _merged(step, launch, record, report)
    if isinstance(report, EvaluationReport):
        return _evaluated(step, launch, record, report)
    return step


def _merged(step: Step, launch: Launch, record: Record, report: MergeReport) -> Step:
    facts = {"merged": True, "merge_hash": report.request_hash}
    done = {
        "state": RecordState.MERGED,
        "charged": 0,
        "reason": None,
        "message": "",
        "merge_seconds": round(report.seconds, 3),
    }
    if launch.split != "unseen":
        return records.change(step, launch.split, record, **facts, **done)
    origin = records.source(step.status, record)
    step = records.change(step, records.split_of(origin), origin, **facts)
    return records.change(step, launch.split, record, **done)


def _evaluated(step: Step, launch: Launch, record: Record, report: EvaluationReport) -> Step:
    held_in = len(step.spec.objective.tasks)
    scores = tuple(score.score for score in report.scores)
    task_weights = [number_of(task.weight) for task in step.spec.objective.tasks]
    wanted = [task.name for task in step.spec.objective.tasks]
    if launch.split == "unseen":
        wanted += [task.name for task in step.spec.held_out.tasks]
    if [score.task for score in report.scores] != wanted:
        found = ", ".join(score.task for score in report.scores) or "none"
        failure = Failure(reason=Reason.METRIC_MISSING, message=f"scores for {found}; wanted {', '.join(wanted)}")
        return _failed(step, launch, record, failure)
    try:
        fitness = objective.aggregate(scores[:held_in], task_weights, step.spec.objective.aggregate)
    except ValueError as error:
        return _failed(step, launch, record, Failure(reason=Reason.NON_FINITE_SCORE, message=str(error)))
    step = accounting.count_tokens(step, report)
    return records.change(
        step,
        launch.split,
        record,
        state=RecordState.SCORED,
        charged=0,
        reason=None,
        message="",
        scores=scores,
        errors=tuple(None if s.stderr is None else round(s.stderr, STDERR_DIGITS) for s in report.scores),
        fitness=fitness,
        finished_at=step.now,
        evaluate_seconds=round(report.seconds, 3),
    )


def _failed(step: Step, launch: Launch, record: Record, failure: Failure) -> Step:
    if failure.reason is Reason.WEIGHTS_LOST:
        origin = records.source(step.status, record)
        step = records.change(step, records.split_of(origin), origin, merged=False)
        record = records.find(step.status, launch.split, record.id) or record
    if failure.reason in CHANGED:
        step = step.stall(failure.reason, failure.message)
        return records.put(step, launch.split, records.sent_back(record))
    return retries.settle(step, launch, record, failure)


def _without_report(step: Step, launch: Launch, record: Record, end: Exit, *, refused: bool, disrupted: bool) -> Step:
    """What becomes of a record whose process has ended without a report that counts."""
    reason, message = end.reason or Reason.PROCESS_DIED, end.message or f"exit code {end.code}"
    if disrupted:
        return retries.disrupted(step, launch, record, message)
    if end.code == ExitCode.INVALID_REQUEST:
        step = step.stall(reason if end.reason else Reason.REQUEST_REFUSED, message)
        return records.put(step, launch.split, records.sent_back(record))
    if refused:
        reason, message = Reason.REPORT_MISMATCH, "a report came that answers another request"
    elif end.code == ExitCode.DONE:
        reason, message = Reason.REPORT_MISSING, "the process ended well but left no report"
    transient = end.code != ExitCode.INVALID_CANDIDATE
    return retries.settle(step, launch, record, Failure(reason=reason, message=message[:2000], transient=transient))
