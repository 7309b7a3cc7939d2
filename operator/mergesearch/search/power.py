"""What the unseen samples can prove; pure."""

import math
import statistics
from collections.abc import Sequence

from mergesearch.contract import Aggregate

DISCORDANT = 0.2
"""Share of samples on which two good merges are assumed to differ, one right and the other wrong."""
LEVEL = 0.05
"""Of the one-sided test, the choice among the finalists included."""
POWER = 0.8

NORMAL = statistics.NormalDist()


def smallest_gain(samples: Sequence[int], weights: Sequence[float], how: Aggregate, finalists: int) -> float:
    """The smallest gain of one finalist over one baseline on 0/1 scores that is claimed four times in five.

    `samples` are the unseen samples of each task, `weights` those of a WeightedMean. Where a share d of the samples is
    discordant, the paired difference has the variance (d - g²)/n (McNemar; Connor 1987); with the same gain g on every
    task the mean over tasks has (d - g²) V, where V = Σ (w/Σw)²/n. The gain is found where it is z of its standard
    errors: g² = z² (d - g²) V. No gain is larger than d; where more is needed, all that differs is a gain, d = g.

    A geometric mean counts as a mean, which it is where all tasks have the same score; of a minimum the task with the
    fewest samples decides.
    """
    if how == "Minimum":
        spread = 1.0 / min(samples)
    else:
        some = weights if how == "WeightedMean" else [1.0] * len(samples)
        total = math.fsum(some)
        spread = math.fsum((w / total) ** 2 / n for w, n in zip(some, samples, strict=True))
    needed = (critical(finalists) + NORMAL.inv_cdf(POWER)) ** 2 * spread
    gain = math.sqrt(DISCORDANT * needed / (1.0 + needed))
    return gain if gain <= DISCORDANT else needed / (1.0 + needed)


def critical(finalists: int) -> float:
    """How many standard errors a gain has to be above 0: by Bonferroni, which is never too few, and at least as many as
    it takes a 95% interval to lie above 0.
    """
    return max(NORMAL.inv_cdf(1.0 - LEVEL / 2), NORMAL.inv_cdf(1.0 - LEVEL / finalists))
