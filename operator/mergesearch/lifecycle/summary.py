"""What people read first: phase, counts, the best so far, the Pareto set, conditions; pure, derived from the rest of
the status.
"""

from mergesearch.api.status import (
    Best,
    Condition,
    Counts,
    MergeSearchStatus,
    Phase,
    RecordKind,
    RecordState,
    Stage,
)
from mergesearch.lifecycle import baselines, confirmation, images, phrases, proof, records, roles, stopping, verdict
from mergesearch.lifecycle.step import MAX_DECISION, ChildState, Step, clip
from mergesearch.reasons import Reason
from mergesearch.search import selection

DIGITS = 6
"""Decimals of what people read in a column; the records keep more."""

Fact = tuple[bool, Reason, str]


def update(step: Step) -> Step:
    """Derive everything anew."""
    step = step.change(
        observed_generation=step.resource.metadata.generation,
        phase=phase(step),
        counts=counts(step.status),
        best=best(step),
        pareto=pareto(step.status),
        noise=noise(step.status),
    )
    step = step.change(gain=gain(step.status))
    return step.change(conditions=_conditions(step))


def stalled(step: Step, reason: Reason, message: str) -> MergeSearchStatus:
    """The status that stands, stalled for this reason, whatever it was stalled for before."""
    return update(step.change(stalled=None).stall(reason, message)).status


def phase(step: Step) -> Phase:
    """Where the search is, for people."""
    status = step.status
    order = (
        (status.failed is not None, Phase.FAILED),
        (status.completion_time is not None, Phase.COMPLETE),
        (status.stalled is not None, Phase.STALLED),
        (step.spec.suspend, Phase.SUSPENDED),
        (bool(status.preflight_due), Phase.PREFLIGHT),
        (status.closed is not None, Phase.CONFIRMING),
        (not baselines.ready(step), Phase.BASELINES),
    )
    return next((name for holds, name in order if holds), Phase.SEARCHING)


def counts(status: MergeSearchStatus) -> Counts:
    """Search candidates by state; tries and disruptions of all records."""
    states = [record.state for record in status.candidates]
    everything = records.everything(status)
    return Counts(
        total=len(states),
        waiting=states.count(RecordState.WAITING),
        merging=states.count(RecordState.MERGING),
        evaluating=states.count(RecordState.MERGED) + states.count(RecordState.EVALUATING),
        scored=states.count(RecordState.SCORED),
        reused=sum(record.same_as is not None for record in status.candidates),
        failed=states.count(RecordState.FAILED),
        retried=sum(record.attempt - 1 for record in everything),
        disrupted=sum(record.disruptions for record in everything),
    )


def best(step: Step) -> Best | None:
    """The best candidate on the search samples, and its gain over the best baseline."""
    status = step.status
    ranked = records.contenders(status)
    if not ranked or ranked[0].fitness is None:
        return None
    others = [fitness for _, fitness in records.scored(records.rivals(status.baselines))]
    return Best(
        id=ranked[0].id,
        fitness=round(ranked[0].fitness, DIGITS),
        weights=verdict.rounded_weights(step, ranked[0]),
        gain=round(ranked[0].fitness - max(others), DIGITS) if others else None,
    )


def gain(status: MergeSearchStatus) -> float | None:
    """What the column says: the confirmed gain once there is one, the search's before."""
    if status.confirmed is None:
        return status.best.gain if status.best is not None else None
    confirmed = proof.smallest_gain(status.confirmed)
    return None if confirmed is None else round(confirmed, DIGITS)


def closing(status: MergeSearchStatus, *, decided: bool = False) -> str:
    """Why no more candidates are asked for, and what comes before the end; empty while they are. `decided`: the winner
    is.
    """
    if status.closed is None or status.completion_time is not None:
        return ""
    waiting = sum(not record.ended for record in status.confirmations)
    compares = any(Stage.COMPARE in (launch.stage, launch.reads) for launch in status.launches)
    facts = (
        (stopping.search_runs(status), "what runs comes to its end, then the confirmation follows"),
        (waiting > 0, f"{phrases.count(waiting, 'confirmation')} {'follows' if waiting == 1 else 'follow'}"),
        (any(launch.stage is Stage.CLEANUP for launch in status.launches), "weights that are not kept are removed"),
        (compares, "the comparison is under way"),
        (decided, ""),
        (bool(status.confirmations), "the comparison follows"),
    )
    follows = next((words for holds, words in facts if holds), "the confirmation follows")
    return f"closed: {status.closed.message}{'; ' if follows else ''}{follows}"


def pareto(status: MergeSearchStatus) -> tuple[str, ...]:
    """Baselines and candidates that no other one beats on every held-in task, of equal ones the first."""
    points = [r for r, _ in records.scored((*status.baselines, *status.candidates)) if r.kind is not RecordKind.NOISE]
    return tuple(points[index].id for index in selection.pareto([record.scores for record in points]))


