"""merge.json: what a published merge is, and how a finished one is found again."""

import platform
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from mergesearch import files
from mergesearch.contract import Checkpoint, Dtype, MergeCandidate, MergeReport, MergeRequest, Model, SearchRef, Sha256

DISTRIBUTIONS = {"cpu": ("mergesearch", "numpy"), "cuda": ("mergesearch", "numpy", "torch")}
"""What determines the bytes of a merge, by the device that sums."""


class ShardRecord(Model):
    """One weight file of a merge."""

    file: str
    bytes: int
    digest: Sha256 | None = None
    """As `digests.py` computes it; None where the output was not meant to stay."""


class MergeRecord(Model):
    """The content of merge.json. The same request gives the same record, so it holds no times."""

    version: Literal[1] = 1
    request_hash: Sha256
    search: SearchRef
    candidate: str
    dtype: Dtype
    weights: dict[str, float]
    """By the checkpoint's name, of all checkpoints of the request."""
    checkpoints: tuple[Checkpoint, ...]
    tokenizer_from: str
    parameters: int
    bytes: int
    """Of all weight files."""
    digest_chunk_bytes: int
    shards: tuple[ShardRecord, ...]
    weights_digest: Sha256 | None = None
    warnings: tuple[str, ...] = ()
    versions: dict[str, str]


def versions(device: str, kernel: str) -> dict[str, str]:
    """Versions of what determines the bytes of a merge, and the name of what sums."""
    found = {"python": platform.python_version(), "kernel": kernel}
    for name in DISTRIBUTIONS[device]:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def find_finished(folder: Path, request_hash: str) -> MergeRecord | None:
    """The record of a merge in `folder` that answers the request and whose files are all there at full length."""
    try:
        found = MergeRecord.model_validate_json((folder / files.MERGE_RECORD).read_bytes())
        whole = all((folder / shard.file).stat().st_size == shard.bytes for shard in found.shards)
    except (OSError, ValidationError):
        return None
    return found if whole and found.request_hash == request_hash else None


def report_of(found: MergeRecord) -> MergeReport:
    """The report of a merge that was found finished, from its record alone."""
    return MergeReport(
        version=1,
        candidate=found.candidate,
        request_hash=found.request_hash,
        bytes_written=found.bytes,
        parameters=found.parameters,
        weights_digest=found.weights_digest,
        reused=True,
    )


def weights_by_name(request: MergeRequest, candidate: MergeCandidate) -> dict[str, float]:
    """The candidate's weights by the names of the checkpoints."""
    names = [checkpoint.name for checkpoint in request.checkpoints]
    return dict(zip(names, candidate.weights, strict=True))
