"""What the numbers of a search show beyond its verdict, in frozen values: trade-offs, fronts, volume, weightings; pure.

Numbers are as the search has them, fractions as fractions. Tasks are positions among the held-in tasks, in the order of
the summary. Where something cannot be said, an `Absent` says why, so that a page of any moment can.
"""

from dataclasses import dataclass

from mergesearch.report.correlation import Correlations
from mergesearch.report.shapes import Role


@dataclass(frozen=True)
class Absent:
    """Nothing to show."""

    why: str
    """A sentence."""


@dataclass(frozen=True)
class Point:
    """A model with its scores on the search samples."""

    id: str
    name: str
    role: Role
    scores: tuple[float, ...]
    """On the held-in tasks."""


@dataclass(frozen=True)
class Fit:
    """The line of least squares through the checkpoints: score on the second task = intercept + slope * first."""

    slope: float
    intercept: float
    r_squared: float


@dataclass(frozen=True)
class Pair:
    """Two tasks against each other."""

    first: int
    second: int
    front: tuple[str, ...]
    """Ids of the models that no other one beats on both, from the best at the second task to the best at the first."""
    fit: Fit | None
    """None of fewer than three checkpoints, or where all score alike on one of the tasks."""
    rho: float | None
    """Spearman's, over the checkpoints."""
    p: float | None


@dataclass(frozen=True)
class Tradeoffs:
    """Tasks against tasks."""

    points: tuple[Point, ...]
    """Every model that is scored: checkpoints, other baselines, candidates."""
    front: tuple[str, ...]
    """Ids of those that no other one beats on every task."""
    pairs: tuple[Pair, ...]
    """Those that are shown."""
    all_pairs: int
    """How many there are."""


@dataclass(frozen=True)
class Volume:
    """How much of what can be wanted of the tasks at once some model reaches, evaluation by evaluation."""

    reference: tuple[float, ...]
    """Score on each task below which a model adds nothing: the worst checkpoint's, less a tenth of the range."""
    ideal: tuple[float, ...]
    """Best score of a checkpoint on each task; a model that has them all would make the volume 1."""
    left_out: tuple[int, ...]
    """Tasks on which all checkpoints score alike."""
    checkpoints: float
    """Of the checkpoints alone."""
    curve: tuple[float, ...]
    """Of all models so far: first of all baselines, then after each evaluation."""
    error: float | None
    """Standard error of an estimate; None where the volumes are exact."""


@dataclass(frozen=True)
class Weighting:
    """One of the best candidates."""

    id: str
    fitness: float
    weights: tuple[float, ...]
    """In the order of the heatmap's checkpoints."""


@dataclass(frozen=True)
class Source:
    """A checkpoint of the heatmap."""

    name: str
    fitness: float | None
    """By itself, on the search samples."""


@dataclass(frozen=True)
class Heatmap:
    """The weights of the best candidates."""

    checkpoints: tuple[Source, ...]
    """From the best by itself; those that are not scored last."""
    weightings: tuple[Weighting, ...]
    """From the best on the search samples."""


@dataclass(frozen=True)
class Compute:
    """Floating-point operations of the evaluations."""

    parameters: int
    tokens: int
    """Read and written in evaluations that gave a score."""
    flops: float
    """2 * parameters * tokens: one multiplication and one addition a parameter and token (Kaplan et al. 2020)."""
    training_flops: float | None
    """What the checkpoints' training took, as the reader of the report has said."""
    share: float | None
    """Of the training."""


@dataclass(frozen=True)
class Findings:
    """Everything of a page that is more than the search has recorded."""

    tradeoffs: Tradeoffs | Absent
    volume: Volume | Absent
    correlations: Correlations | Absent
    heatmap: Heatmap | Absent
    compute: Compute | Absent
