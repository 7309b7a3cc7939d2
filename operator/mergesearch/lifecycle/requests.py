"""The request of every launch: a pure function of spec and status, so that a lost child can be made again at any
time.
"""

import json
from collections.abc import Callable

from mergesearch import files
from mergesearch.api.base import bytes_of, number_of
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import HeldOutTask, MergeSearchSpec
from mergesearch.api.status import Launch, MergeSearchStatus, Record, RecordKind, RecordState, Stage
from mergesearch.contract import (
    CONTRACT_VERSION,
    Checkpoint,
    CleanupRequest,
    CompareCandidate,
    CompareRequest,
    Engine,
    EvaluationCandidate,
    EvaluationRequest,
    MergeCandidate,
    MergeRequest,
    PreflightCheckpointsRequest,
    PreflightTasksRequest,
    ReadRequest,
    Request,
    Split,
    TaskQuestion,
    VolumePath,
)
from mergesearch.lifecycle import records, samples, strategy

OfRecords = MergeRequest | EvaluationRequest
"""Requests with a hash for each of their candidates; all others have one hash."""


def request_of(resource: MergeSearch, status: MergeSearchStatus, launch: Launch) -> Request:
    """The request of a launch that the status holds."""
    return BUILDERS[launch.stage](resource, status, launch)


def merge(resource: MergeSearch, status: MergeSearchStatus, launch: Launch) -> MergeRequest:
    """Write the weights of the launch's records."""
    spec = resource.spec
    return MergeRequest(
        version=CONTRACT_VERSION,
        search=resource.ref,
        checkpoints=_checkpoints(spec, status),
        candidates=tuple(
            MergeCandidate(
                id=record.id,
                weights=strategy.weights(spec, records.source(status, record)),
                keep=launch.split == "unseen",
            )
            for record in records.launched(status, launch)
        ),
        dtype=spec.merge.dtype,
        max_shard_bytes=bytes_of(spec.merge.max_shard_size),
        tokenizer_from=tokenizer_from(spec),
        prune=launch.prunes,
        slices=spec.merger.slices,
    )


def evaluation(resource: MergeSearch, status: MergeSearchStatus, launch: Launch) -> EvaluationRequest:
    """Score the launch's records on its split."""
    some = records.launched(status, launch)
    return evaluation_of(resource, status, launch.split, some)


def evaluation_of(
    resource: MergeSearch, status: MergeSearchStatus, split: Split, some: tuple[Record, ...]
) -> EvaluationRequest:
    """Score these records on a split; a record's request hash does not depend on the others."""
    spec = resource.spec
    return EvaluationRequest(
        version=CONTRACT_VERSION,
        search=resource.ref,
        split=split,
        candidates=tuple(_evaluation_candidate(resource, status, records.source(status, record)) for record in some),
        tasks=samples.tasks_of(spec, status, split),
        engine=engine(spec),
    )


def preflight_checkpoints(
    resource: MergeSearch, status: MergeSearchStatus, _launch: Launch
) -> PreflightCheckpointsRequest:
    """Read the checkpoints' headers and measure the space."""
    spec = resource.spec
    unfingerprinted = status.model_copy(update={"preflight": status.preflight.model_copy(update={"fingerprints": ()})})
    return PreflightCheckpointsRequest(
        version=CONTRACT_VERSION,
        search=resource.ref,
        checkpoints=_checkpoints(spec, unfingerprinted),
        dtype=spec.merge.dtype,
        max_shard_bytes=bytes_of(spec.merge.max_shard_size),
        tokenizer_from=tokenizer_from(spec),
        outputs=merges_at_once(spec),
        batch=spec.merger.batch,
    )


def preflight_tasks(resource: MergeSearch, _status: MergeSearchStatus, _launch: Launch) -> PreflightTasksRequest:
    """Ask whether tasks, metrics and templates exist."""
    spec = resource.spec
    tokenizer = next(source for source in spec.checkpoints if source.name == tokenizer_from(spec))
    tasks = (*spec.objective.tasks, *spec.held_out.tasks)
    return PreflightTasksRequest(
        version=CONTRACT_VERSION,
        search=resource.ref,
        tasks=tuple(_question(task) for task in tasks),
        engine=engine(spec),
        tokenizer=VolumePath(volume=tokenizer.volume, path=tokenizer.path),
    )


def compare(resource: MergeSearch, status: MergeSearchStatus, _launch: Launch | None = None) -> CompareRequest:
    """Compare the confirmed finalists with the confirmed baselines."""
    spec = resource.spec

    def candidates(*, search: bool) -> tuple[CompareCandidate, ...]:
        chosen = [
            record
            for record in status.confirmations
            if record.state is RecordState.SCORED and (record.kind is RecordKind.SEARCH) == search
        ]
        if not chosen:
            return ()
        whole = evaluation_of(resource, status, "unseen", tuple(chosen))
        return tuple(CompareCandidate(id=one.id, evaluation_hash=whole.hash_of(one)) for one in whole.candidates)

    return CompareRequest(
        version=CONTRACT_VERSION,
        search=resource.ref,
        finalists=candidates(search=True),
        baselines=candidates(search=False),
        tasks=tuple(task.name for task in spec.objective.tasks),
        task_weights=tuple(number_of(task.weight) for task in spec.objective.tasks),
        aggregate=spec.objective.aggregate,
        seed=spec.search.seed,
    )


