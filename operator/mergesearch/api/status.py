"""What a search remembers: the status of a MergeSearch, its only truth; pure.

Everything else follows from it: which children ought to exist, the state of the optimiser, the weights of a
candidate. It holds facts, compactly, since the whole resource has to stay well below what etcd takes: lists follow
the order of the spec's checkpoints and tasks.
"""

import base64
import struct
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from mergesearch.api.base import ApiModel
from mergesearch.api.spec import MAX_CHECKPOINTS, MAX_EVALUATIONS, MAX_TASKS
from mergesearch.contract import Sha256, ShortDigest, Split
from mergesearch.reasons import Reason

STATUS_VERSION = 1
"""Grows when a field changes its meaning; a status of a newer version is left alone."""
MAX_MESSAGE = 200
"""Characters of a record's message; the whole text is in the child's log."""
MAX_STATUS_BYTES = 400_000

Message = Annotated[str, Field(max_length=MAX_MESSAGE)]
Id = Annotated[str, Field(max_length=80)]
"""Of a record."""
Word = Annotated[str, Field(max_length=128)]
"""A version, a name within MergeSearch."""
Leaf = Annotated[str, Field(max_length=256)]
"""Name of a leaf task in lm-eval."""
MAX_BASELINES = 2 * MAX_CHECKPOINTS + 8
"""Every checkpoint, every greedy soup, the noise floor, uniform and merge-best."""
MAX_RECORDS = MAX_EVALUATIONS + MAX_BASELINES
MAX_LEAVES = 4096
MAX_LAUNCHES = 256
"""Far more than there are slots: mergers are bounded by `maxPending`, evaluators by `parallelism`."""


class Phase(StrEnum):
    """Where a search is; for people, code never branches on it."""

    PREFLIGHT = "Preflight"
    BASELINES = "Baselines"
    SEARCHING = "Searching"
    CONFIRMING = "Confirming"
    COMPLETE = "Complete"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    FAILED = "Failed"


class RecordKind(StrEnum):
    """What a record scores."""

    CHECKPOINT = "Checkpoint"
    NOISE = "Noise"
    """The first checkpoint once more, on the same samples: the noise floor."""
    UNIFORM = "Uniform"
    MERGE_BEST = "MergeBest"
    GREEDY = "Greedy"
    SEARCH = "Search"


class RecordState(StrEnum):
    """Goes forward only, but for a retry, a suspension or lost weights, which lead back to Waiting with a higher
    attempt.
    """

    WAITING = "Waiting"
    MERGING = "Merging"
    MERGED = "Merged"
    EVALUATING = "Evaluating"
    SCORED = "Scored"
    FAILED = "Failed"


class Stage(StrEnum):
    """What a launch does."""

    PREFLIGHT_CHECKPOINTS = "PreflightCheckpoints"
    PREFLIGHT_TASKS = "PreflightTasks"
    MERGE = "Merge"
    EVALUATE = "Evaluate"
    COMPARE = "Compare"
    READ = "Read"
    CLEANUP = "Cleanup"


class Record(ApiModel):
    """One thing to score on one split: a candidate of the search, a baseline, or one of these again for the
    confirmation.
    """

    id: Id
    """Unique within its list; for a confirmation, the id of what is confirmed."""
    kind: RecordKind
    """What it scores."""
    generation: int | None = None
    """Generation of a search candidate, from 0."""
    x: Annotated[str, Field(max_length=344)] | None = None
    """The proposed vector of a search candidate: base64 of little-endian float32, one number a checkpoint."""
    members: tuple[int, ...] = Field(default=(), max_length=MAX_CHECKPOINTS)
    """Of a baseline: positions in the spec of the checkpoints that are merged with equal weights."""
    state: RecordState = RecordState.WAITING
    """Where it is."""
    attempt: int = 1
    """Grows whenever it is sent back to Waiting."""
    charged: int = 0
    """Failures of the present stage that count against its retries."""
    disruptions: int = 0
    """Times that the platform ended its process, or that its weights were lost."""
    not_before: AwareDatetime | None = None
    """It is not tried again before this time."""
    alone: bool = False
    """Its process died with others in it, so it is tried by itself until its stage is done."""
    merged: bool = False
    """Its weights lie on the workspace."""
    merge_hash: Sha256 | None = None
    """Request hash of the weights that lie there or are being scored."""
    weights_digest: Sha256 | None = None
    """Of a confirmation: over the merged weights, as `merge.json` has it."""
    scores: tuple[float, ...] = Field(default=(), max_length=2 * MAX_TASKS)
    """Held-in score on each task, in spec order; then, in a confirmation, on each held-out task. Rounded to 9 decimals,
    which is what the search goes by."""
    errors: tuple[float | None, ...] = Field(default=(), max_length=2 * MAX_TASKS)
    """Standard error of each score, rounded."""
    fitness: float | None = None
    """Aggregate of the held-in scores."""
    reason: Reason | None = None
    """Why it failed, or was last tried again."""
    message: Message = ""
    """The reason in words."""
    started_at: AwareDatetime | None = None
    """When its first process was recorded."""
    finished_at: AwareDatetime | None = None
    """When it was scored or failed for good."""
    merge_seconds: float | None = None
    """Of the successful merge."""
    evaluate_seconds: float | None = None
    """Of the successful evaluation."""
    prompt_tokens: int | None = None
    """Read by the model in the successful evaluation; unset where nobody has counted. What failed tries took is
    unknown."""
    generated_tokens: int | None = None
    """Written by the model in the successful evaluation."""
    same_as: Id | None = None
    """Its merge has the same weights as that of this record, whose scores it has: nothing ran for it."""

    @property
    def ended(self) -> bool:
        """Scored, or failed for good."""
        return self.state in (RecordState.SCORED, RecordState.FAILED)


