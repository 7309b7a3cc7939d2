"""Synthetic landscapes whose best merge is known: fitness is a concave quadratic of the weights; pure.

N checkpoints, three tasks. Task t's score of the weights w, in points:

    s_t(w) = TOP - (w - o_t)ᵀ H (w - o_t),        fitness f(w) = mean_t s_t(w)

    H = k · P Pᵀ / 2N,  P an N × 2N matrix of standard normal numbers: checkpoints act on the score in directions of
        their own that overlap by chance
    o_t = ½ c + ½ v_t,  c and every v_t drawn from Dirichlet(1) on one support: the tasks' optima are correlated
    support: all checkpoints where `weak`, max(2, N/5) drawn ones where `strong`, so that its optimum is sparse
    k: such that the uniform merge is 0.7 points below the optimum where `weak`, 2.3 where `strong`

The tasks share H, so f(w) = f(o) - (w - o)ᵀ H (w - o) with the optimum o = mean_t o_t, which lies on the simplex. A
measured score is s_t(w) plus normal noise; the fitness then has noise of standard deviation σ, which is drawn from 0.5
to 1.0 points for each landscape. The noise follows from the weights and the split: the same weights get the same score.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["weak", "strong"]
Array = npt.NDArray[np.float64]

TASKS = ("first", "second", "third")
TOP = 70.0
"""What every task has at its own optimum, in points."""
UNIFORM_REGRET: dict[Kind, float] = {"weak": 0.7, "strong": 2.3}
NOISE = (0.5, 1.0)
"""Standard deviations of the measured fitness, in points."""


@dataclass(frozen=True)
class Landscape:
    """One problem. `metric` is H, `optima` has a row for each task."""

    name: str
    metric: Array
    optima: Array
    noise: float

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return TASKS

    @property
    def dimension(self) -> int:
        """N, the number of checkpoints."""
        return len(self.metric)

    @property
    def optimum(self) -> Array:
        """The best weights."""
        return np.asarray(self.optima.mean(axis=0), dtype=np.float64)

    def scores(self, weights: Sequence[float]) -> Array:
        """Every task's true score."""
        away = np.asarray(weights, dtype=np.float64) - self.optima
        return np.asarray(TOP - np.einsum("ti,ij,tj->t", away, self.metric, away), dtype=np.float64)

    def regret(self, weights: Sequence[float]) -> float:
        """How far the true fitness is below that of the optimum, in points."""
        away = np.asarray(weights, dtype=np.float64) - self.optimum
        return float(away @ self.metric @ away)

    def search(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Scores as measured on the samples of the search."""
        return self._measured(weights, "search")

    def unseen(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Scores as measured on other samples."""
        return self._measured(weights, "unseen")

    def _measured(self, weights: Sequence[float], split: str) -> tuple[float, ...]:
        label = np.asarray(weights, dtype=np.float64).tobytes()
        stream = _stream(self.name.encode(), split.encode(), label)
        spread = self.noise * np.sqrt(len(self.optima))
        return tuple(float(value) for value in self.scores(weights) + stream.normal(0.0, spread, len(self.optima)))


def draw(kind: Kind, dimension: int, seed: int) -> Landscape:
    """The landscape of a seed; every kind, dimension and seed has its own."""
    name = f"{kind}/{dimension}/{seed}"
    stream = _stream(name.encode())
    directions = stream.standard_normal((dimension, 2 * dimension))
    metric = directions @ directions.T / (2 * dimension)
    active = dimension if kind == "weak" else max(2, round(dimension / 5))
    support = np.sort(stream.permutation(dimension)[:active])
    common, *own = (_on(support, dimension, stream.dirichlet(np.ones(active))) for _ in range(1 + len(TASKS)))
    optima = np.array([0.5 * common + 0.5 * one for one in own])
    away = np.full(dimension, 1.0 / dimension) - optima.mean(axis=0)
    scale = UNIFORM_REGRET[kind] / float(away @ metric @ away)
    return Landscape(name=name, metric=scale * metric, optima=optima, noise=float(stream.uniform(*NOISE)))


def _on(support: npt.NDArray[np.int64], dimension: int, values: Array) -> Array:
    weights = np.zeros(dimension)
    weights[support] = values
    return weights


def _stream(*parts: bytes) -> np.random.Generator:
    digest = hashlib.sha256(b"\0".join(parts)).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