def cleanup(resource: MergeSearch, _status: MergeSearchStatus, launch: Launch) -> CleanupRequest:
    """Remove weights that are no longer needed."""
    return CleanupRequest(version=CONTRACT_VERSION, search=resource.ref, prune=launch.prunes)


def read(resource: MergeSearch, status: MergeSearchStatus, launch: Launch) -> ReadRequest:
    """Fetch what an earlier launch has reported."""
    uid, earlier = resource.metadata.uid, asked(launch)
    request = request_of(resource, status, earlier)
    paths = [files.answer_file(uid, launch.answers)] if launch.answers is not None else []
    if isinstance(request, MergeRequest):
        paths += [files.merge_report(uid, candidate.id) for candidate in request.candidates]
    elif isinstance(request, EvaluationRequest):
        folders = [files.evaluation_folder(uid, launch.split, candidate.id) for candidate in request.candidates]
        paths += [folder / files.REPORT for folder in folders]
    elif isinstance(request, CompareRequest):
        paths.append(files.comparison_report(uid))
    answers = tuple(hashes_of(request).values()) if isinstance(request, OfRecords) else (request.hash(),)
    return ReadRequest(
        version=CONTRACT_VERSION, search=resource.ref, paths=tuple(str(path) for path in paths), answers=answers
    )


def asked(launch: Launch) -> Launch:
    """The launch whose reports are waited for: of a read the earlier one, of any other itself."""
    return launch if launch.reads is None else launch.model_copy(update={"stage": launch.reads, "reads": None})


def hashes_of(request: OfRecords) -> dict[str, str]:
    """The request hash of each candidate."""
    if isinstance(request, MergeRequest):
        return {candidate.id: request.hash_of(candidate) for candidate in request.candidates}
    return {candidate.id: request.hash_of(candidate) for candidate in request.candidates}


BUILDERS: dict[Stage, Callable[[MergeSearch, MergeSearchStatus, Launch], Request]] = {
    Stage.PREFLIGHT_CHECKPOINTS: preflight_checkpoints,
    Stage.PREFLIGHT_TASKS: preflight_tasks,
    Stage.MERGE: merge,
    Stage.EVALUATE: evaluation,
    Stage.COMPARE: compare,
    Stage.READ: read,
    Stage.CLEANUP: cleanup,
}


def tokenizer_from(spec: MergeSearchSpec) -> str:
    """The checkpoint whose tokenizer the merges carry."""
    return spec.merge.tokenizer_from or spec.checkpoints[0].name


def merges_at_once(spec: MergeSearchSpec) -> int:
    """How many merges lie on the workspace at most: what is pending, and what stays. A baseline that may turn out to be
    the better choice takes the place of a pending one, if there is more than one such place. Where all baselines are
    confirmed, a search that was reopened may hold another one, that of its last comparison.
    """
    merged = any(kind != "Checkpoints" for kind in spec.search.baselines)
    on_top = merged * ((spec.storage.max_pending == 1) + (spec.search.confirm.baselines == "All"))
    return spec.storage.max_pending + max(spec.storage.keep_best, spec.search.confirm.finalists) + on_top


def engine(spec: MergeSearchSpec) -> Engine:
    """How the evaluator runs every model of this search."""
    evaluator = spec.evaluator
    return Engine(
        backend=evaluator.backend,
        dtype=evaluator.dtype,
        seed=spec.search.seed,
        engine_args={name: _scalar(text) for name, text in evaluator.engine_args.items()},
        max_gen_toks=evaluator.max_gen_toks,
        batch_size=evaluator.batch_size,
        include_paths=tuple(VolumePath(volume=f.volume, path=f.path) for f in evaluator.task_folders),
        allow_code_execution=evaluator.allow_code_execution,
    )


def _scalar(text: str) -> str | int | float | bool:
    """A string of the manifest as a number or a truth value where it reads as one, as JSON does."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


def _checkpoints(spec: MergeSearchSpec, status: MergeSearchStatus) -> tuple[Checkpoint, ...]:
    known = status.preflight.fingerprints or (None,) * len(spec.checkpoints)
    return tuple(
        Checkpoint(
            name=source.name, location=VolumePath(volume=source.volume, path=source.path), fingerprint=fingerprint
        )
        for source, fingerprint in zip(spec.checkpoints, known, strict=True)
    )


def _evaluation_candidate(resource: MergeSearch, status: MergeSearchStatus, record: Record) -> EvaluationCandidate:
    if records.needs_merge(record):
        path = str(files.merge_folder(resource.metadata.uid, record.id))
        model = VolumePath(volume=files.WORKSPACE_VOLUME, path=path)
        return EvaluationCandidate(id=record.id, model=model, merge_hash=record.merge_hash)
    checkpoint = _checkpoints(resource.spec, status)[record.members[0]]
    return EvaluationCandidate(id=record.id, model=checkpoint.location, fingerprint=checkpoint.fingerprint)


def _question(task: HeldOutTask) -> TaskQuestion:
    return TaskQuestion(
        name=task.name,
        metric=task.metric,
        filter=task.filter,
        num_fewshot=task.num_fewshot,
        chat_template=task.chat_template,
    )