def noise(status: MergeSearchStatus) -> float | None:
    """How far two evaluations of the same checkpoint on the same samples lie apart."""
    again = baselines.of_kind(status, RecordKind.NOISE)
    first = [r for r in baselines.of_kind(status, RecordKind.CHECKPOINT) if again and r.members == again[0].members]
    if not first or again[0].fitness is None or first[0].fitness is None:
        return None
    return abs(again[0].fitness - first[0].fitness)


def _conditions(step: Step) -> tuple[Condition, ...]:
    status, spec = step.status, step.spec
    stalled, failed, closed = status.stalled, status.failed, status.closed
    done = status.completion_time is not None and failed is None
    resumed = Reason.RESUMED if status.confirmed is not None else Reason.NOT_YET
    reason_done = closed.reason if done and closed is not None else resumed
    at_rest = _at_rest(step)
    facts: dict[str, Fact] = {
        "Ready": (done, *_outcome(step)) if done else (False, resumed, _headline(step)),
        "Reconciling": (False, at_rest, "") if at_rest is not None else (True, *_activity(step)),
        "Stalled": (stalled is not None, stalled.reason, stalled.message) if stalled else (False, Reason.RUNNING, ""),
        "Suspended": (True, *_suspension(step)) if spec.suspend else (False, Reason.RUNNING, ""),
        "Complete": (done, reason_done, closed.message if done and closed is not None else ""),
        "Failed": (True, failed.reason, failed.message) if failed else (False, Reason.RUNNING, ""),
    }
    other_images = images.changed(status.images)
    if other_images:
        facts["Reproducible"] = (False, Reason.IMAGE_CHANGED, clip(other_images, MAX_DECISION))
    if status.diverged:
        message = "asking again gives other vectors than the recorded ones, which stay: numpy or cmaes has changed"
        facts["Reproducible"] = (False, Reason.REPLAY_DIVERGED, message)
    before = {str(condition.type): condition for condition in status.conditions}
    return tuple(_condition(step, kind, fact, before.get(kind)) for kind, fact in facts.items())


def _activity(step: Step) -> tuple[Reason, str]:
    """That processes run, or why they do not: a queue is told only where all of them wait."""
    if step.status.blocked is not None:
        return step.status.blocked.reason, step.status.blocked.message
    ours = {launch.number for launch in step.status.launches}
    there = [child for child in step.observed.children if child.launch in ours]
    waiting = [child.waiting for child in there if child.state is not ChildState.ENDED and child.waiting is not None]
    trouble = [one for one in waiting if one.reason is not Reason.QUEUED]
    if trouble or (waiting and len(waiting) == len(there)):
        told = (trouble or waiting)[0]
        return told.reason, clip(f"{len(waiting)} of {len(there)} processes wait: {told.message}", MAX_DECISION)
    return Reason.RUNNING, clip(closing(step.status, decided=confirmation.decided(step)), MAX_DECISION)


def _suspension(step: Step) -> tuple[Reason, str]:
    """What a suspension still waits for. It names no time that runs, which would be written each second."""
    launches = step.status.launches
    if not launches:
        return Reason.SUSPENDED, "nothing runs; set spec.suspend to false to go on"
    last = f"{phrases.count(len(launches), 'process', 'processes')} {'is' if len(launches) == 1 else 'are'} to end"
    limit = max(roles.part_of(step.spec, launch.stage).active_deadline_seconds for launch in launches)
    return Reason.DRAINING, f"draining: {last}, {'each ' if len(launches) > 1 else ''}at most {limit} s after its start"


def _outcome(step: Step) -> tuple[Reason, str]:
    """Of a complete search."""
    status = step.status
    if status.confirmed is None:
        return Reason.UNPROVEN, "nothing is proven"
    reason, message = proof.outcome(step.spec, status, status.confirmed)
    return reason, clip(message, MAX_DECISION)


def _at_rest(step: Step) -> Reason | None:
    """Why nothing happens until a person acts, if so."""
    status = step.status
    end = status.failed or (status.closed if status.completion_time is not None else None) or status.stalled
    if end is not None:
        return end.reason
    return Reason.SUSPENDED if step.spec.suspend and not status.launches else None


def _condition(step: Step, kind: str, fact: Fact, before: Condition | None) -> Condition:
    holds, reason, message = fact
    value = "True" if holds else "False"
    since = before.last_transition_time if before is not None and before.status == value else step.now
    return Condition.model_validate(
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": message,
            "observedGeneration": step.resource.metadata.generation,
            "lastTransitionTime": since,
        }
    )


def _headline(step: Step) -> str:
    status = step.status
    if status.stalled is not None:
        return status.stalled.message
    return f"{status.phase}: {status.counts.scored} of {step.spec.search.max_evaluations} candidates scored"
