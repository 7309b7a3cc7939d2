"""What lies beside the weights of a published merge, and what is reported of it. Pure but for the versions
of what is installed, and for a warning that is said as well.
"""

from collections.abc import Collection, Mapping

from mergesearch import files, fingerprint
from mergesearch.contract import MergeCandidate, MergeReport, MergeRequest
from mergesearch.worker import Progress
from mergesearch_merger import companions, digests, findings, layout
from mergesearch_merger import record as records
from mergesearch_merger.prepared import Cost, Prepared
from mergesearch_merger.settings import Settings


def record_of(
    request: MergeRequest,
    candidate: MergeCandidate,
    prepared: Prepared,
    shard_digests: Mapping[int, str],
    warnings: tuple[str, ...],
    limits: Settings,
    kernel: str,
) -> records.MergeRecord:
    """The content of merge.json; with digests where there is one for every shard. `kernel` is what summed."""
    shards = tuple(
        records.ShardRecord(file=shard.name, bytes=shard.size, digest=shard_digests.get(number))
        for number, shard in enumerate(prepared.layout.shards)
    )
    digested = [(shard.file, shard.bytes, shard.digest) for shard in shards if shard.digest is not None]
    return records.MergeRecord(
        request_hash=request.hash_of(candidate),
        search=request.search,
        candidate=candidate.id,
        dtype=request.dtype,
        weights=records.weights_by_name(request, candidate),
        checkpoints=request.checkpoints,
        tokenizer_from=request.tokenizer_from,
        parameters=prepared.layout.parameters,
        bytes=prepared.layout.size,
        digest_chunk_bytes=limits.chunk_bytes,
        shards=shards,
        weights_digest=digests.of_weights(digested) if len(digested) == len(shards) else None,
        warnings=warnings,
        versions=records.versions(limits.device, kernel),
    )


def warnings(candidate: MergeCandidate, prepared: Prepared, unequal: Collection[str], say: Progress) -> tuple[str, ...]:
    """All warnings about one merge; that its buffers differ is said as well, the others were."""
    if not unequal:
        return prepared.warnings
    differing = sorted(unequal)
    pairs = zip(prepared.read, prepared.weights(candidate), strict=True)
    first = next(checkpoint.label for checkpoint, weight in pairs if weight != 0.0)
    sentence = (
        f"candidate {candidate.id}: {findings.counted(len(differing), 'buffer')} not equal in all "
        f"checkpoints, taken from {first}: {findings.names(differing)}"
    )
    say(f"warning: {sentence}")
    return (*prepared.warnings, sentence)


def report(request: MergeRequest, candidate: MergeCandidate, prepared: Prepared, cost: Cost) -> MergeReport:
    """The report of a merge that succeeded, without its digest."""
    return MergeReport(
        version=1,
        candidate=candidate.id,
        request_hash=request.hash_of(candidate),
        seconds=cost.seconds,
        bytes_read=cost.bytes_read,
        bytes_written=prepared.layout.size,
        parameters=prepared.layout.parameters,
        peak_bytes=cost.peak_bytes,
    )


def documents(request: MergeRequest, prepared: Prepared, record: records.MergeRecord) -> dict[str, bytes]:
    """The files of a merge that are written anew: config, index, record."""
    found = {
        fingerprint.CONFIG_FILE: companions.merged_config(prepared.reference.config, request.dtype).encode(),
        files.MERGE_RECORD: (record.to_json() + "\n").encode(),
    }
    index = prepared.layout.index()
    if index is not None:
        found[layout.INDEX_FILE] = index
    return found
