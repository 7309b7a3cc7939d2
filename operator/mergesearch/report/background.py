"""What stands behind a result, in frozen values: the optimiser, the cost, the failures, how to rebuild it; pure."""

from dataclasses import dataclass

from mergesearch.api.status import RecordState
from mergesearch.contract import Aggregate
from mergesearch.search.optimizer import StrategyName


@dataclass(frozen=True)
class GenerationFacts:
    """One generation of the search."""

    number: int
    candidates: int
    scored: int
    failed: int
    told: bool
    """Complete, so that the optimiser learns from it."""
    best: float | None
    mean: float | None
    clipped: float | None
    """Share of the proposed numbers that the box has cut to exactly 0; None where there is no box."""
    zeros: float
    """Share of the merged weights that are exactly 0, clipped or dropped below `merge.skipBelow`."""


@dataclass(frozen=True)
class OptimizerFacts:
    """What proposed the candidates, and what it could learn from."""

    name: StrategyName
    seed: int
    dimension: int
    population_size: int
    updates: int
    """Complete generations that were told; 0 for a random search, which learns nothing."""
    untold: int
    """Candidates of the last, incomplete generation. Once the search is closed, they have taught nothing."""
    closed: bool
    """No more candidates are asked for."""
    generations: tuple[GenerationFacts, ...]


@dataclass(frozen=True)
class StageSeconds:
    """GPU-seconds of one kind of process."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class Spent:
    """What the search has cost, failed tries included."""

    active_seconds: float
    merge_seconds: float
    evaluate_seconds: float
    gpu_seconds: float
    gpu_seconds_by_stage: tuple[StageSeconds, ...]
    """Of stages that ask for GPUs."""
    prompt_tokens: int
    generated_tokens: int
    flops: float
    """Of these tokens; 0 where neither they nor the parameters are counted."""
    evaluations: int
    """Scored records of every kind."""


@dataclass(frozen=True)
class Tries:
    """How the processes went."""

    scored: int
    """Search candidates."""
    reused: int
    """Of the scored ones: those that have the scores of equal weights, and cost nothing."""
    failed: int
    """Search candidates that failed for good."""
    retried: int
    """Tries beyond the first, of all records."""
    disrupted: int
    """Times that the platform ended a process, or that weights were lost."""


@dataclass(frozen=True)
class Trouble:
    """A record that has failed, or had to be tried again."""

    id: str
    samples: str
    """`search` or `unseen`."""
    state: RecordState
    attempt: int
    disruptions: int
    reason: str
    message: str


@dataclass(frozen=True)
class Pair:
    """A name and what belongs to it."""

    name: str
    value: str


@dataclass(frozen=True)
class CheckpointFacts:
    """An input of the merge."""

    name: str
    volume: str
    path: str
    fingerprint: str | None


@dataclass(frozen=True)
class LeafFacts:
    """A leaf task of lm-eval as the preflight saw it."""

    name: str
    documents: int
    digest: str
    """Over the documents."""


@dataclass(frozen=True)
class DocumentFacts:
    """What a task asks, as the preflight saw it."""

    task: str
    leaves: tuple[LeafFacts, ...]


@dataclass(frozen=True)
class Rebuild:
    """What somebody needs to make the same search or the same model again."""

    seed: int
    aggregate: Aggregate
    checkpoints: tuple[CheckpointFacts, ...]
    dtype: str
    tokenizer_from: str
    skip_below: str
    backend: str
    backend_dtype: str
    engine_args: tuple[Pair, ...]
    """Of the backend, as the manifest has them."""
    max_gen_toks: int | None
    """Tokens that an answer has at most; None leaves the tasks' own numbers."""
    batch_size: int | None
    task_folders: tuple[str, ...]
    """With tasks of the user's own, as VOLUME/FOLDER."""
    allow_code_execution: bool
    versions: tuple[Pair, ...]
    images: tuple[Pair, ...]
    documents: tuple[DocumentFacts, ...]
    """Of every task; empty before the preflight."""
    parameters: int
    """Of one merge; 0 before the preflight."""
    path: str | None
    """The winner's folder on the workspace."""
    weights_digest: str | None
    """Over the weights in that folder."""
