"""The two halves of the preflight: what is asked of checkpoints and of tasks before anything runs. Pure."""

from typing import Literal

from pydantic import Field

from mergesearch.contract.evaluation import Engine, TaskQuestion
from mergesearch.contract.model import (
    Checkpoint,
    Dtype,
    Failure,
    Model,
    SearchRef,
    Sha256,
    ShortDigest,
    VolumePath,
    WholeRequest,
)


class PreflightCheckpointsRequest(WholeRequest):
    """The merger's half of the preflight: read headers only, measure space, remove folders of searches that are
    gone.
    """

    kind: Literal["preflight-checkpoints"] = "preflight-checkpoints"
    version: Literal[1]
    search: SearchRef
    checkpoints: tuple[Checkpoint, ...]
    dtype: Dtype = "bfloat16"
    max_shard_bytes: int = Field(default=5 * 2**30, ge=2**10)
    tokenizer_from: str
    outputs: int = Field(default=1, ge=1)
    """How many merges may lie on the workspace at once."""
    batch: int = Field(default=1, ge=1, exclude_if=lambda number: number == 1)
    """How many merges one merger writes in one pass; left out where it is 1, so that such a request reads as it always
    has.
    """
    living_searches: tuple[str, ...] | None = None
    """UIDs of all searches that share the workspace; folders of others are removed. None: nothing is known, nothing
    is removed.
    """
    living_as_of: float | None = None
    """Unix time at which `living_searches` was read: a folder that was begun later is no search that is gone, the
    request may have waited in a queue. None: only folders begun at least a day ago are removed.
    """


class CheckpointFacts(Model):
    """One checkpoint as its headers show it."""

    name: str
    fingerprint: Sha256
    """Over names, sizes, header digests and samples of the content of its files."""
    bytes: int
    parameters: int
    dtypes: tuple[str, ...]


class PreflightCheckpointsReport(Model):
    """What the merger's half of the preflight found."""

    kind: Literal["preflight-checkpoints"] = "preflight-checkpoints"
    version: Literal[1]
    request_hash: Sha256
    failure: Failure | None = None
    """The message lists every problem."""
    checkpoints: tuple[CheckpointFacts, ...] = ()
    output_bytes: int = 0
    """Of one merge."""
    free_bytes: int = 0
    """On the workspace."""
    read_bytes: int = 0
    """By one pass over all checkpoints, whatever the number of merges; 0 where a merge cannot be planned."""
    memory_bytes: int = 0
    """Of a merger that writes a whole batch; 0 where it is not known."""
    model_type: str = ""
    warnings: tuple[str, ...] = ()


class PreflightTasksRequest(WholeRequest):
    """The evaluator's half of the preflight, on CPU and without weights: do tasks, metrics, filters and templates
    exist?
    """

    kind: Literal["preflight-tasks"] = "preflight-tasks"
    version: Literal[1]
    search: SearchRef
    tasks: tuple[TaskQuestion, ...] = Field(min_length=1)
    engine: Engine
    tokenizer: VolumePath
    """A checkpoint folder, for its chat template and its context length."""


class LeafFacts(Model):
    """One leaf task."""

    name: str
    total: int
    documents: ShortDigest


class TaskFacts(Model):
    """One task, expanded."""

    name: str
    leaves: tuple[LeafFacts, ...]


class PreflightTasksReport(Model):
    """What the evaluator's half of the preflight found."""

    kind: Literal["preflight-tasks"] = "preflight-tasks"
    version: Literal[1]
    request_hash: Sha256
    failure: Failure | None = None
    tasks: tuple[TaskFacts, ...] = ()
    """In the order of the request; beside a failure those that could be loaded, so that what the search wants of them
    can be checked as well.
    """
    versions: dict[str, str] = Field(default={})
    warnings: tuple[str, ...] = ()
