"""Folding the stages that have no records: preflight, compare and cleanup; pure."""

from mergesearch.api.status import Launch, Record, RecordState, Stage
from mergesearch.contract import (
    CompareReport,
    CompareRequest,
    Exit,
    PreflightCheckpointsReport,
    PreflightTasksReport,
    Report,
    Request,
)
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import (
    accounting,
    completion,
    launches,
    preflight,
    records,
    requests,
    retries,
    verdict,
    waits,
)
from mergesearch.lifecycle.step import ObservedChild, Step
from mergesearch.reasons import Reason

STAGE_RETRIES = 2
"""Further tries of a stage without records."""
STALLS = {
    Stage.PREFLIGHT_CHECKPOINTS: Reason.PREFLIGHT_FAILED,
    Stage.PREFLIGHT_TASKS: Reason.PREFLIGHT_FAILED,
    Stage.COMPARE: Reason.COMPARISON_FAILED,
}
"""Why the search stalls when a stage cannot be done. A cleanup that fails stalls nothing."""
TOLD_APART = (Reason.NO_SPACE, Reason.DATA_SET_UNREACHABLE)
"""What a preflight tries again and may find for good: the way out is another than that of what stands in STALLS."""


def fold(step: Step, launch: Launch, child: ObservedChild) -> Step:
    """Take in the end of a preflight, a comparison or a cleanup."""
    step = launches.drop(accounting.spend(step, launch, child), launch)
    read, launch = launch.stage is Stage.READ, requests.asked(launch)
    request = requests.request_of(step.resource, step.status, launch)
    report = _answer(request, child)
    if report is not None and report.failure is None and _whole(step, request, report):
        return _done(_at_ease(step, launch.stage), launch, report)
    if launch.stage is Stage.CLEANUP and child.unread and child.exit is not None and child.exit.code == ExitCode.DONE:
        return pruned(_at_ease(step, launch.stage), launch)
    if child.disrupted or (read and report is None):
        return _disrupted(step, launch.stage)
    if report is None:
        end = child.exit or Exit(code=ExitCode.TRANSIENT, reason=Reason.PROCESS_DIED, message="the process vanished")
        message = end.message or f"exit code {end.code}, and no report that answers this request"
        final = end.code == ExitCode.INVALID_REQUEST
        return _not_done(step, launch.stage, retries.reason_of(end), message, final=final)
    if report.failure is None:
        message = "the report does not list what was asked for"
        return _not_done(step, launch.stage, Reason.REPORT_MISMATCH, message, final=False)
    failure = report.failure
    if isinstance(report, PreflightTasksReport):
        failure = preflight.failure_of(step, report, failure)
    return _not_done(step, launch.stage, failure.reason, failure.message, final=not failure.transient)


def pruned(step: Step, launch: Launch) -> Step:
    """The weights that the launch was told to remove are gone. Their hash, a tenth of a long status, goes with them,
    but for what was confirmed: the comparison is known by it.
    """
    gone, compared = set(launch.prunes), {record.id for record in step.status.confirmations}

    def forgotten(record: Record) -> Record:
        kept = record.merge_hash if record.id in compared else None
        record = record.model_copy(update={"merged": False, "merge_hash": kept})
        return records.sent_back(record) if record.state is RecordState.MERGED else record

    step = records.change_all(step, lambda record: record.id in gone and record.merged, forgotten)
    # A confirmation that was given up has the weights of its origin.
    return records.change_all(step, lambda r: r.id in gone and r.state is RecordState.MERGED, records.sent_back)


def _answer(request: Request, child: ObservedChild) -> Report | None:
    """The report that answers this very request, if there is one."""
    assert not isinstance(request, requests.OfRecords)
    expected = (request.kind, request.hash())
    return next((report for report in child.reports if (report.kind, report.request_hash) == expected), None)


def _whole(step: Step, request: Request, report: Report) -> bool:
    """Whether a report lists what was asked for, in its order."""
    if isinstance(report, PreflightCheckpointsReport):
        return [facts.name for facts in report.checkpoints] == [one.name for one in step.spec.checkpoints]
    if isinstance(report, PreflightTasksReport):
        wanted = (*step.spec.objective.tasks, *step.spec.held_out.tasks)
        return [facts.name for facts in report.tasks] == [task.name for task in wanted]
    if isinstance(report, CompareReport):
        assert isinstance(request, CompareRequest)
        return verdict.whole(request, report)
    return True


def _done(step: Step, launch: Launch, report: Report) -> Step:
    if isinstance(report, PreflightCheckpointsReport):
        return preflight.checkpoints_known(step, report)
    if isinstance(report, PreflightTasksReport):
        return preflight.tasks_known(step, report)
    if isinstance(report, CompareReport):
        return verdict.decide(step, report)
    return pruned(step, launch)


def _at_ease(step: Step, stage: Stage) -> Step:
    """What went wrong before does not count any more."""
    status = step.status
    return step.change(
        stage_failures={other: times for other, times in status.stage_failures.items() if other is not stage},
        stage_disruptions={other: times for other, times in status.stage_disruptions.items() if other is not stage},
    )


def _disrupted(step: Step, stage: Stage) -> Step:
    """The platform ended the process: no failure, but the pauses grow and there is a cap."""
    times = step.status.stage_disruptions.get(stage, 0) + 1
    step = step.change(
        stage_disruptions={**step.status.stage_disruptions, stage: times},
        stages_not_before=step.now + retries.pause(times),
    )
    if times <= retries.MAX_DISRUPTIONS:
        return step
    if step.status.completion_time is not None:
        # A cleanup after the end of a search, which nothing stalls any more: it is given up.
        return step.change(stage_failures={**step.status.stage_failures, stage: completion.CLEANUP_TRIES})
    return step.stall(Reason.DISRUPTED_TOO_OFTEN, f"{stage}: the platform has ended its process {times} times in a row")


def _not_done(step: Step, stage: Stage, reason: Reason, message: str, *, final: bool) -> Step:
    failures = step.status.stage_failures.get(stage, 0) + 1
    step = step.change(
        stage_failures={**step.status.stage_failures, stage: failures},
        stages_not_before=step.now + retries.pause(failures),
    )
    if reason is Reason.SAMPLES_LOST:
        step = _scored_again(step)
    given_up = final or failures > STAGE_RETRIES or not waits.holds(step)
    if stage in preflight.HALVES and step.status.stalled is not None and given_up:
        # It is not tried again, since the other half has stalled the search: what is known of it is told.
        return preflight.stall(step, reason, message)
    if stage is Stage.CLEANUP or (failures <= STAGE_RETRIES and not final):
        return step
    own = final or (stage in preflight.HALVES and reason in TOLD_APART)
    return step.stall(reason if own else STALLS[stage], message)


def _scored_again(step: Step) -> Step:
    """The samples of a confirmation are not where they were: all are scored again, those that still lie there are only
    read.
    """
    for record in [record for record in step.status.confirmations if record.state is RecordState.SCORED]:
        step = records.put(step, "unseen", records.unscored(record))
    return step
