"""What the preflight has found: the checkpoints and tasks that later requests are checked against; pure."""

import re
from collections.abc import Iterator

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MAX_MESSAGE, Decision, LeafStatus, PreflightStatus, Stage, TaskStatus
from mergesearch.contract import Failure, PreflightCheckpointsReport, PreflightTasksReport
from mergesearch.lifecycle import launches, provable, roles, samples
from mergesearch.lifecycle.step import MAX_DECISION, Step, clip
from mergesearch.reasons import Reason

MAX_WARNINGS = 16
MAX_VERSIONS = 16
HALVES = (Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS)


def checkpoints_known(step: Step, report: PreflightCheckpointsReport) -> Step:
    """The checkpoints can be merged, unless they are not those of earlier scores: scores of both must not be mixed."""
    before = step.status.preflight
    found = tuple(facts.fingerprint for facts in report.checkpoints)
    changed = [
        facts.name
        for facts, old in zip(report.checkpoints, before.fingerprints, strict=False)
        if facts.fingerprint != old
    ]
    if changed and _something_is_scored(step):
        return stall(
            step,
            Reason.CHECKPOINT_CHANGED,
            f"the content of {', '.join(changed)} is not that which earlier scores were taken on: restore it and "
            "set a new spec.retry, or start a new search",
        )
    if changed:
        step = launches.abandon(step, roles.WITH_RECORDS)
    return _passed(
        step,
        Stage.PREFLIGHT_CHECKPOINTS,
        fingerprints=found,
        input_bytes=sum(facts.bytes for facts in report.checkpoints),
        output_bytes=report.output_bytes,
        parameters=max(facts.parameters for facts in report.checkpoints),
        free_bytes=report.free_bytes,
        merger_memory_bytes=report.memory_bytes,
        warnings=_merged_warnings(before, list(report.warnings)),
    )


def tasks_known(step: Step, report: PreflightTasksReport) -> Step:
    """The tasks can be scored, unless they have too few samples, or are not those of earlier scores."""
    spec, before = step.spec, step.status.preflight
    found = _tasks(report)
    wrong = list(samples.problems(spec, found))
    if wrong:
        return stall(step, Reason.TOO_FEW_SAMPLES, "; ".join(wrong))
    changed = [new.name for new, old in zip(found, before.tasks, strict=False) if new != old]
    if changed and _something_is_scored(step):
        return stall(
            step,
            Reason.TASKS_CHANGED,
            f"the documents of {', '.join(changed)} are not those that earlier scores were taken on: "
            "restore them and set a new spec.retry, or start a new search",
        )
    if changed:
        step = launches.abandon(step, roles.WITH_RECORDS)
    unseen = samples.unseen_counts(spec, found)
    return _passed(
        step,
        Stage.PREFLIGHT_TASKS,
        tasks=found,
        smallest_gain=round(provable.smallest_gain(spec, unseen), 4),
        provable=provable.told(spec, unseen),
        versions=dict(list(report.versions.items())[:MAX_VERSIONS]),
        warnings=_merged_warnings(before, [*report.warnings, *provable.rough(spec, unseen)]),
    )


def stall(step: Step, reason: Reason, message: str) -> Step:
    """A half has found problems. Where the other half has stalled the search before, both are told, so that a person
    can mend everything at once.
    """
    first = step.status.stalled
    if first is None:
        return step.stall(reason, message)
    if message in first.message:
        return step
    before = first.message if first.reason is Reason.PREFLIGHT_FAILED else f"{first.reason}: {first.message}"
    both = _both(before, f"{reason}: {message}")
    return step.change(stalled=Decision(reason=Reason.PREFLIGHT_FAILED, message=both))


def failure_of(step: Step, report: PreflightTasksReport, failure: Failure) -> Failure:
    """What the evaluator has found, with the fields of the tasks that nobody knows, and what the search wants of those
    that it could load and they have not. A task that is refused, or that is out of reach, needs no other name.
    """
    message = failure.message
    unknown = failure.reason is Reason.TASK_UNKNOWN and not failure.transient
    if unknown and (fields := "\n".join(_not_loaded(step.spec, report, message))):
        message = _both(message, fields)
    if wrong := "; ".join(samples.problems(step.spec, _tasks(report))):
        message = _both(message, f"{Reason.TOO_FEW_SAMPLES}: {wrong}")
    return failure.model_copy(update={"message": message})


def _not_loaded(spec: MergeSearchSpec, report: PreflightTasksReport, message: str) -> Iterator[str]:
    """The fields of tasks that the message is about, and that nothing is known of."""
    loaded = {task.name for task in report.tasks}
    parts = (("spec.objective.tasks", spec.objective.tasks), ("spec.heldOut.tasks", spec.held_out.tasks))
    for path, tasks in parts:
        for index, task in enumerate(tasks):
            if task.name not in loaded and re.search(rf"(?<![\w-]){re.escape(task.name)}(?![\w-])", message):
                field = f"{path}[{index}].name"
                yield f"{field}: {task.name} cannot be loaded; on a cluster another name needs a new search"


def _both(first: str, second: str) -> str:
    """As much of the second as there is room for beside the first, and at least half of the room."""
    room = max(MAX_DECISION // 2, MAX_DECISION - len(second) - 1)
    return clip(f"{clip(first, room)}\n{second}", MAX_DECISION)


def _tasks(report: PreflightTasksReport) -> tuple[TaskStatus, ...]:
    return tuple(
        TaskStatus(
            name=task.name,
            leaves=tuple(LeafStatus(name=f.name, total=f.total, documents=f.documents) for f in task.leaves),
        )
        for task in report.tasks
    )


def _something_is_scored(step: Step) -> bool:
    return any(record.scores for record in (*step.status.baselines, *step.status.candidates))


def _passed(step: Step, stage: Stage, **facts: object) -> Step:
    return step.change(
        preflight=step.status.preflight.model_copy(update=facts),
        preflight_due=tuple(other for other in step.status.preflight_due if other is not stage),
    )


def _merged_warnings(before: PreflightStatus, new: list[str]) -> tuple[str, ...]:
    """New warnings and earlier ones, each once, as many as the status takes."""
    return tuple(dict.fromkeys([*(clip(warning, MAX_MESSAGE) for warning in new), *before.warnings]))[:MAX_WARNINGS]
