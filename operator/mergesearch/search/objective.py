"""From the scores of the tasks to one fitness, higher is better; pure."""

import math
from collections.abc import Sequence

from mergesearch.contract import Aggregate


def aggregate(scores: Sequence[float], weights: Sequence[float], how: Aggregate) -> float:
    """The fitness R of a candidate; the paper's is the Mean.

    `scores` and `weights` have one entry a task; only WeightedMean reads the weights. Raises ValueError where the
    aggregate is not defined: no score, a non-finite one, or a negative one in a GeometricMean.
    """
    if not scores or len(scores) != len(weights):
        raise ValueError(f"{len(scores)} scores for {len(weights)} tasks")
    refuse_non_finite(scores)
    if how == "Mean":
        return math.fsum(scores) / len(scores)
    if how == "WeightedMean":
        return math.fsum(w * s for w, s in zip(weights, scores, strict=True)) / math.fsum(weights)
    if how == "Minimum":
        return min(scores)
    if min(scores) < 0:
        raise ValueError(f"a geometric mean needs scores of at least 0: {list(scores)}")
    return math.exp(math.fsum(math.log(s) for s in scores) / len(scores)) if min(scores) > 0 else 0.0


def refuse_non_finite(scores: Sequence[float]) -> None:
    """Raises ValueError if a score is not a number."""
    if not all(math.isfinite(score) for score in scores):
        raise ValueError(f"scores are not finite: {list(scores)}")
