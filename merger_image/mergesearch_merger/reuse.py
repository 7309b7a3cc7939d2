"""Finds a merge that an earlier run of the same request has finished, and its report."""

from pathlib import Path

from pydantic import ValidationError

from mergesearch import files
from mergesearch.contract import MergeCandidate, MergeReport, MergeRequest
from mergesearch.worker import publish_report
from mergesearch_merger import digests, record


def find(root: Path, request: MergeRequest, candidate: MergeCandidate) -> MergeReport | None:
    """The report of a finished merge, or None. One that is to stay from now on gets its digests. Raises OSError."""
    folder = root / files.merge_folder(request.search.uid, candidate.id)
    request_hash = request.hash_of(candidate)
    found = record.find_finished(folder, request_hash)
    if found is None:
        return None
    if candidate.keep and found.weights_digest is None:
        found = _digested(folder, found)
    path = root / files.merge_report(request.search.uid, candidate.id)
    written = _written(path, request_hash)
    if written is None or written.weights_digest != found.weights_digest:
        base = written or record.report_of(found)
        written = base.model_copy(update={"weights_digest": found.weights_digest, "reused": True})
        publish_report(path, written)
    return written.model_copy(update={"reused": True})


def _written(path: Path, request_hash: str) -> MergeReport | None:
    try:
        found = MergeReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.request_hash == request_hash and found.failure is None else None


def _digested(folder: Path, found: record.MergeRecord) -> record.MergeRecord:
    """Add the digests to the record of a merge that was written as a transient one."""
    shards = tuple(
        shard.model_copy(update={"digest": digests.of_file(folder / shard.file, found.digest_chunk_bytes)})
        for shard in found.shards
    )
    whole = digests.of_weights([(shard.file, shard.bytes, shard.digest or "") for shard in shards])
    kept = found.model_copy(update={"shards": shards, "weights_digest": whole})
    files.write_atomically(folder / files.MERGE_RECORD, kept.to_json() + "\n")
    return kept