class Ended(ApiModel):
    """How a process ended."""

    code: int
    """Its exit code."""
    reason: Reason | None = None
    """What it said itself."""
    message: Message = ""
    """The reason in words."""


class Launch(ApiModel):
    """One child process or Job, recorded before it exists and dropped when its outcome is folded into its
    candidates.
    """

    number: int
    """Only grows."""
    stage: Stage
    """What it does."""
    split: Split = "search"
    """Which list of records its candidates are in, and which samples they are scored on."""
    candidates: tuple[Id, ...] = Field(default=(), max_length=MAX_RECORDS)
    """Ids of its records."""
    prunes: tuple[Id, ...] = Field(default=(), max_length=MAX_RECORDS)
    """Ids whose weights it removes first."""
    created_at: AwareDatetime
    """When it was recorded."""
    started_at: AwareDatetime | None = None
    """When its process was first seen to have started; unset again when the process is gone without an end."""
    reads: Stage | None = None
    """Of a read: the stage of the launch whose reports it fetches from the workspace."""
    answers: Sha256 | None = None
    """Of a read: the digest that its process left in the place of its reports."""
    ended: Ended | None = None
    """Of a read: how that process ended; unset where nobody knows, or the platform ended it."""
    booked_until: AwareDatetime | None = None
    """Until when its run time is booked: a process of it has vanished, or nobody watched since."""


class Blocked(ApiModel):
    """A child that cannot be made for now: a quota or a missing right forbids it, or its volume is being deleted."""

    launch: int
    """Number of its launch."""
    reason: Reason
    """For machines."""
    message: Annotated[str, Field(max_length=1000)]
    """What cannot be made, in the words of who forbids it."""


class LeafStatus(ApiModel):
    """A leaf task as the preflight saw it."""

    name: Leaf
    """Name in lm-eval."""
    total: int
    """Documents."""
    documents: ShortDigest
    """Digest over the documents."""


class TaskStatus(ApiModel):
    """A task as the preflight saw it."""

    name: Leaf
    """Name in lm-eval."""
    leaves: tuple[LeafStatus, ...] = Field(max_length=MAX_LEAVES)
    """Its leaf tasks."""


class PreflightStatus(ApiModel):
    """What the preflight found; what later requests are checked against."""

    fingerprints: tuple[Sha256, ...] = Field(default=(), max_length=MAX_CHECKPOINTS)
    """Of the checkpoints, in spec order."""
    input_bytes: int = 0
    """Of all checkpoints."""
    output_bytes: int = 0
    """Of one merge."""
    parameters: int = 0
    """Of one merge."""
    free_bytes: int = 0
    """On the workspace, when it was measured."""
    merger_memory_bytes: int = 0
    """That a merger takes for a batch, of what its container allows."""
    tasks: tuple[TaskStatus, ...] = Field(default=(), max_length=2 * MAX_TASKS)
    """Held-in, then held-out tasks."""
    smallest_gain: float | None = None
    """The smallest gain over one baseline that the unseen samples prove four times in five, the choice among the
    finalists included, if the two differ on one sample in five."""
    provable: Message | None = None
    """The same in words, with the finalists and the unseen samples."""
    versions: dict[str, Word] = Field(default={}, max_length=16)
    """Of lm-eval and the backend."""
    warnings: tuple[Message, ...] = Field(default=(), max_length=16)
    """What a person should know."""


