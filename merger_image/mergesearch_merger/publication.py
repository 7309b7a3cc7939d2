"""What lies beside the weights of a published merge. Pure but for the versions of the installed packages."""

from collections.abc import Mapping

from mergesearch import files, fingerprint
from mergesearch.contract import MergeCandidate, MergeRequest
from mergesearch_merger import companions, digests, layout
from mergesearch_merger import record as records
from mergesearch_merger.prepared import Prepared


def record_of(
    request: MergeRequest,
    candidate: MergeCandidate,
    prepared: Prepared,
    shard_digests: Mapping[int, str],
    warnings: tuple[str, ...],
    chunk_bytes: int,
) -> records.MergeRecord:
    """The content of merge.json; with digests where there is one for every shard."""
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
        digest_chunk_bytes=chunk_bytes,
        shards=shards,
        weights_digest=digests.of_weights(digested) if len(digested) == len(shards) else None,
        warnings=warnings,
        versions=records.versions(),
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
