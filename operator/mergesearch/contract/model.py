"""All that crosses a process border: requests to the merger and the evaluator, and their reports. Pure; standard
library and pydantic only.

A request is one JSON document. It holds a list of candidates, in the plain case of one; every candidate gets a report
of its own, which echoes the candidate's request hash. The hash covers only what determines the result, never prune
lists, attempts, batches or image tags, so a result stays valid when the rest changes.

Volumes are named, never mounted paths: a process is told where `checkpoints`, `workspace` and others lie when it
starts. What a process writes lies where `files.py` says. A field that a reader does not know is an error: both sides
are of one release.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel

from mergesearch.reasons import Reason

CONTRACT_VERSION = 1

CandidateId = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Dtype = Literal["bfloat16", "float16", "float32"]
ShortDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""The first 16 digits of a SHA-256: enough to notice a change, short enough for a status of many leaf tasks."""
Split = Literal["search", "again", "unseen"]
"""`search`: what the search optimises. `again`: the same samples once more, for the noise floor. The others: see
`EvaluationRequest`.
"""


class Model(BaseModel):
    """A frozen JSON document with camelCase names; unknown fields and non-finite numbers are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )

    def to_json(self) -> str:
        """One line of JSON; what is None is left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


def digest(*parts: Any) -> str:
    """SHA-256 over the canonical JSON of `parts`; floats are written so that they read back as the same number."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(model: Model) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True)


class SearchRef(Model):
    """The search that a request belongs to."""

    name: str = Field(max_length=253)
    uid: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")


class VolumePath(Model):
    """A file or folder inside a named volume."""

    volume: str
    path: str


class Checkpoint(Model):
    """One input of the merge: a Hugging Face folder."""

    name: str
    location: VolumePath
    fingerprint: Sha256 | None = None
    """As the preflight saw it; where given, the merger compares and refuses a checkpoint that has changed."""


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
            [_plain(checkpoint), weight]
            for checkpoint, weight in zip(self.checkpoints, candidate.weights, strict=True)
            if weight != 0.0
        ]
        companions = [_plain(checkpoint) for checkpoint in self.checkpoints if checkpoint.name == self.tokenizer_from]
        return digest("merge", self.version, read, self.dtype, self.max_shard_bytes, companions)


class SampleSelection(Model):
    """Which samples of one leaf task are scored: `[start, stop)` of the seeded permutation, or of the file's order
    without a seed.
    """

    leaf: str
    """Name of a task that has documents, never of a group."""
    total: int = Field(ge=1)
    """Number of documents in the leaf."""
    start: int = Field(default=0, ge=0)
    stop: int = Field(ge=1)
    seed: int | None = None
    documents: ShortDigest | None = None
    """Digest over the leaf's documents as the preflight saw them; where given, the evaluator compares."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.start < self.stop <= self.total:
            raise ValueError(
                f"{self.leaf}: samples {self.start}..{self.stop} do not lie within its {self.total} documents"
            )
        return self

    def indices(self) -> tuple[int, ...]:
        """The documents' indices, ascending, as lm-eval's `samples` takes them; never empty."""
        order = range(self.total) if self.seed is None else permutation(self.seed, self.leaf, self.total)
        return tuple(sorted(order[self.start : self.stop]))


def permutation(seed: int, leaf: str, total: int) -> list[int]:
    """A permutation of `range(total)` that is the same on every machine and in every release: ordered by SHA-256."""

    def key(index: int) -> bytes:
        return hashlib.sha256(f"{seed}/{leaf}/{index}".encode()).digest()

    return sorted(range(total), key=key)


class Task(Model):
    """A task of lm-eval and the samples of it that count."""

    name: str
    metric: str
    filter: str = "none"
    num_fewshot: int | None = None
    """None leaves the task's own number."""
    chat_template: bool = False
    samples: tuple[SampleSelection, ...] = Field(min_length=1)
    """One for each leaf task, in lm-eval's order."""


class Engine(Model):
    """How the evaluator runs a model."""

    backend: Literal["vllm", "hf"]
    dtype: Dtype = "bfloat16"
    seed: int = 0
    engine_args: dict[str, str | int | float | bool] = {}
    """Passed to the backend as they are."""
    max_gen_toks: int | None = None
    batch_size: int | None = None
    """None: vLLM schedules by itself; hf uses a default of its own."""
    include_paths: tuple[VolumePath, ...] = ()
    """Folders with tasks of the user's own."""
    allow_code_execution: bool = False


class EvaluationCandidate(Model):
    """One model to score."""

    id: CandidateId
    model: VolumePath
    merge_hash: Sha256 | None = None
    """For a merge: the request hash that its `merge.json` must carry. None: an input checkpoint as it is."""
    fingerprint: Sha256 | None = None
    """For an input checkpoint: as the preflight saw it."""


class EvaluationRequest(Model):
    """Score all candidates on one engine, one after the other; each report is written as soon as its candidate is done.

    `split` names the folder of the outputs: `search` and `again` are the samples that the search may see, `unseen`
    the others of the same tasks together with the held-out tasks.
    """

    kind: Literal["evaluate"] = "evaluate"
    version: Literal[1]
    search: SearchRef
    split: Split
    candidates: tuple[EvaluationCandidate, ...] = Field(min_length=1)
    tasks: tuple[Task, ...] = Field(min_length=1)
    engine: Engine

    def hash_of(self, candidate: EvaluationCandidate) -> str:
        """The request hash of one candidate: of the model, the split, the tasks with their samples, and the engine."""
        model = candidate.merge_hash or [_plain(candidate.model), candidate.fingerprint]
        return digest(
            "evaluate", self.version, model, self.split, [_plain(task) for task in self.tasks], _plain(self.engine)
        )


