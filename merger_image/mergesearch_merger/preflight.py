"""The merger's half of the preflight: headers only, all problems at once, and the space and memory that the merges will
need.
"""

from dataclasses import replace

from mergesearch import files
from mergesearch.contract import CheckpointFacts, Failure, PreflightCheckpointsReport, PreflightCheckpointsRequest
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Volumes
from mergesearch_merger import budget, dtypes, estimate, findings, inspection, output, workspace
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.estimate import Sizes
from mergesearch_merger.findings import Finding
from mergesearch_merger.settings import Settings


def answer(request: PreflightCheckpointsRequest, volumes: Volumes, emit: Emit, limits: Settings) -> None:
    """Emit the one report; what is wrong stands in it. Raises MergeSearchError, OSError."""
    root = volumes.root(files.WORKSPACE_VOLUME)
    workspace.claim(root, request.search)
    if request.living_searches is not None:
        living = frozenset(request.living_searches) | {request.search.uid}
        workspace.remove_gone_searches(root, living, request.living_as_of)
    workspace.remove_stale(root, request.search.uid)
    inspection.check_names(request.checkpoints, request.tokenizer_from)
    found = inspection.inspect(request.checkpoints, volumes, request.tokenizer_from)
    planned = found.layout(request.dtype, request.max_shard_bytes)
    output_bytes = output.needed_bytes(planned, found.reference) if planned and found.reference else 0
    free = limits.free_bytes(root)
    problems = list(findings.problems(found.findings))
    read = memory = 0
    if planned is not None:
        sizes = estimate.of_checkpoints(
            found.checkpoints, planned, dtypes.OUTPUTS[request.dtype], tile_bytes=limits.tile_bytes
        )
        read = sum(sizes.input_bytes)
        memory, too_little = _memory(sizes, request.batch, limits)
        problems.extend(too_little)
        present = workspace.merged_bytes(root, request.search.uid)
        problems.extend(_space(request, output_bytes, free, present))
    emit(
        PreflightCheckpointsReport(
            version=1,
            request_hash=request.hash(),
            failure=_failure(problems),
            checkpoints=tuple(_facts(checkpoint) for checkpoint in found.checkpoints),
            output_bytes=output_bytes,
            free_bytes=free,
            read_bytes=read,
            memory_bytes=memory,
            model_type=str(found.reference.config.get("model_type", "")) if found.reference else "",
            warnings=findings.warnings(found.findings),
        )
    )


def _facts(checkpoint: Checkpoint) -> CheckpointFacts:
    return CheckpointFacts(
        name=checkpoint.name,
        fingerprint=checkpoint.fingerprint,
        bytes=checkpoint.size,
        parameters=checkpoint.parameters,
        dtypes=checkpoint.dtypes,
    )


def _memory(sizes: Sizes, batch: int, limits: Settings) -> tuple[int, list[Finding]]:
    """What a merger takes for a whole batch, or that it may not take so much."""
    try:
        work = replace(sizes.work, candidates=batch)
        found = budget.choose(work, limits.threads, limits.memory_bytes, limits.slot_bytes)
    except budget.BudgetError as error:
        return 0, [Finding(f"{error}; give the merger more, or smaller batches", Reason.OUT_OF_MEMORY)]
    return found.memory_bytes, []


def _space(request: PreflightCheckpointsRequest, output_bytes: int, free: int, present: int) -> list[Finding]:
    """Merges that this search has published already take their part of what it may need."""
    whole = request.outputs * output_bytes
    missing = whole - present - free
    if missing <= 0:
        return []
    there = f", of which {present} are written" if present else ""
    return [
        Finding(
            f"{files.WORKSPACE_VOLUME}: {findings.counted(request.outputs, 'merge')} of {output_bytes} bytes at once "
            f"(storage.maxPending, and the larger of storage.keepBest and search.confirm.finalists) need {whole}"
            f"{there}; {free} bytes are free, so {missing} are missing",
            Reason.NO_SPACE,
        )
    ]


def _failure(problems: list[Finding]) -> Failure | None:
    if not problems:
        return None
    reason = problems[0].reason
    assert reason is not None
    return Failure(reason=reason, message=findings.message(problems), transient=reason is Reason.NO_SPACE)
