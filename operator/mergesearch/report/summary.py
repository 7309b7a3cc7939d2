"""From a resource with its status, at any moment of its life, to what a report says of it; pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import HeldOutTask, MergeSearchSpec, ObjectiveTask
from mergesearch.api.status import MergeSearchStatus, Record, RecordState
from mergesearch.contract import Task
from mergesearch.lifecycle import proof, records, requests, samples, strategy
from mergesearch.report import curve, learning, rows, verdict, wording
from mergesearch.report.advice import Place
from mergesearch.report.background import (
    CheckpointFacts,
    DocumentFacts,
    LeafFacts,
    Pair,
    Rebuild,
    Spent,
    StageSeconds,
    Tries,
    Trouble,
)
from mergesearch.report.shapes import Scale, Summary, TaskFacts, Weight


def summarize(resource: MergeSearch, place: Place = Place.CLUSTER) -> Summary:
    """Everything that people see of a search, whether it runs, has stalled, failed or is complete. `place` decides how
    they are told to send it on.
    """
    spec, status = resource.spec, resource.status or MergeSearchStatus()
    tasks = tuple(_tasks(spec, status))
    scale = _fitness_scale(tasks)
    found = rows.rows_of(resource, status)
    choices = proof.choices(status)
    facts = verdict.Facts(resource=resource, status=status, rows=found, scale=scale, choices=choices, place=place)
    said = verdict.verdict(facts)
    holder, weights = _weights(spec, status)
    return Summary(
        name=resource.metadata.name,
        uid=resource.metadata.uid,
        outcome=said.outcome,
        verdict=said.sentence,
        notes=verdict.notes(facts, status.preflight.smallest_gain),
        phase=status.phase if resource.status is not None else None,
        as_of=_as_of(status),
        started=status.start_time,
        completed=status.completion_time,
        closed=status.closed.message if status.closed is not None else "",
        max_evaluations=spec.search.max_evaluations,
        tasks=tasks,
        scale=scale,
        rows=found,
        finalists=choices,
        winner=status.confirmed.id if status.confirmed is not None else None,
        weights_of=holder,
        weights=weights,
        baselines=curve.baselines(spec, status),
        evaluations=curve.evaluations(spec, status),
        lines=curve.lines(found),
        noise=status.noise,
        smallest_gain=status.preflight.smallest_gain,
        reused=status.confirmed is not None and status.confirmed.reused,
        optimizer=learning.optimizer(spec, status),
        spent=_spent(status),
        tries=_tries(status),
        troubles=tuple(_troubles(status)),
        warnings=tuple(_warnings(status)),
        rebuild=_rebuild(spec, status),
    )


def _tasks(spec: MergeSearchSpec, status: MergeSearchStatus) -> Iterator[TaskFacts]:
    wanted: tuple[HeldOutTask, ...] = (*spec.objective.tasks, *spec.held_out.tasks)
    held_in = len(spec.objective.tasks)
    seen: list[int | None] = [None] * len(wanted)
    unseen: list[int | None] = [None] * len(wanted)
    if len(status.preflight.tasks) == len(wanted):
        for place, asked in enumerate(samples.tasks_of(spec, status, "search")):
            seen[place] = _documents(asked)
        for place, asked in enumerate(samples.tasks_of(spec, status, "unseen")):
            unseen[place] = _documents(asked)
    for place, task in enumerate(wanted):
        yield TaskFacts(
            name=task.name,
            metric=task.metric,
            filter=task.filter,
            held_out=place >= held_in,
            weight=task.weight if isinstance(task, ObjectiveTask) else "",
            search_samples=seen[place],
            unseen_samples=unseen[place],
            choice=_choice(task, spec.search.seed),
            num_fewshot=task.num_fewshot,
            chat_template=task.chat_template,
            scale=wording.scale_of(_scores_on(status, place)),
        )


def _choice(task: HeldOutTask, seed: int) -> str:
    given = task.samples if isinstance(task, ObjectiveTask) else None
    if given is not None:
        search, unseen = given.search, given.unseen
        return f"{search.start} to {search.stop - 1} searched, {unseen.start} to {unseen.stop - 1} unseen"
    if isinstance(task, ObjectiveTask) or task.unseen_samples is not None:
        return f"chosen with seed {seed}"
    return "all"


def _documents(task: Task) -> int:
    return sum(selection.stop - selection.start for selection in task.samples)


def _scores_on(status: MergeSearchStatus, place: int) -> Iterator[float]:
    for record in _everything(status):
        yield from record.scores[place : place + 1]


def _fitness_scale(tasks: Iterable[TaskFacts]) -> Scale:
    """Points if every held-in task is in points."""
    return wording.POINTS if all(t.scale == wording.POINTS for t in tasks if not t.held_out) else wording.PLAIN


def _weights(spec: MergeSearchSpec, status: MergeSearchStatus) -> tuple[str | None, tuple[Weight, ...]]:
    """The exact weights of the winner, or of the best candidate so far, from the largest."""
    chosen = status.confirmed or status.best
    record = records.find(status, "search", chosen.id) if chosen is not None else None
    if record is None:
        return None, ()
    exact = strategy.weights(spec, record)
    named = [
        Weight(checkpoint=source.name, weight=weight) for source, weight in zip(spec.checkpoints, exact, strict=True)
    ]
    return record.id, tuple(sorted(named, key=lambda entry: -entry.weight))


def _as_of(status: MergeSearchStatus) -> datetime | None:
    times = [status.start_time, status.completion_time, *(launch.created_at for launch in status.launches)]
    for record in _everything(status):
        times += [record.started_at, record.finished_at]
    return max((time for time in times if time is not None), default=None)


def _everything(status: MergeSearchStatus) -> tuple[Record, ...]:
    return (*status.baselines, *status.candidates, *status.confirmations)


def _spent(status: MergeSearchStatus) -> Spent:
    cost = status.cost
    return Spent(
        active_seconds=status.active_seconds,
        merge_seconds=cost.merge_seconds,
        evaluate_seconds=cost.evaluate_seconds,
        gpu_seconds=cost.gpu_seconds,
        gpu_seconds_by_stage=tuple(
            StageSeconds(stage=str(stage), seconds=seconds) for stage, seconds in cost.gpu_seconds_by_stage.items()
        ),
        prompt_tokens=cost.prompt_tokens,
        generated_tokens=cost.generated_tokens,
        flops=cost.flops or 2.0 * status.preflight.parameters * (cost.prompt_tokens + cost.generated_tokens),
        evaluations=sum(record.state is RecordState.SCORED for record in _everything(status)),
    )


def _tries(status: MergeSearchStatus) -> Tries:
    counts = status.counts
    return Tries(
        scored=counts.scored,
        reused=counts.reused,
        failed=counts.failed,
        retried=counts.retried,
        disrupted=counts.disrupted,
    )


def _troubles(status: MergeSearchStatus) -> Iterator[Trouble]:
    for samples_of, some in (
        ("search", (*status.baselines, *status.candidates)),
        ("unseen", status.confirmations),
    ):
        for record in some:
            if record.state is RecordState.FAILED or record.attempt > 1 or record.disruptions:
                yield Trouble(
                    id=record.id,
                    samples=samples_of,
                    state=record.state,
                    attempt=record.attempt,
                    disruptions=record.disruptions,
                    reason=str(record.reason or ""),
                    message=record.message,
                )


def _warnings(status: MergeSearchStatus) -> Iterator[str]:
    yield from map(wording.brief, status.preflight.warnings)
    if status.diverged:
        yield (
            "Asking the optimiser again gives other vectors than the recorded ones: numpy or cmaes has changed. The "
            "recorded ones stay."
        )


def _documents_of(status: MergeSearchStatus) -> Iterator[DocumentFacts]:
    for task in status.preflight.tasks:
        leaves = tuple(LeafFacts(name=leaf.name, documents=leaf.total, digest=leaf.documents) for leaf in task.leaves)
        yield DocumentFacts(task=task.name, leaves=leaves)


def _rebuild(spec: MergeSearchSpec, status: MergeSearchStatus) -> Rebuild:
    prints = status.preflight.fingerprints or (None,) * len(spec.checkpoints)
    versions = {**status.preflight.versions, **learning.versions(status.algorithm)}
    return Rebuild(
        seed=spec.search.seed,
        aggregate=spec.objective.aggregate,
        checkpoints=tuple(
            CheckpointFacts(name=source.name, volume=source.volume, path=source.path, fingerprint=fingerprint)
            for source, fingerprint in zip(spec.checkpoints, prints, strict=True)
        ),
        dtype=spec.merge.dtype,
        tokenizer_from=requests.tokenizer_from(spec),
        skip_below=spec.merge.skip_below,
        backend=spec.evaluator.backend,
        backend_dtype=spec.evaluator.dtype,
        engine_args=tuple(Pair(name=name, value=value) for name, value in spec.evaluator.engine_args.items()),
        max_gen_toks=spec.evaluator.max_gen_toks,
        batch_size=spec.evaluator.batch_size,
        task_folders=tuple(f"{folder.volume}/{folder.path}" for folder in spec.evaluator.task_folders),
        allow_code_execution=spec.evaluator.allow_code_execution,
        versions=tuple(Pair(name=name, value=value) for name, value in sorted(versions.items())),
        images=tuple(Pair(name=name, value=value) for name, value in sorted(status.images.items())),
        documents=tuple(_documents_of(status)),
        parameters=status.preflight.parameters,
        path=status.confirmed.path if status.confirmed is not None else None,
        weights_digest=status.confirmed.weights_digest if status.confirmed is not None else None,
    )
