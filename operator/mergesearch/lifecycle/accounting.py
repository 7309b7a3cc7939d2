"""What was spent: run time of processes, GPU-seconds, tokens and what they cost to compute; pure.

GPU-seconds are wall seconds times the GPUs that the stage asks for, from the start of a process to its end, for each of
the processes that share a merge; the time of a stage is that from the first start to the last end. A process that is
lost without an end (its shell was interrupted, its Job was deleted) is booked until it was last known to live.

Tokens are those of the reports that gave a score: what a failed try has read and written nobody knows, though its time
is booked.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mergesearch.api.base import GPU
from mergesearch.api.spec import MergeSearchSpec, Resources
from mergesearch.api.status import Expense, Launch, Measured, Record, RecordState, Stage
from mergesearch.contract import EvaluationReport, Split
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import records, roles
from mergesearch.lifecycle.step import ChildState, ObservedChild, Run, Step

SUCCESS = {Stage.MERGE: RecordState.MERGED, Stage.EVALUATE: RecordState.SCORED}


def gpus(resources: Resources) -> int:
    """GPUs that a container asks for, whatever the vendor."""
    asked = [number for name, number in resources.limits.items() if GPU.fullmatch(name)]
    return sum(int(number) for number in asked if number.isdigit())


def gpus_of(spec: MergeSearchSpec, stage: Stage) -> int:
    """GPUs of a stage's processes together; only mergers and evaluators have any."""
    if stage is Stage.EVALUATE:
        return gpus(spec.evaluator.resources)
    return gpus(spec.merger.resources) * spec.merger.slices if stage is Stage.MERGE else 0


def expense(stage: Stage, split: Split) -> Expense:
    """What a candidate of a stage is measured as; the noise floor takes as long as the search."""
    if stage is Stage.MERGE:
        return "merge"
    return "unseen" if split == "unseen" else "search"


def follow(step: Step) -> Step:
    """Remember when processes start; book those that have gone without an end until they were last known to live. A
    child that waits after it has run has lost its process as well: its queue has taken the place back.

    A process that is seen again after all goes on from there, so that nothing is booked twice.
    """
    for launch in step.status.launches:
        child = step.observed.child(launch.number)
        gone = child is None or child.state is ChildState.PENDING
        if gone and launch.started_at is not None:
            until = _last_alive(step, launch)
            step = _book(step, launch, launch.started_at, until, () if child is None else child.runs)
            step = _put(step, launch, started_at=None, booked_until=max(until, launch.booked_until or until))
        elif child is not None and child.started_at is not None and launch.started_at is None:
            step = _put(step, launch, started_at=child.started_at)
    return step


def spend(step: Step, launch: Launch, child: ObservedChild) -> Step:
    """Book a child that has ended, whatever came of it. Where nobody saw its end, it has ended now.

    Of two starts the later one counts: a Job whose pod is gone only knows when it was admitted.
    """
    starts = [time for time in (child.started_at, launch.started_at) if time is not None]
    if not starts:
        return step
    started = max(starts)
    ended = child.ended_at or _last_alive(step, launch)
    step = _book(step, launch, started, ended, child.runs)
    done = child.exit is not None and child.exit.code == ExitCode.DONE
    # Seals are cheaper than merges, and half a batch tells nothing of the other half.
    if child.ended_at is None or not done or (launch.stage, launch.split) == (Stage.MERGE, "unseen"):
        return step
    return _measure(step, launch, max(0.0, (ended - started).total_seconds()))


def abandon(step: Step, launch: Launch) -> Step:
    """Book a launch that is ended now."""
    child = step.observed.child(launch.number)
    if child is None:
        return step
    if child.state is ChildState.ENDED:
        return spend(step, launch, child)
    return spend(step, launch, replace(child, ended_at=child.ended_at or step.now, exit=None))


def rounded(seconds: float) -> float | None:
    """Seconds as a record keeps them; None where a report says nonsense."""
    return round(seconds, 3) if math.isfinite(seconds) and seconds >= 0.0 else None


