"""Maps between the optimiser's vectors x and merge weights on the simplex; pure.

Weights are called w here, α in Khalifa et al. N is the number of checkpoints.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Map = Literal["Softmax", "Box", "Simplex"]
"""Softmax: w = softmax(x). Box: w = clip(x, 0, 1) / sum, the paper's. Simplex: x is w already."""
Vector = npt.NDArray[np.float64]


def weights_of(x: Sequence[float], how: Map, skip_below: float = 0.0) -> tuple[float, ...]:
    """The merge weights of x: at least 0, summing to 1. Raises ValueError if x is not finite or a box vector has no
    positive entry.

    Weights below `skip_below` become an exact 0 and the others are rescaled, so that their checkpoints are not read;
    the largest weight always stays.
    """
    vector = np.asarray(x, dtype=np.float64)
    if not np.all(np.isfinite(vector)):
        raise ValueError(f"a vector with a non-finite entry has no weights: {list(x)}")
    if how == "Softmax":
        raw = np.exp(vector - vector.max())
    elif how == "Box":
        raw = np.clip(vector, 0.0, 1.0)
    else:
        raw = np.clip(vector, 0.0, None)
    if raw.sum() <= 0.0:
        raise ValueError("a vector without a positive entry has no weights")
    weights = raw / raw.sum()
    weights[(weights < skip_below) & (weights < weights.max())] = 0.0
    return tuple(float(weight) for weight in weights / weights.sum())


History = Sequence[tuple[Sequence[float], float]]
"""Weights with their fitness, in the order in which ties are broken."""
SHARE = 0.3
"""Of the history, the best part that a warm start goes by; at least one point."""
MIX = 0.5
"""What the mean of that part counts in the start; the uniform merge counts the rest, so that no weight begins at 0."""


def softmax_mean(history: History, dimension: int, share: float = SHARE, mix: float = MIX) -> Vector:
    """Where the softmax search starts: z = log w of `warm_start`, centred; uniform, z = 0, without a history."""
    if not history:
        return np.zeros(dimension)
    z = np.log(warm_start(history, dimension, share, mix))
    return np.asarray(z - z.mean(), dtype=np.float64)


def warm_start(history: History, dimension: int, share: float = SHARE, mix: float = MIX) -> Vector:
    """W = mix · mean of the best weights + (1 - mix) / N, where the box search starts; 1/N without a history, as in
    the paper.
    """
    uniform = np.full(dimension, 1.0 / dimension)
    if not history:
        return uniform
    ranked = sorted(history, key=lambda point: -point[1])
    best = ranked[: max(1, round(share * len(ranked)))]
    mean = np.mean([np.asarray(weights, dtype=np.float64) for weights, _ in best], axis=0)
    return np.asarray(mix * mean + (1.0 - mix) * uniform, dtype=np.float64)
