"""Folding the stages that have no records: preflight, compare and cleanup; pure."""

from mergesearch.api.base import number_of
from mergesearch.api.status import (
    MAX_MESSAGE,
    Confirmed,
    Gain,
    Launch,
    LeafStatus,
    PreflightStatus,
    Record,
    Stage,
    TaskStatus,
)
from mergesearch.contract import (
    CompareReport,
    PreflightCheckpointsReport,
    PreflightTasksReport,
    Report,
    Request,
)
from mergesearch.errors import ExitCode
from mergesearch.files import merge_folder
from mergesearch.lifecycle import accounting, records, samples, strategy
from mergesearch.lifecycle.step import ObservedChild, Step, clip
from mergesearch.reasons import Reason
from mergesearch.search import power

STAGE_RETRIES = 2
"""Further tries of a stage without records."""
WEIGHT_DIGITS = 6
STALLS = {
    Stage.PREFLIGHT_CHECKPOINTS: Reason.PREFLIGHT_FAILED,
    Stage.PREFLIGHT_TASKS: Reason.PREFLIGHT_FAILED,
    Stage.COMPARE: Reason.COMPARISON_FAILED,
}
"""Why the search stalls when a stage cannot be done. A cleanup that fails stalls nothing."""


def drop(step: Step, launch: Launch) -> Step:
    """The outcome is folded: the launch is over."""
    return step.change(launches=tuple(other for other in step.status.launches if other.number != launch.number))


def fold(step: Step, launch: Launch, child: ObservedChild, request: Request) -> Step:
    """Take in the end of a preflight, a comparison or a cleanup."""
    step = drop(accounting.spend(step, launch, child), launch)
    expected = request.hash() if hasattr(request, "hash") else ""
    report = next((r for r in child.reports if r.request_hash == expected), None)
    if report is not None and report.failure is None:
        others = {stage: n for stage, n in step.status.stage_failures.items() if stage is not launch.stage}
        return _done(step.change(stage_failures=others), launch, report)
    end = child.exit
    failure = report.failure if report is not None else None
    if child.disrupted:
        return step
    if failure is not None:
        final, reason, message = not failure.transient, failure.reason, failure.message
    else:
        final = end is not None and end.code == ExitCode.INVALID_REQUEST
        reason = (end.reason if end is not None else None) or Reason.PROCESS_DIED
        message = (end.message if end is not None else "") or "the process ended without a report"
    return _not_done(step, launch, reason, message, final=final)


def _not_done(step: Step, launch: Launch, reason: Reason, message: str, *, final: bool) -> Step:
    failures = step.status.stage_failures.get(launch.stage, 0) + 1
    step = step.change(stage_failures={**step.status.stage_failures, launch.stage: failures})
    if launch.stage is Stage.CLEANUP or (failures <= STAGE_RETRIES and not final):
        return step
    return step.stall(reason if final else STALLS[launch.stage], message)


def _done(step: Step, launch: Launch, report: Report) -> Step:
    if isinstance(report, PreflightCheckpointsReport):
        return _checkpoints_known(step, report)
    if isinstance(report, PreflightTasksReport):
        return _tasks_known(step, report)
    if isinstance(report, CompareReport):
        return _compared(step, report)
    return pruned(step, launch)


def pruned(step: Step, launch: Launch) -> Step:
    """The weights that the launch was told to remove are gone."""
    gone = set(launch.prunes)
    return records.change_all(
        step,
        lambda record: record.id in gone and record.merged,
        lambda record: record.model_copy(update={"merged": False}),
    )


def _checkpoints_known(step: Step, report: PreflightCheckpointsReport) -> Step:
    before = step.status.preflight
    found = tuple(facts.fingerprint for facts in report.checkpoints)
    changed = [
        facts.name
        for facts, old in zip(report.checkpoints, before.fingerprints, strict=False)
        if facts.fingerprint != old
    ]
    warnings = list(report.warnings)
    if changed:
        names = ", ".join(changed)
        warnings.insert(0, f"changed since an earlier preflight, scores so far are of the former content: {names}")
    return _passed(
        step,
        Stage.PREFLIGHT_CHECKPOINTS,
        fingerprints=found,
        input_bytes=sum(facts.bytes for facts in report.checkpoints),
        output_bytes=report.output_bytes,
        parameters=max((facts.parameters for facts in report.checkpoints), default=0),
        free_bytes=report.free_bytes,
        warnings=_merged_warnings(before, warnings),
    )


def _tasks_known(step: Step, report: PreflightTasksReport) -> Step:
    spec, before = step.spec, step.status.preflight
    found = tuple(
        TaskStatus(
            name=task.name,
            leaves=tuple(LeafStatus(name=f.name, total=f.total, documents=f.documents) for f in task.leaves),
        )
        for task in report.tasks
    )
    wrong = list(samples.problems(spec, found))
    if wrong:
        return step.stall(Reason.TOO_FEW_SAMPLES, "; ".join(wrong))
    if before.tasks and found != before.tasks and any(record.scores for record in step.status.baselines):
        changed = [new.name for new, old in zip(found, before.tasks, strict=False) if new != old]
        return step.stall(
            Reason.TASKS_CHANGED,
            f"the documents of {', '.join(changed)} are not those that earlier scores were taken on: "
            "restore them and set a new spec.retry, or start a new search",
        )
    weights = [number_of(task.weight) for task in spec.objective.tasks]
    return _passed(
        step,
        Stage.PREFLIGHT_TASKS,
        tasks=found,
        smallest_gain=round(power.smallest_gain(samples.unseen_counts(spec, found), weights), 4),
        versions=dict(report.versions),
        warnings=_merged_warnings(before, list(report.warnings)),
    )


def _passed(step: Step, stage: Stage, **facts: object) -> Step:
    return step.change(
        preflight=step.status.preflight.model_copy(update=facts),
        preflight_due=tuple(other for other in step.status.preflight_due if other is not stage),
    )


def _merged_warnings(before: PreflightStatus, new: list[str]) -> tuple[str, ...]:
    """Earlier warnings and new ones, each once, as many as the status takes."""
    return tuple(dict.fromkeys([*before.warnings, *(clip(warning, MAX_MESSAGE) for warning in new)]))[:16]


def _compared(step: Step, report: CompareReport) -> Step:
    """The winner is the finalist with the best fitness on the unseen samples."""
    finalists = [r for r in step.status.confirmations if records.source(step.status, r).x is not None]
    winner = records.best_first(finalists)[0]
    return step.change(
        rounds=step.status.rounds + 1,
        confirmed=Confirmed(
            id=winner.id,
            weights=rounded_weights(step, records.source(step.status, winner)),
            fitness=winner.fitness or 0.0,
            path=str(merge_folder(step.resource.metadata.uid, winner.id)),
            gains=tuple(
                Gain(baseline=c.baseline, gain=c.gain, low=c.low, high=c.high, p=c.p)
                for c in report.comparisons
                if c.candidate == winner.id
            ),
            reused=step.status.rounds > 0,
            request_hash=report.request_hash,
        ),
    )


def rounded_weights(step: Step, record: Record) -> dict[str, float]:
    """Weights by checkpoint, as people read them; zeros are left out."""
    weights = strategy.weights(step.spec, record)
    named = zip(step.spec.checkpoints, weights, strict=True)
    return {checkpoint.name: round(weight, WEIGHT_DIGITS) for checkpoint, weight in named if weight != 0.0}
