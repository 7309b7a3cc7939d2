"""Refuses statuses that cannot exist, and steps that cannot be taken, so that no test rests on one.

Written from what the fields say that they mean, not from the code that fills them.
"""

import json
import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import ValidationError

from mergesearch.api.base import number_of
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import (
    Launch,
    MergeSearchStatus,
    Record,
    RecordKind,
    RecordState,
    Stage,
    decode_vector,
)
from mergesearch.contract import Split
from mergesearch.lifecycle import records, strategy
from mergesearch.lifecycle.step import Observed
from mergesearch.search import objective
from mergesearch_cli import whole

WITHOUT_RECORDS = (Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS, Stage.COMPARE, Stage.CLEANUP)
CONDITIONS = ["Ready", "Reconciling", "Stalled", "Suspended", "Complete", "Failed"]
DURING = {
    Stage.MERGE: {RecordState.MERGING, RecordState.MERGED, RecordState.WAITING, RecordState.FAILED},
    Stage.EVALUATE: {RecordState.EVALUATING, RecordState.SCORED, RecordState.WAITING, RecordState.FAILED},
}
"""States of a record in a launch of a stage: at work, or reported and waiting for the launch to end."""
FEW = 40
"""Records up to which the Pareto set is found anew at every step."""
IN_A_PROCESS = (RecordState.MERGING, RecordState.EVALUATING)


def check(resource: MergeSearch, status: MergeSearchStatus, largest_budget: int) -> None:
    """Raises AssertionError with everything that is wrong with a status."""
    facts = (_lists, _records, _launches, _generations, _same_weights, _prunes, _summary, _pareto, _costs, _ends, _json)
    wrong = [sentence for fact in (*facts, _whole) for sentence in fact(resource, status)]
    if len(status.candidates) > largest_budget:
        wrong.append(f"{len(status.candidates)} candidates, never more than {largest_budget} were allowed")
    assert not wrong, "\n".join(wrong)


def everything(status: MergeSearchStatus) -> tuple[Record, ...]:
    """All records."""
    return (*status.baselines, *status.candidates, *status.confirmations)


def needed_weights(status: MergeSearchStatus) -> set[str]:
    """Ids whose weights a process reads or writes now, or will have to read."""
    live = {identity for launch in status.launches for identity in launch.candidates}
    over = status.completion_time is not None
    confirming = {record.id for record in status.confirmations if not record.ended and not over}
    scoring = {r.id for r in (*status.baselines, *status.candidates) if not r.ended and status.closed is None}
    winner = {status.confirmed.id} if status.confirmed is not None else set()
    return live | confirming | scoring | winner


