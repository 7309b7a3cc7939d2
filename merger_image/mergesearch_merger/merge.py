"""Answers a merge request: everything is checked before a byte is written, all candidates are written in one pass, and
each is published on its own.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from mergesearch import files
from mergesearch.contract import MergeCandidate, MergeRequest
from mergesearch.errors import InvalidRequestError, NoSpaceError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress, Volumes
from mergesearch_merger import findings, inspection, output, reuse, slices, weights, workspace
from mergesearch_merger.prepared import Prepared
from mergesearch_merger.settings import Settings
from mergesearch_merger.sliced import Sliced
from mergesearch_merger.whole import Assignment, Whole


def answer(request: MergeRequest, volumes: Volumes, emit: Emit, say: Progress, limits: Settings) -> None:
    """Write what is not there yet; a report for every candidate, or, of a slice, for every candidate that this process
    has completed. Raises MergeSearchError, OSError.
    """
    own = slices.resolve(limits.slice, request.slices)
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
            files.remove_slices(root, request.search.uid, candidate.id)
            emit(found)
    if not missing:
        return
    assignment = Assignment(request, _prepare(request, missing, volumes, say), root, limits, emit, say)
    if own is None:
        _merge_whole(assignment)
    else:
        _merge_slice(assignment, own[0])


def _merge_whole(assignment: Assignment) -> None:
    _write(assignment, assignment.prepared, range(len(assignment.prepared.layout.shards)), Whole(assignment))


def _merge_slice(assignment: Assignment, index: int) -> None:
    """Write this slice where it is missing, and publish each candidate whose slices are all there."""
    settle = Sliced(assignment, index)
    unwritten = settle.unwritten()
    if unwritten:
        try:
            _write(assignment, assignment.prepared.only(unwritten), settle.shards, settle)
        except OSError:  # other pods of the same slices have published, and tidied up, meanwhile
            if not all(settle.is_published(candidate) for candidate in unwritten):
                raise
    for candidate in assignment.prepared.candidates:
        settle.complete(candidate)


def _write(assignment: Assignment, prepared: Prepared, shards: Collection[int], settle: Whole | Sliced) -> None:
    if shards:
        _require_space(assignment.root, prepared, shards, assignment.limits)
    from mergesearch_merger.batch import Batch  # late: a refusal does not need numpy

    Batch(prepared, shards, settle, assignment.limits, assignment.request.dtype).write(assignment.say)


def _check(request: MergeRequest) -> None:
    ids = [candidate.id for candidate in request.candidates]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise InvalidRequestError(
            f"candidates that stand twice: {findings.names(twice)}", reason=Reason.MALFORMED_REQUEST
        )
    inspection.check_names(request.checkpoints, request.tokenizer_from)
    findings.refuse_if_any(weights.check(request))


def _prepare(request: MergeRequest, missing: Sequence[MergeCandidate], volumes: Volumes, say: Progress) -> Prepared:
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
    warnings = findings.warnings(found.findings)
    for warning in warnings:
        say(f"warning: {warning}")
    return Prepared(
        candidates=tuple(missing),
        read=tuple(checkpoint for checkpoint in found.checkpoints if checkpoint.name in names),
        columns=columns,
        reference=found.reference,
        layout=planned,
        warnings=warnings,
    )


def _require_space(root: Path, prepared: Prepared, shards: Collection[int], limits: Settings) -> None:
    merges = len(prepared.candidates)
    each = output.needed_bytes(prepared.layout, prepared.reference, shards)
    free = limits.free_bytes(root)
    if free < merges * each:
        total = len(prepared.layout.shards)
        part = "" if len(shards) == total else f" ({len(shards)} of {findings.counted(total, 'shard')})"
        raise NoSpaceError(
            f"{files.WORKSPACE_VOLUME}: {free} bytes are free, {findings.counted(merges, 'merge')}{part} of {each} "
            f"bytes each, tokenizer and records included, need {merges * each}",
            reason=Reason.NO_SPACE,
        )
