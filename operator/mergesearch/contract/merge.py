"""Merges: what to write, and what became of it. Pure."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mergesearch.contract.model import CandidateId, Checkpoint, Dtype, Failure, Model, SearchRef, Sha256, digest, plain

SLICE_VARIABLE = "JOB_COMPLETION_INDEX"
"""Environment variable with the number of a process among those of a request; Kubernetes sets it in the pods of an
Indexed Job, unless a pod has one of its own.
"""


class MergeCandidate(Model):
    """One merge to write."""

    id: CandidateId
    weights: tuple[float, ...]
    """One weight for each checkpoint of the request, in order; an exact 0 leaves the checkpoint unread."""
    keep: bool = False
    """The output is meant to stay: full digests, fsync. Others are transient."""


class MergeRequest(Model):
    """Write the merges of all candidates in one pass over the checkpoints; remove what is listed in `prune` first."""

    kind: Literal["merge"] = "merge"
    version: Literal[1]
    search: SearchRef
    checkpoints: tuple[Checkpoint, ...]
    candidates: tuple[MergeCandidate, ...] = Field(min_length=1)
    dtype: Dtype = "bfloat16"
    max_shard_bytes: int = Field(default=5 * 2**30, ge=2**10)
    tokenizer_from: str
    """Name of the checkpoint whose config, tokenizer and chat template the outputs carry."""
    prune: tuple[CandidateId, ...] = ()
    slices: int = Field(default=1, ge=1, le=64, exclude_if=lambda number: number == 1)
    """Processes that share this request, each writing whole shards; the process's own number, from 0, comes by
    `SLICE_VARIABLE` or --slice. Left out where it is 1, so that such a request reads as it always has."""

    @model_validator(mode="after")
    def _one_weight_per_checkpoint(self) -> Self:
        for candidate in self.candidates:
            if len(candidate.weights) != len(self.checkpoints):
                raise ValueError(
                    f"candidate {candidate.id}: {len(candidate.weights)} weights, {len(self.checkpoints)} checkpoints"
                )
        return self

    def hash_of(self, candidate: MergeCandidate) -> str:
        """The request hash of one candidate: of what is read, the weights, and the output's form."""
        read = [
            [plain(checkpoint), weight]
            for checkpoint, weight in zip(self.checkpoints, candidate.weights, strict=True)
            if weight != 0.0
        ]
        companions = [plain(checkpoint) for checkpoint in self.checkpoints if checkpoint.name == self.tokenizer_from]
        return digest("merge", self.version, read, self.dtype, self.max_shard_bytes, companions)


class MergeReport(Model):
    """What became of one merge."""

    kind: Literal["merge"] = "merge"
    version: Literal[1]
    candidate: CandidateId
    request_hash: Sha256
    failure: Failure | None = None
    seconds: float = 0.0
    """Wall time of the merge; of a batch, its share."""
    bytes_read: int = 0
    bytes_written: int = 0
    parameters: int = 0
    weights_digest: Sha256 | None = None
    """Over the output's shards; None where a transient output was not digested."""
    reused: bool = False
    """A finished output of the same request was found, nothing was written."""
    peak_bytes: int = 0
    """Peak resident memory of the process so far."""
