"""What a report says of a search, in frozen values: the one source of the page, the tables and the data; pure.

All numbers are as the search has them, fractions as fractions; how people read them is in `wording.py`. Names that a
user chose stand in values only, never in field names.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mergesearch.api.status import Phase, RecordKind, RecordState
from mergesearch.report.background import OptimizerFacts, Rebuild, Spent, Tries, Trouble


class Outcome(StrEnum):
    """What a reader wants to know first."""

    NOT_STARTED = "not started"
    RUNNING = "running"
    SUSPENDED = "suspended"
    STALLED = "stalled"
    FAILED = "failed"
    GAIN = "gain"
    """The winner beats every baseline that was confirmed, each by more than chance explains."""
    NO_GAIN = "no gain"
    """Some baseline is not beaten by more than chance explains."""
    UNPROVEN = "unproven"
    """The winner was not compared with every baseline that was confirmed, or there was none."""


class Role(StrEnum):
    """What a row of the tables is."""

    WINNER = "winner"
    FINALIST = "finalist"
    CANDIDATE = "candidate"
    """One of the best so far; nothing is confirmed yet."""
    MERGE_BEST = "merge-best"
    UNIFORM = "uniform"
    GREEDY = "greedy"
    CHECKPOINT = "checkpoint"

    @property
    def is_candidate(self) -> bool:
        """Whether the search has proposed it; all others are baselines."""
        return self in (Role.WINNER, Role.FINALIST, Role.CANDIDATE)


@dataclass(frozen=True)
class Scale:
    """How people read a number: fractions as points, others as they are."""

    factor: float
    digits: int
    unit: str
    """`points`, or empty."""


@dataclass(frozen=True)
class TaskFacts:
    """A task, and how many of its samples are scored on which side; None before the preflight has counted them."""

    name: str
    metric: str
    filter: str
    held_out: bool
    weight: str
    search_samples: int | None
    unseen_samples: int | None
    choice: str
    """Which samples these are, in words: a seeded choice, or the ranges that were given."""
    num_fewshot: int | None
    """Examples in the prompt; None leaves the task's own number."""
    chat_template: bool
    scale: Scale


@dataclass(frozen=True)
class Scored:
    """One model on one set of samples. `scores` and `errors` follow the summary's tasks: the held-in ones, on unseen
    samples the held-out ones after them.
    """

    fitness: float
    scores: tuple[float, ...]
    errors: tuple[float | None, ...]


@dataclass(frozen=True)
class Versus:
    """The winner against one baseline on the unseen samples."""

    gain: float
    low: float
    high: float
    p: float
    corrected_p: float
    """p after the choice among the finalists, which was made on the same samples."""
    significant: bool
    """The 95% interval lies above 0, and the corrected p is below 0.05."""
    decides: bool
    """The comparison that speaks for all: with a baseline that is not clearly beaten, and of several the strongest."""


@dataclass(frozen=True)
class Row:
    """One model of the tables."""

    id: str
    name: str
    """As people call it: a checkpoint's own name, else the id."""
    role: Role
    members: tuple[str, ...]
    """Of a baseline: the checkpoints in it, with equal weights."""
    state: RecordState
    """On the search samples."""
    on_search: Scored | None
    on_unseen: Scored | None
    versus: Versus | None
    """The winner against this one."""


@dataclass(frozen=True)
class Measured:
    """A baseline or a candidate, with everything that was measured of it."""

    id: str
    kind: RecordKind
    generation: int | None
    """None for a baseline."""
    state: RecordState
    fitness: float | None
    scores: tuple[float, ...]
    errors: tuple[float | None, ...]
    on_unseen: Scored | None
    weights: tuple[float, ...]
    """In the order of the checkpoints."""
    seconds: float | None
    """Of its merge and its evaluation."""
    prompt_tokens: int | None
    """Read by the model; None where nobody has counted."""
    generated_tokens: int | None
    """Written by the model."""
    same_as: str | None
    """Whose scores it has, since its weights are the same; nothing ran for it."""


@dataclass(frozen=True)
class Evaluation(Measured):
    """One search candidate: a point of the fitness curve."""

    number: int
    """From 1, in the order in which they were proposed."""
    running_best: float | None
    """Best fitness up to here; None before the first score."""


@dataclass(frozen=True)
class Line:
    """A baseline in the fitness curve, on the search samples."""

    role: Role
    name: str
    fitness: float


@dataclass(frozen=True)
class Weight:
    """The share of one checkpoint in a merge."""

    checkpoint: str
    weight: float


@dataclass(frozen=True)
class Summary:
    """A search at one moment."""

    name: str
    uid: str
    outcome: Outcome
    verdict: str
    """One sentence, in plain words; after a stall or a failure also what to do."""
    notes: tuple[str, ...]
    """Sentences that the verdict has to be read with."""
    phase: Phase | None
    as_of: datetime | None
    """The latest thing that the status knows of."""
    started: datetime | None
    completed: datetime | None
    closed: str
    """Why no more candidates are asked for; empty while they are."""
    max_evaluations: int
    tasks: tuple[TaskFacts, ...]
    """The held-in tasks, then the held-out ones."""
    scale: Scale
    """Of the fitness."""
    rows: tuple[Row, ...]
    """The winner, the other finalists, then the baselines."""
    finalists: int
    """Candidates that were scored on the unseen samples."""
    winner: str | None
    weights_of: str | None
    """Whose weights follow: the winner's, or the best candidate's so far."""
    weights: tuple[Weight, ...]
    """From the largest; zeros last."""
    baselines: tuple[Measured, ...]
    """The second evaluation of the first checkpoint, which is the noise floor, among them."""
    evaluations: tuple[Evaluation, ...]
    lines: tuple[Line, ...]
    noise: float | None
    """Difference of fitness between two evaluations of one checkpoint on the same samples."""
    smallest_gain: float | None
    """The smallest gain that the unseen samples can prove."""
    reused: bool
    """The unseen samples had decided an earlier confirmation."""
    optimizer: OptimizerFacts | None
    spent: Spent
    tries: Tries
    troubles: tuple[Trouble, ...]
    warnings: tuple[str, ...]
    rebuild: Rebuild

    @property
    def held_in(self) -> tuple[TaskFacts, ...]:
        """The tasks that the search optimises; the findings' positions are in this tuple."""
        return tuple(task for task in self.tasks if not task.held_out)

    @property
    def confirmed(self) -> bool:
        """Whether anything is scored on the unseen samples."""
        return any(row.on_unseen is not None for row in self.rows)