def _lists(_resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    both = [record.id for record in (*status.baselines, *status.candidates)]
    for name, ids in (("baselines and candidates", both), ("confirmations", [r.id for r in status.confirmations])):
        if len(set(ids)) < len(ids):
            yield f"{name}: ids are not unique: {ids}"
    if any(record.kind is not RecordKind.SEARCH for record in status.candidates):
        yield "candidates: a kind that is not Search"
    if any(record.kind is RecordKind.SEARCH for record in status.baselines):
        yield "baselines: one of kind Search"
    origins = {record.id: record for record in (*status.baselines, *status.candidates)}
    for record in status.confirmations:
        origin = origins.get(record.id)
        if origin is None or origin.state is not RecordState.SCORED or origin.kind is not record.kind:
            yield f"confirmation {record.id}: of nothing that is scored"


def _records(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    held_in = len(resource.spec.objective.tasks)
    for split, record in placed(status):
        wanted = held_in + (len(resource.spec.held_out.tasks) if split == "unseen" else 0)
        yield from (f"{split} {record.id}: {sentence}" for sentence in _record(resource, status, record, wanted))


def placed(status: MergeSearchStatus) -> Iterator[tuple[Split, Record]]:
    """All records with their splits."""
    for record in (*status.baselines, *status.candidates):
        yield ("again" if record.kind is RecordKind.NOISE else "search"), record
    for record in status.confirmations:
        yield "unseen", record


def _record(resource: MergeSearch, status: MergeSearchStatus, record: Record, scores: int) -> Iterator[str]:
    scored = record.state is RecordState.SCORED
    if scored != bool(record.scores) or scored != (record.fitness is not None):
        yield f"{record.state} with scores {record.scores} and fitness {record.fitness}"
    if scored:
        yield from _scores(resource, record, scores)
    if (record.finished_at is not None) != record.ended:
        yield f"{record.state}, finished at {record.finished_at}"
    if record.state is RecordState.FAILED and record.reason is None:
        yield "failed for no reason"
    if record.state is not RecordState.WAITING and record.started_at is None:
        yield f"{record.state}, but never started"
    if record.merged and record.merge_hash is None:
        yield "merged without a hash"
    if record.state in (RecordState.MERGED, RecordState.EVALUATING) and not records.weights_ready(status, record):
        yield f"{record.state} without weights"
    if record.attempt < 1 or record.charged < 0 or record.disruptions < 0:
        yield f"attempt {record.attempt}, charged {record.charged}, disruptions {record.disruptions}"


def _scores(resource: MergeSearch, record: Record, wanted: int) -> Iterator[str]:
    if len(record.scores) != wanted or len(record.errors) != wanted:
        yield f"{len(record.scores)} scores and {len(record.errors)} errors for {wanted} tasks"
        return
    objectives = resource.spec.objective
    weights = [number_of(task.weight) for task in objectives.tasks]
    if not all(map(math.isfinite, record.scores)):
        yield f"scores {record.scores}"
    elif record.fitness != objective.aggregate(record.scores[: len(weights)], weights, objectives.aggregate):
        yield f"fitness {record.fitness} of {record.scores}"


def _launches(_resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    numbers = [launch.number for launch in status.launches]
    if numbers != sorted(set(numbers)) or any(number >= status.next_launch for number in numbers):
        yield f"launches {numbers}, the next is {status.next_launch}"
    for launch in status.launches:
        if (launch.stage is Stage.READ) != (launch.reads is not None):
            yield f"launch {launch.number} of {launch.stage} reads {launch.reads}"
        if (_worked_on(launch) in WITHOUT_RECORDS) == bool(launch.candidates):
            yield f"launch {launch.number} of {launch.stage} has candidates {launch.candidates}"
    for stage in WITHOUT_RECORDS:
        if sum(_worked_on(launch) is stage for launch in status.launches) > 1:
            yield f"{stage} runs twice"
    yield from _at_work(status)


def _worked_on(launch: Launch) -> Stage:
    """The stage that a launch works on; a read fetches what another one has done."""
    return launch.reads or launch.stage


def _at_work(status: MergeSearchStatus) -> Iterator[str]:
    at_work: dict[tuple[str, str], Launch] = {}
    for launch in status.launches:
        for identity in launch.candidates:
            other = at_work.setdefault((launch.split, identity), launch)
            if other is not launch:
                yield f"{launch.split} {identity} is in launches {other.number} and {launch.number}"
    known = {(split, record.id): record for split, record in placed(status)}
    for (split, identity), launch in at_work.items():
        record = known.pop((launch.split, identity), None)
        if record is None:
            yield f"launch {launch.number} is of {split} {identity}, which is not there"
        elif record.state not in DURING[_worked_on(launch)]:
            yield f"{split} {identity} is {record.state} in a launch of {launch.stage}"
    for (split, identity), record in known.items():
        if record.state in (RecordState.MERGING, RecordState.EVALUATING):
            yield f"{split} {identity} is {record.state} in no launch"


def _generations(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    algorithm = status.algorithm
    if (algorithm is None) != (not status.candidates):
        yield f"{len(status.candidates)} candidates of the algorithm {algorithm}"
    if algorithm is None:
        return
    numbers = [record.generation or 0 for record in status.candidates]
    if numbers != sorted(numbers) or set(numbers) != set(range(numbers[-1] + 1)):
        yield f"generations {numbers}"
    sizes = [numbers.count(number) for number in range(numbers[-1] + 1)]
    if any(size != algorithm.population_size for size in sizes[:-1]) or sizes[-1] > algorithm.population_size:
        yield f"generations of {sizes}, the population is {algorithm.population_size}"
    if not all(record.ended for record in status.candidates if record.generation != numbers[-1]):
        yield "a generation was asked for before the last had ended"
    for record in status.candidates:
        x = decode_vector(record.x or "")
        if len(x) != len(resource.spec.checkpoints) or not all(map(math.isfinite, x)):
            yield f"{record.id}: a vector {x}"
        elif not math.isclose(math.fsum(strategy.weights(resource.spec, record)), 1.0, abs_tol=1e-9):
            yield f"{record.id}: weights that do not sum to 1"


def _same_weights(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    """The same merge is never scored twice for the search, and whoever has the scores of another has its weights."""
    merges = (RecordKind.UNIFORM, RecordKind.MERGE_BEST, RecordKind.SEARCH)
    known = {r.id: r for r in (*status.baselines, *status.candidates) if r.kind in merges and len(r.members) != 1}
    weights = {name: strategy.weights(resource.spec, record) for name, record in known.items()}
    itself: dict[tuple[float, ...], str] = {}
    at_work = {identity for launch in status.launches if launch.split == "search" for identity in launch.candidates}
    for name, record in known.items():
        ran = record.state in (RecordState.MERGED, RecordState.SCORED) and record.same_as is None
        # Uniform and merge-best are scored both, also where they have the same members.
        if record.kind is RecordKind.SEARCH and (ran or (name in at_work and record.state in IN_A_PROCESS)):
            other = itself.setdefault(weights[name], name)
            if other != name:
                yield f"{other} and {name} have the same weights, and both are scored"
        elif ran:
            itself.setdefault(weights[name], name)
    for record in everything(status):
        if record.same_as is not None:
            yield from (f"{record.id}: {sentence}" for sentence in _taken_over(record, known, weights))


def _taken_over(record: Record, known: dict[str, Record], weights: dict[str, tuple[float, ...]]) -> Iterator[str]:
    """Of a record that has the scores of another."""
    origin = known.get(record.same_as or "")
    if record.kind is not RecordKind.SEARCH or origin is None or origin.same_as is not None:
        yield f"a {record.kind} has the scores of {origin}"
        return
    if weights[record.id] != weights[origin.id]:
        yield f"has the scores of {origin.id}, and not its weights"
    if origin.state is not RecordState.SCORED or record.state is not RecordState.SCORED:
        yield f"is {record.state}, {origin.id} is {origin.state}"
    if (record.scores, record.errors, record.fitness) != (origin.scores, origin.errors, origin.fitness):
        yield f"has not the scores of {origin.id}"
    if (record.evaluate_seconds, record.prompt_tokens, record.generated_tokens) != (0.0, 0, 0):
        yield "was not evaluated, and has cost something"


def _costs(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    """What every record has cost is a part of what the search has cost."""
    cost = status.cost
    for name in ("prompt_tokens", "generated_tokens"):
        total = sum(getattr(record, name) or 0 for record in everything(status))
        if total > getattr(cost, name):
            yield f"{name}: {total} of the records, {getattr(cost, name)} in all"
    flops = 2.0 * status.preflight.parameters * (cost.prompt_tokens + cost.generated_tokens)
    # An earlier release has counted neither operations, nor by stage, nor for each record.
    if cost.flops not in (0.0, flops):
        yield f"{cost.flops} operations, not {flops}"
    if sum(cost.gpu_seconds_by_stage.values()) > cost.gpu_seconds + 0.01:
        yield f"{cost.gpu_seconds_by_stage} are more than {cost.gpu_seconds} GPU-seconds"
    if any((record.prompt_tokens is None) != (record.generated_tokens is None) for record in everything(status)):
        yield "tokens of one kind only"


def _prunes(_resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    # What is to be scored again may still be removed from an earlier time, but must not be begun.
    live = {identity for launch in status.launches for identity in launch.candidates}
    winner = {status.confirmed.id} if status.confirmed is not None else set()
    for launch in status.launches:
        if wrong := sorted(set(launch.prunes) & (live | winner)):
            yield f"launch {launch.number} removes {wrong}, which are in use"


def _summary(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    if not status.conditions:
        return
    states = [record.state for record in status.candidates]
    counts = status.counts
    parts = (counts.waiting, counts.merging, counts.evaluating, counts.scored, counts.failed)
    if counts.total != len(states) or sum(parts) != counts.total:
        yield f"counts {counts} of {len(states)} candidates"
    if counts.scored != states.count(RecordState.SCORED) or counts.failed != states.count(RecordState.FAILED):
        yield f"counts {counts} of {states}"
    kinds = [str(condition.type) for condition in status.conditions]
    if [kind for kind in kinds if kind != "Reproducible"] != CONDITIONS or len(set(kinds)) < len(kinds):
        yield f"conditions {kinds}"
    holds = {str(condition.type): condition.status == "True" for condition in status.conditions}
    done = status.completion_time is not None and status.failed is None
    facts = {
        "Ready": done,
        "Complete": done,
        "Failed": status.failed is not None,
        "Stalled": status.stalled is not None,
        # A search that has failed sees no edits any more.
        "Suspended": resource.spec.suspend if status.failed is None else holds["Suspended"],
    }
    for kind, fact in facts.items():
        if holds[kind] != fact:
            yield f"condition {kind} is {holds[kind]}"
    if any(condition.observed_generation != status.observed_generation for condition in status.conditions):
        yield "conditions of another generation"
    fitnesses = [record.fitness for record in status.candidates if record.fitness is not None]
    if (status.best.fitness if status.best else None) != (round(max(fitnesses), 6) if fitnesses else None):
        yield f"best {status.best} of {fitnesses}"
    scored = {r.id for r in (*status.baselines, *status.candidates) if r.state is RecordState.SCORED}
    if not set(status.pareto) <= scored or bool(status.pareto) != bool(scored - {"noise"}):
        yield f"pareto {status.pareto}"


def _pareto(_resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    points = [(r.id, r.scores) for r in (*status.baselines, *status.candidates) if r.scores and r.id != "noise"]
    if status.conditions and len(points) <= FEW and set(status.pareto) != set(_unbeaten(points)):
        yield f"pareto {status.pareto} of {points}"


def _unbeaten(points: Sequence[tuple[str, tuple[float, ...]]]) -> Iterator[str]:
    """Ids of the points that no other is at least as good as on every task, unless it is the same and comes later."""
    for place, (name, scores) in enumerate(points):
        at_least = [
            n for n, (_, other) in enumerate(points) if all(a >= b for a, b in zip(other, scores, strict=False))
        ]
        if not any(points[n][1] != scores or n < place for n in at_least):
            yield name


def _ends(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    over = status.completion_time is not None
    if over and any(launch.stage is not Stage.CLEANUP for launch in status.launches):
        yield f"over, but {len(status.launches)} children ought to exist"
    if status.failed is not None and not over:
        yield "failed, but not over"
    if over and status.failed is None:
        yield from _complete(status)
    winner = status.confirmed.id if status.confirmed is not None else ""
    if winner and winner not in {r.id for r in status.confirmations if r.kind is RecordKind.SEARCH}:
        yield f"confirmed {winner}, which is no finalist"
    if bool(winner) != (status.rounds > 0):
        yield f"{status.rounds} confirmations, confirmed {winner}"
    begun = any(_worked_on(launch) in DURING for launch in status.launches)
    # What ran when a person asked for another preflight may go on.
    if status.preflight_due and begun and not status.retry:
        yield "work has begun before the preflight has passed"
    if status.failed is None and status.retry not in ("", resource.spec.retry):
        yield f"retry {status.retry}, the spec has {resource.spec.retry}"


def _complete(status: MergeSearchStatus) -> Iterator[str]:
    if status.closed is None or status.confirmed is None or status.stalled is not None:
        yield f"complete: closed {status.closed}, confirmed {status.confirmed}, stalled {status.stalled}"
    elif not any(record.merged for record in status.candidates if record.id == status.confirmed.id):
        yield f"complete, but the weights of {status.confirmed.id} are not there"
    elif (better := status.confirmed.better) is not None:
        there = any(record.merged for record in status.baselines if record.id == better.id)
        if there != (better.path is not None):
            yield f"complete, but the weights of {better.id} are not where {better.path} says"


def _json(_resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    text = status.to_stored()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in JSON")

    json.loads(text, parse_constant=refuse)
    try:
        if MergeSearchStatus.model_validate_json(text) != status:
            yield "reads back as another status"
    except ValidationError as error:
        yield f"cannot be read back: {error}"


# --- Steps ---


def check_step(
    resource: MergeSearch, before: MergeSearchStatus, after: MergeSearchStatus, observed: Observed, now: datetime
) -> None:
    """Raises AssertionError with everything that is wrong with a step between two statuses."""
    wrong = [*_kept(before, after), *_started(resource, before, after, observed, now)]
    assert not wrong, "\n".join(wrong)


def _kept(before: MergeSearchStatus, after: MergeSearchStatus) -> Iterator[str]:
    for name in ("baselines", "candidates", "confirmations"):
        old: Sequence[Record] = getattr(before, name)
        new: Sequence[Record] = getattr(after, name)
        if [record.id for record in new[: len(old)]] != [record.id for record in old]:
            yield f"{name}: records went or changed places"
            continue
        last = max((record.generation or 0 for record in before.candidates), default=0)
        for was, now in zip(old, new, strict=False):
            yield from (f"{name} {was.id}: {sentence}" for sentence in _moved(was, now))
            told = name == "candidates" and (was.generation or 0) < last
            if told and (was.state, was.fitness, was.scores) != (now.state, now.fitness, now.scores):
                yield f"{name} {was.id}: was told as {was.state} {was.fitness}, is {now.state} {now.fitness}"
    if after.next_launch < before.next_launch:
        yield "launch numbers go back"
    fresh = {launch.number for launch in after.launches} - {launch.number for launch in before.launches}
    if any(number < before.next_launch for number in fresh):
        yield f"launches {sorted(fresh)} are not new"
    if before.failed is not None and after is not before:
        yield "a failed search has changed"


def _moved(was: Record, now: Record) -> Iterator[str]:
    if (was.x, was.members, was.kind, was.generation) != (now.x, now.members, now.kind, now.generation):
        yield "is another candidate now"
    if now.attempt < was.attempt:
        yield "its attempts go back"
    if now.state is RecordState.WAITING and was.state is not RecordState.WAITING and now.attempt == was.attempt:
        yield f"waits again after {was.state}, in the same attempt"


def _started(
    resource: MergeSearch, before: MergeSearchStatus, after: MergeSearchStatus, observed: Observed, now: datetime
) -> Iterator[str]:
    known = {launch.number for launch in before.launches}
    # A read begins nothing: it takes the place of what has ended.
    fresh = [launch for launch in after.launches if launch.number not in known and launch.stage is not Stage.READ]
    if not fresh:
        return
    spec = resource.spec
    over = after.completion_time is not None and any(launch.stage is not Stage.CLEANUP for launch in fresh)
    if spec.suspend or after.stalled is not None or over:
        yield f"launches {[launch.number for launch in fresh]} start in a search that rests"
    sizes = {Stage.MERGE: spec.merger.batch, Stage.EVALUATE: spec.evaluator.batch}
    needed = needed_weights(after)
    finalists = [record.id for record in records.contenders(after)][: spec.search.confirm.finalists]
    for launch in fresh:
        # A cleanup comes when the winner is decided; until then each finalist may be it.
        undecided = set(finalists) if launch.stage is not Stage.CLEANUP else set()
        if wrong := sorted(set(launch.prunes) & (needed | undecided)):
            yield f"launch {launch.number} removes {wrong}, which are needed"
        if len(launch.candidates) > sizes.get(launch.stage, 0):
            yield f"launch {launch.number} of {launch.stage} has {len(launch.candidates)} candidates"
    evaluating = sum(launch.stage is Stage.EVALUATE for launch in after.launches)
    if any(launch.stage is Stage.EVALUATE for launch in fresh) and evaluating > spec.search.parallelism:
        yield f"{evaluating} evaluators, the parallelism is {spec.search.parallelism}"
    # Weights that lie there already are only read again, to be kept.
    there = {record.id for record in everything(before) if records.source(before, record).merged}
    if any(launch.stage is Stage.MERGE and set(launch.candidates) - there for launch in fresh):
        yield from _pending(resource, after)
    yield from _gpu_hours(resource, after, fresh, observed, now)


def _gpu_hours(
    resource: MergeSearch, status: MergeSearchStatus, fresh: Sequence[Launch], observed: Observed, now: datetime
) -> Iterator[str]:
    """What ran and what is in flight stays within the GPU-hours; what nobody has measured yet goes alone."""
    limit = resource.spec.search.max_gpu_hours
    parts = {Stage.MERGE: resource.spec.merger, Stage.EVALUATE: resource.spec.evaluator}
    asked = {
        stage: sum(int(amount) for name, amount in part.resources.limits.items() if "gpu" in name or "mig" in name)
        for stage, part in parts.items()
    }
    if limit is None or not any(asked.get(launch.stage) for launch in fresh):
        return
    since = {child.launch: child.started_at for child in observed.children}
    coming = 0.0
    for launch in status.launches:
        gpus = asked.get(launch.stage, 0)
        kinds = ("merge",) if launch.stage is Stage.MERGE else (launch.split, "search")
        known = next((status.cost.measured[kind] for kind in kinds if kind in status.cost.measured), None)
        if gpus and known is None and launch in fresh and not _has_said(status, launch.stage):
            alone = sum(other.stage is launch.stage for other in status.launches) == 1
            if not alone or len(launch.candidates) > 1:
                yield f"launch {launch.number} does not go alone, but nobody knows what it costs"
        each = known.seconds / known.candidates if known is not None else 0.0
        begun = since.get(launch.number)
        taken = (now - begun).total_seconds() if begun is not None and launch.booked_until is None else 0.0
        coming += gpus * max(taken, each * len(launch.candidates))
    if status.cost.gpu_seconds + coming > 3600 * float(limit) + 1e-6:
        yield f"{status.cost.gpu_seconds} s were spent, {coming} s are in flight, and {limit} h are allowed"


def _has_said(status: MergeSearchStatus, stage: Stage) -> bool:
    """Whether a process of the stage has told its time in a report, though it ended badly and is not measured."""
    told = (
        r.merge_seconds if stage is Stage.MERGE else r.evaluate_seconds for r in everything(status) if not r.same_as
    )
    return any(seconds is not None for seconds in told)


def _pending(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    merging = {i for launch in status.launches if launch.stage is Stage.MERGE for i in launch.candidates}
    merged = {r.id for r in everything(status) if not r.ended and records.source(status, r).merged}
    if status.closed is not None:
        merged -= {r.id for r in (*status.baselines, *status.candidates) if not r.ended}
    if len(merged | merging) > resource.spec.storage.max_pending:
        yield f"{len(merged | merging)} merges pending, at most {resource.spec.storage.max_pending} are allowed"


def _whole(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    """What the command line refuses as cut off or changed is never written."""
    found = whole.lacking(resource.model_copy(update={"status": status}))
    if found is not None:
        yield f"the command line would refuse it: {found}"
