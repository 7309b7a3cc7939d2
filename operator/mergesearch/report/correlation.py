"""Whether checkpoints that are good at one task are good or bad at another: Spearman's ρ for every pair, with p; pure.

Up to EXACT checkpoints p is the share of all orders of the scores whose |ρ| is at least as large (ties included); above
it comes from Student's t with n - 2 degrees of freedom, as most software has it (Zar 1972).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

EXACT = 8
"""Checkpoints up to which all orders are counted, 40,320 of eight."""
FEWEST = 3
"""Checkpoints of which a correlation says anything."""
LEVEL = 0.05
SLACK = 1e-9
"""Between values of ρ that differ by rounding alone."""


@dataclass(frozen=True)
class Correlation:
    """Of two tasks over the checkpoints; None where all scores of one task are equal."""

    first: int
    """Position of a task."""
    second: int
    rho: float | None
    p: float | None
    """Two-sided, of this pair by itself."""


@dataclass(frozen=True)
class Correlations:
    """Of every pair of tasks."""

    checkpoints: int
    exact: bool
    """p counts all orders."""
    least: float | None
    """The smallest |ρ| with p below LEVEL; None where no order of so few checkpoints is that rare."""
    pairs: tuple[Correlation, ...]

    def of(self, first: int, second: int) -> Correlation:
        """The correlation of two tasks, in either order."""
        wanted = {first, second}
        return next(one for one in self.pairs if {one.first, one.second} == wanted)


def correlations(scores: Sequence[Sequence[float]]) -> Correlations:
    """Of every pair of tasks. `scores[i][t]` is checkpoint i's score on task t; needs FEWEST checkpoints."""
    columns = [list(column) for column in zip(*scores, strict=True)]
    count = len(scores)
    pairs = tuple(
        Correlation(first, second, *spearman(columns[first], columns[second]))
        for first, second in itertools.combinations(range(len(columns)), 2)
    )
    return Correlations(checkpoints=count, exact=count <= EXACT, least=_least(count), pairs=pairs)


def spearman(first: Sequence[float], second: Sequence[float]) -> tuple[float | None, float | None]:
    """ρ and its two-sided p; None where all numbers of one side are equal."""
    if len(set(first)) == 1 or len(set(second)) == 1:
        return None, None
    from scipy import stats

    if len(first) > EXACT:
        found = stats.spearmanr(first, second)
        return float(found.statistic), float(found.pvalue)
    one, other = _standard(stats.rankdata(first)), _standard(stats.rankdata(second))
    rho = float(one @ other)
    every = one @ other[_orders(len(one))].T
    return rho, float(np.mean(np.abs(every) >= abs(rho) - SLACK))


def _standard(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """With mean 0 and length 1, so that products are correlations."""
    centred: NDArray[np.float64] = ranks - ranks.mean()
    return centred / math.sqrt(float(centred @ centred))


@cache
def _orders(count: int) -> NDArray[np.intp]:
    return np.array(list(itertools.permutations(range(count))), dtype=np.intp)


@cache
def _least(count: int) -> float | None:
    """Without ties."""
    if count > EXACT:
        from scipy import stats

        t = float(stats.t.ppf(1.0 - LEVEL / 2.0, count - 2))
        return t / math.sqrt(count - 2 + t * t)
    one = _standard(np.arange(count, dtype=np.float64))
    every = np.sort(np.abs(one @ one[_orders(count)].T))
    rare = [float(rho) for rho in np.unique(np.round(every, 9)) if np.mean(every >= rho - SLACK) < LEVEL]
    return min(rare, default=None)