class AlgorithmStatus(ApiModel):
    """What proposes the candidates; with the records it determines all that is proposed later."""

    name: Word
    """`Softmax`, `Box`, `Paper` or `Random`."""
    seed: int
    """Seed of every proposal."""
    dimension: int
    """Number of checkpoints."""
    population_size: int
    """Candidates of a generation."""
    versions: dict[str, Word] = Field(max_length=16)
    """Of cmaes and numpy, when the search began."""


class Counts(ApiModel):
    """Search candidates by state, and what happened to their processes."""

    total: int = 0
    """Asked for."""
    waiting: int = 0
    """Not started, or to be tried again."""
    merging: int = 0
    """In a merger."""
    evaluating: int = 0
    """Merged, or in an evaluator."""
    scored: int = 0
    """Scored."""
    reused: int = 0
    """Of the scored ones: those that have the scores of equal weights, and cost nothing."""
    failed: int = 0
    """Failed for good."""
    retried: int = 0
    """Tries beyond the first, of all records."""
    disrupted: int = 0
    """Times that the platform ended a process, or that weights were lost."""


class Best(ApiModel):
    """The best search candidate so far, on the search samples."""

    id: Id
    """Its id."""
    fitness: float
    """Its fitness."""
    weights: dict[str, float] = Field(max_length=MAX_CHECKPOINTS)
    """Its weights, rounded to 6 digits."""
    gain: float | None = None
    """Over the best baseline on the search samples."""


class Gain(ApiModel):
    """The winner against one baseline on the unseen samples."""

    baseline: Id
    """Id of the baseline."""
    gain: float
    """Difference of fitness."""
    low: float
    """Lower end of the 95% interval, which allows for the choice among the finalists."""
    high: float
    """Upper end of the 95% interval."""
    p: float
    """One-sided p of this finalist alone."""
    corrected_p: float | None = None
    """The p after the choice among the finalists. Unset by earlier releases, where it is p times the finalists."""


class Better(ApiModel):
    """A baseline that is ahead of the winner on the unseen samples."""

    id: Id
    """Its id."""
    path: Annotated[str, Field(max_length=512)] | None = None
    """Its folder on the workspace, which stays beside the `keepBest` best; unset where it is a checkpoint itself."""


class Confirmed(ApiModel):
    """The winner, chosen and proven on samples that the search never saw."""

    id: Id
    """Its id."""
    weights: dict[str, float] = Field(max_length=MAX_CHECKPOINTS)
    """Its weights, rounded to 6 digits."""
    fitness: float
    """On the unseen samples."""
    path: Annotated[str, Field(max_length=512)]
    """Its folder on the workspace."""
    gains: tuple[Gain, ...] = Field(default=(), max_length=MAX_BASELINES)
    """Against each confirmed baseline, the best checkpoint, uniform and merge-best among them."""
    better: Better | None = None
    """The baseline that is the better choice, where there is one."""
    weights_digest: Sha256 | None = None
    """Over the weights in that folder, as its `merge.json` has it."""
    reused: bool = False
    """The unseen samples had decided an earlier confirmation of this search already."""
    request_hash: Sha256
    """Of the comparison that decided."""
    finalists: int | None = None
    """How many the winner was chosen among in that comparison; unset by earlier releases."""


class Measured(ApiModel):
    """Processes of one kind that have gone through: what a further candidate will take is their mean."""

    candidates: int = 0
    """Candidates that they brought to an end."""
    seconds: float = 0.0
    """Their wall time, starts of engines included."""


Expense = Literal["merge", "search", "unseen"]
"""What is measured by itself: a merge, an evaluation on the search samples, one of a confirmation."""


class Cost(ApiModel):
    """What was spent, failed tries included."""

    merge_seconds: float = 0.0
    """Wall time of mergers."""
    evaluate_seconds: float = 0.0
    """Wall time of evaluators."""
    gpu_seconds: float = 0.0
    """Wall time times GPUs asked for."""
    gpu_seconds_by_stage: dict[Stage, float] = Field(default={}, max_length=len(Stage))
    """The same by what the processes did, of stages that ask for GPUs; of a search that an earlier release began, since
    this one runs it."""
    prompt_tokens: int = 0
    """Read by models, in evaluations that gave a score."""
    generated_tokens: int = 0
    """Written by models, in the same evaluations."""
    flops: float = 0.0
    """Floating-point operations of these tokens: 2 x parameters of a merge x tokens. Attention, merges and failed tries
    are left out, and all experts of a mixture count as used."""
    measured: dict[Expense, Measured] = Field(default={}, max_length=3)
    """What expectations of further costs rest on."""


