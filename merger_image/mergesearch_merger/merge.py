"""Answers a merge request: everything is checked before a byte is written, all candidates are written in one pass, and
each is published on its own.
"""

from collections.abc import Sequence
from pathlib import Path

from mergesearch import files
from mergesearch.contract import MergeCandidate, MergeRequest
from mergesearch.errors import InvalidRequestError, NoSpaceError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress, Volumes
from mergesearch_merger import findings, inspection, output, reuse, weights, workspace
from mergesearch_merger.prepared import Prepared
from mergesearch_merger.settings import Settings


def answer(request: MergeRequest, volumes: Volumes, emit: Emit, progress: Progress, limits: Settings) -> None:
    """Write what is not there yet; a report for every candidate. Raises MergeSearchError, OSError."""
    root = volumes.root(files.WORKSPACE_VOLUME)
    workspace.claim(root, request.search)
    files.remove_merges(root, request.search.uid, request.prune)
    workspace.remove_stale(root, request.search.uid)
    _check(request)
    missing = []
    for candidate in request.candidates:
        found = reuse.find(root, request, candidate)
        if found is None:
            missing.append(candidate)
        else:
            emit(found)
    if missing:
        prepared = _prepare(request, missing, volumes)
        for warning in prepared.warnings:
            progress(f"warning: {warning}")
        _require_space(root, prepared, limits)
        from mergesearch_merger.batch import Batch  # late: a refusal does not need numpy

        Batch(request, prepared, root, limits).write(emit, progress)


def _check(request: MergeRequest) -> None:
    ids = [candidate.id for candidate in request.candidates]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise InvalidRequestError(
            f"candidates that stand twice: {findings.names(twice)}", reason=Reason.MALFORMED_REQUEST
        )
    inspection.check_names(request.checkpoints, request.tokenizer_from)
    findings.refuse_if_any(weights.check(request))


def _prepare(request: MergeRequest, missing: Sequence[MergeCandidate], volumes: Volumes) -> Prepared:
    columns = tuple(
        number
        for number in range(len(request.checkpoints))
        if any(candidate.weights[number] != 0.0 for candidate in missing)
    )
    wanted = [
        checkpoint
        for number, checkpoint in enumerate(request.checkpoints)
        if number in columns or checkpoint.name == request.tokenizer_from
    ]
    found = inspection.inspect(wanted, volumes, request.tokenizer_from)
    findings.refuse_if_any(found.findings)
    planned = found.layout(request.dtype, request.max_shard_bytes)
    assert planned is not None
    assert found.reference is not None
    names = {request.checkpoints[number].name for number in columns}
    return Prepared(
        candidates=tuple(missing),
        read=tuple(checkpoint for checkpoint in found.checkpoints if checkpoint.name in names),
        columns=columns,
        reference=found.reference,
        layout=planned,
        warnings=findings.warnings(found.findings),
    )


def _require_space(root: Path, prepared: Prepared, limits: Settings) -> None:
    merges = len(prepared.candidates)
    each = output.needed_bytes(prepared.layout, prepared.reference)
    free = limits.free_bytes(root)
    if free < merges * each:
        raise NoSpaceError(
            f"{files.WORKSPACE_VOLUME}: {free} bytes are free, {findings.counted(merges, 'merge')} of {each} bytes "
            f"each, tokenizer and records included, need {merges * each}",
            reason=Reason.NO_SPACE,
        )
