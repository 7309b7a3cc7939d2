"""How often a gain is claimed, by the normal approximation. Pure; independent of the code that is tested.

Every model's score on the unseen samples is its true score plus an error Z of its own, all of one size; in units of the
standard error of a paired difference, sqrt(2) sizes of Z, a finalist f is ahead of a baseline b by
T = δ_f + (Z_f - Z_b) / sqrt(2). The finalist with the largest score wins, and a gain is claimed if it is ahead of each
baseline by more than c. With M the largest of sqrt(2) δ_f + Z_f,

    P(claim) = E[Φ(M - sqrt(2) c)^m]

for m baselines that are equally good; weaker ones do not matter. c is that of a one-sided test at 5% for the largest of
k correlated gains (Dunnett 1955), and at least 1.96, so that the 95% interval lies above 0. Scores of one task of n
documents come in steps of 1/n, and a resample that ties counts against the claim: that adds half a step to c, the
continuity correction of McNemar's test (Edwards 1948). Several tasks of different sizes have no such steps.
"""

from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

GRID = np.linspace(-9.0, 16.0, 20_001)
LEVEL = 0.05


def claimed(ahead: Sequence[float], critical: float, baselines: int = 1) -> float:
    """Share of searches that claim a gain, where finalists are ahead of the best baselines by so many standard errors
    of a paired difference.
    """
    largest = np.prod([stats.norm.cdf(GRID - 2**0.5 * one) for one in ahead], axis=0)
    middle = (GRID[1:] + GRID[:-1]) / 2
    return float(np.diff(largest) @ stats.norm.cdf(middle - 2**0.5 * critical) ** baselines)


def critical(finalists: int) -> float:
    """How many standard errors the winner has to be ahead."""
    dunnett = optimize.brentq(lambda c: claimed([0.0] * finalists, c) - LEVEL, 1.0, 5.0)
    return max(float(dunnett), float(stats.norm.isf(LEVEL / 2)))


def half_step(documents: int, discordant: float, gain: float) -> float:
    """Of the scores of one task, in standard errors of a paired difference, whose variance is (d - g²)/n."""
    return float(0.5 / documents / ((discordant - gain**2) / documents) ** 0.5)


def band(share: float, runs: int) -> tuple[int, int]:
    """Between which counts 95 of 100 experiments of so many runs lie, where the share is the true one."""
    low, high = stats.binom.interval(0.95, runs, share)
    return int(low), int(high)
