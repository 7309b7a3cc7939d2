"""What the unseen samples can prove; pure."""

import math
from collections.abc import Sequence

DISCORDANT = 0.2
"""Share of samples on which two good merges are assumed to differ, one right and the other wrong."""
Z_LEVEL = 1.6448536269514722
"""One-sided 5%."""
Z_POWER = 0.8416212335729143
"""80%."""


def smallest_gain(samples: Sequence[int], weights: Sequence[float]) -> float:
    """The smallest gain in a (weighted) mean that a paired test on 0/1 scores finds four times in five at the
    one-sided 5% level.

    `samples` are the unseen samples of each task. The variance of a paired difference on n samples with discordant
    share d is at most d/n (McNemar; Connor 1987), so the mean over tasks has variance Σ (w/Σw)² d/n.
    """
    total = math.fsum(weights)
    variance = math.fsum((w / total) ** 2 * DISCORDANT / n for w, n in zip(weights, samples, strict=True))
    return (Z_LEVEL + Z_POWER) * math.sqrt(variance)