class Condition(ApiModel):
    """A metav1.Condition."""

    type: Literal["Ready", "Reconciling", "Stalled", "Suspended", "Complete", "Failed", "Reproducible"]
    """What it is about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Reason
    """For machines."""
    message: Annotated[str, Field(max_length=2000)] = ""
    """For people."""
    observed_generation: int
    """Generation of the spec that it is about."""
    last_transition_time: AwareDatetime
    """When `status` last changed."""


class Decision(ApiModel):
    """Something the search has decided, with its reason."""

    reason: Reason
    """For machines."""
    message: Annotated[str, Field(max_length=2000)]
    """For people."""


class MergeSearchStatus(ApiModel):
    """What a search remembers."""

    version: int = STATUS_VERSION
    """Of this form of the status."""
    observed_generation: int = 0
    """Generation of the spec that was last acted on."""
    phase: Phase = Phase.PREFLIGHT
    """For people."""
    start_time: AwareDatetime | None = None
    """When the search was first seen."""
    completion_time: AwareDatetime | None = None
    """When it was complete or failed."""
    active_seconds: float = 0.0
    """Time with a process running, up to `activeSince`."""
    active_since: AwareDatetime | None = None
    """Since when a process runs without a break."""
    retry: Annotated[str, Field(max_length=64)] = ""
    """The spec's `retry` that was last acted on."""
    preflight: PreflightStatus = PreflightStatus()
    """What the preflight has found so far."""
    preflight_due: tuple[Stage, ...] = Field(
        default=(Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS), max_length=len(Stage)
    )
    """Halves of the preflight that have not passed yet."""
    stalled: Decision | None = None
    """Why nothing new starts until a person has acted."""
    closed: Decision | None = None
    """Why no more candidates are asked for."""
    failed: Decision | None = None
    """Why the search has ended without a result."""
    algorithm: AlgorithmStatus | None = None
    """Set when the first generation is asked for."""
    diverged: bool = False
    """Asking again gave other vectors than the recorded ones, which stay: numerical libraries have changed."""
    images: dict[str, Annotated[str, Field(max_length=1024)]] = Field(default={}, max_length=16)
    """Images that ran first, `merger` and `evaluator`, with their digests; `mergerNow` and `evaluatorNow` where later
    processes ran other ones."""
    counts: Counts = Counts()
    """Of the search candidates."""
    baselines: tuple[Record, ...] = Field(default=(), max_length=MAX_BASELINES)
    """Baselines on the search samples."""
    candidates: tuple[Record, ...] = Field(default=(), max_length=MAX_EVALUATIONS)
    """Candidates of the search, in the order in which they were proposed."""
    confirmations: tuple[Record, ...] = Field(default=(), max_length=MAX_RECORDS)
    """Finalists and baselines on the unseen samples and the held-out tasks."""
    rounds: int = 0
    """Confirmations that have been decided."""
    launches: tuple[Launch, ...] = Field(default=(), max_length=MAX_LAUNCHES)
    """Children that ought to exist."""
    blocked: Blocked | None = None
    """The child that cannot be made for now; the others wait for it."""
    stage_failures: dict[Stage, int] = Field(default={}, max_length=8)
    """Failures in a row of stages that have no records: preflight, compare, cleanup."""
    stage_disruptions: dict[Stage, int] = Field(default={}, max_length=8)
    """Times in a row that the platform ended processes of these stages."""
    stages_not_before: AwareDatetime | None = None
    """These stages are not tried again before this time."""
    next_launch: int = 1
    """Number of the next launch."""
    best: Best | None = None
    """Best candidate so far."""
    confirmed: Confirmed | None = None
    """The winner."""
    gain: float | None = None
    """Of the winner, once there is one: the smallest of its gains over the baselines that were confirmed; before that,
    of the best candidate over the best baseline on the search samples."""
    pareto: tuple[Id, ...] = Field(default=(), max_length=MAX_RECORDS)
    """Candidates that no other beats on every held-in task."""
    noise: float | None = None
    """Difference of fitness between two evaluations of the first checkpoint on the same samples."""
    cost: Cost = Cost()
    """What was spent."""
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16)
    """Ready, Reconciling, Stalled, Suspended, Complete, Failed; Reproducible where it does not hold."""


def encode_vector(x: tuple[float, ...]) -> str:
    """Base64 of little-endian float32. The numbers must be float32 already, so that nothing is lost."""
    return base64.b64encode(struct.pack(f"<{len(x)}f", *x)).decode()


def decode_vector(text: str) -> tuple[float, ...]:
    """The inverse of `encode_vector`. Raises ValueError."""
    data = base64.b64decode(text, validate=True)
    if len(data) % 4:
        raise ValueError(f"{len(data)} bytes are no whole number of float32 values")
    return struct.unpack(f"<{len(data) // 4}f", data)