class PreflightCheckpointsRequest(Model):
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
    living_searches: tuple[str, ...] | None = None
    """UIDs of all searches that share the workspace; folders of others are removed. None: nothing is known, nothing
    is removed.
    """
    living_as_of: float | None = None
    """Unix time at which `living_searches` was read: a folder that was begun later is no search that is gone, the
    request may have waited in a queue. None: only folders begun at least a day ago are removed.
    """

    def hash(self) -> str:
        """The request hash."""
        return digest(_plain(self))


class TaskQuestion(Model):
    """A task as the user wrote it, before its leaves are known."""

    name: str
    metric: str
    filter: str = "none"
    num_fewshot: int | None = None
    chat_template: bool = False


class PreflightTasksRequest(Model):
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

    def hash(self) -> str:
        """The request hash."""
        return digest(_plain(self))


class CompareCandidate(Model):
    """One scored candidate of the confirmation."""

    id: CandidateId
    evaluation_hash: Sha256
    """What the candidate's report on the unseen split must echo."""


class CompareRequest(Model):
    """Paired statistics over per-sample scores of the unseen split: every finalist against every baseline."""

    kind: Literal["compare"] = "compare"
    version: Literal[1]
    search: SearchRef
    finalists: tuple[CompareCandidate, ...] = Field(min_length=1)
    baselines: tuple[CompareCandidate, ...] = ()
    tasks: tuple[str, ...]
    """The held-in tasks, in spec order."""
    task_weights: tuple[float, ...]
    aggregate: Literal["Mean", "WeightedMean", "GeometricMean", "Minimum"] = "Mean"
    seed: int = 0
    resamples: int = Field(default=10_000, ge=100, le=100_000)

    def hash(self) -> str:
        """The request hash."""
        return digest(_plain(self))


class CleanupRequest(Model):
    """Remove the weights of the listed candidates; the search is over or was shortened."""

    kind: Literal["cleanup"] = "cleanup"
    version: Literal[1]
    search: SearchRef
    prune: tuple[CandidateId, ...]

    def hash(self) -> str:
        """The request hash."""
        return digest(_plain(self))


Request = Annotated[
    MergeRequest
    | EvaluationRequest
    | PreflightCheckpointsRequest
    | PreflightTasksRequest
    | CompareRequest
    | CleanupRequest,
    Field(discriminator="kind"),
]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Failure(Model):
    """Why there is no result."""

    reason: Reason
    message: str = Field(max_length=2000)
    transient: bool = False
    """The same request may succeed later."""


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


class TaskScore(Model):
    """The score of one task, a fraction as lm-eval reports it."""

    task: str
    score: float
    stderr: float | None = None
    samples: int


class EvaluationReport(Model):
    """What became of one evaluation."""

    kind: Literal["evaluate"] = "evaluate"
    version: Literal[1]
    candidate: CandidateId
    request_hash: Sha256
    failure: Failure | None = None
    scores: tuple[TaskScore, ...] = ()
    """In the request's order of tasks; empty where `failure` stands."""
    seconds: float = 0.0
    load_seconds: float = 0.0
    """Of `seconds`: until the model was ready to generate."""
    prompt_tokens: int = 0
    generated_tokens: int = 0
    peak_bytes: int = 0
    reused: bool = False


class CheckpointFacts(Model):
    """One checkpoint as its headers show it."""

    name: str
    fingerprint: Sha256
    """Over names, sizes, mtimes and header digests of its files."""
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
    model_type: str = ""
    warnings: tuple[str, ...] = ()


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
    versions: dict[str, str] = {}
    warnings: tuple[str, ...] = ()


class Comparison(Model):
    """A finalist against one baseline on the same unseen samples, in the objective's unit."""

    candidate: CandidateId
    baseline: CandidateId
    gain: float
    low: float
    """Lower end of the 95% interval of the gain, by paired bootstrap."""
    high: float
    p: float
    """One-sided: how likely a gain at least this large is if the baseline were as good."""


class CompareReport(Model):
    """The paired statistics of the confirmation."""

    kind: Literal["compare"] = "compare"
    version: Literal[1]
    request_hash: Sha256
    failure: Failure | None = None
    comparisons: tuple[Comparison, ...] = ()


class CleanupReport(Model):
    """What was removed."""

    kind: Literal["cleanup"] = "cleanup"
    version: Literal[1]
    request_hash: Sha256
    failure: Failure | None = None
    removed: tuple[str, ...] = ()


Report = Annotated[
    MergeReport | EvaluationReport | PreflightCheckpointsReport | PreflightTasksReport | CompareReport | CleanupReport,
    Field(discriminator="kind"),
]
REPORT: TypeAdapter[Report] = TypeAdapter(Report)


class Exit(Model):
    """How a process ended, or a resident one answered a request; `code` is one of `errors.ExitCode` or a signal's."""

    code: int
    reason: Reason | None = None
    message: str = ""