def count_tokens(step: Step, record: Record, report: EvaluationReport) -> Step:
    """Book the tokens of one evaluation of a record, and their operations: 2 P for each token that a model of P
    parameters reads or writes (Kaplan et al., "Scaling Laws for Neural Language Models", eq. 2.2, without its term for
    attention and with the embeddings in P).

    A report that was found on the workspace is booked, unless it is the one that the record was scored with before.
    """
    if report.reused and record.evaluate_seconds == rounded(report.seconds):
        return step
    cost = step.status.cost
    prompt = cost.prompt_tokens + report.prompt_tokens
    generated = cost.generated_tokens + report.generated_tokens
    flops = 2.0 * step.status.preflight.parameters * (prompt + generated)
    return step.change(
        cost=cost.model_copy(update={"prompt_tokens": prompt, "generated_tokens": generated, "flops": flops})
    )


def gpu_seconds_of(spec: MergeSearchSpec, record: Record) -> float | None:
    """GPU-seconds of a record's successful merge and evaluation, as these were timed; None before it has an evaluation.
    Starts of processes and failed tries are booked for the search as a whole, not here.
    """
    if record.evaluate_seconds is None:
        return None
    merging = (record.merge_seconds or 0.0) * gpus_of(spec, Stage.MERGE)
    return merging + record.evaluate_seconds * gpus_of(spec, Stage.EVALUATE)


def taken(step: Step, launch: Launch) -> float:
    """Seconds that a live launch has run and that are not booked yet."""
    child = step.observed.child(launch.number)
    started = child.started_at if child is not None else None
    return _unbooked(launch, started, step.now) if started is not None else 0.0


def _last_alive(step: Step, launch: Launch) -> datetime:
    """When a process without an end was last known to live, at most: nobody lets it run beyond its deadline."""
    until = step.now if step.observed.blind_since is None else min(step.now, step.observed.blind_since)
    limit = timedelta(seconds=roles.part_of(step.spec, launch.stage).active_deadline_seconds)
    return until if launch.started_at is None else min(until, launch.started_at + limit)


def _unbooked(launch: Launch, start: datetime, end: datetime) -> float:
    since = start if launch.booked_until is None else max(start, launch.booked_until)
    return max(0.0, (end - since).total_seconds())


def _book(step: Step, launch: Launch, start: datetime, end: datetime, runs: Sequence[Run]) -> Step:
    """Book a child's wall time, and for its GPUs that of each of its processes; where these are not known, all count
    as having run for the whole of it.
    """
    seconds = _unbooked(launch, start, end)
    if seconds == 0.0:
        return step
    cost, gpu_seconds = step.status.cost, seconds * gpus_of(step.spec, launch.stage)
    if runs and launch.stage is Stage.MERGE:
        each = (_unbooked(launch, run.started_at, min(run.ended_at or end, end)) for run in runs)
        gpu_seconds = sum(each) * gpus(step.spec.merger.resources)
    booked: dict[str, object] = {"gpu_seconds": round(cost.gpu_seconds + gpu_seconds, 3)}
    if gpu_seconds > 0.0:
        by_stage = cost.gpu_seconds_by_stage
        of_stage = round(by_stage.get(launch.stage, 0.0) + gpu_seconds, 3)
        booked["gpu_seconds_by_stage"] = {**by_stage, launch.stage: of_stage}
    if launch.stage in roles.WITH_RECORDS:
        field = "evaluate_seconds" if launch.stage is Stage.EVALUATE else "merge_seconds"
        booked[field] = round(getattr(cost, field) + seconds, 3)
    return step.change(cost=cost.model_copy(update=booked))


def _measure(step: Step, launch: Launch, seconds: float) -> Step:
    """Remember what the candidates have taken that this launch has brought to their goal."""
    if launch.stage not in SUCCESS:
        return step
    through = sum(r.state is SUCCESS[launch.stage] for r in records.launched(step.status, launch))
    if through == 0:
        return step
    cost, kind = step.status.cost, expense(launch.stage, launch.split)
    before = cost.measured.get(kind, Measured())
    after = Measured(candidates=before.candidates + through, seconds=round(before.seconds + seconds, 3))
    return step.change(cost=cost.model_copy(update={"measured": {**cost.measured, kind: after}}))


def _put(step: Step, launch: Launch, **fields: datetime | None) -> Step:
    changed = launch.model_copy(update=fields)
    return step.change(launches=tuple(changed if one.number == launch.number else one for one in step.status.launches))
