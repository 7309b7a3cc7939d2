"""Paired bootstrap over samples. Pure; numpy only, seeded.

All candidates answered the same documents, so they are compared on the same resamples. One resample draws, for every
task t, n_t of its n_t documents with replacement; with c_i the number of times that document i was drawn, w_i its
weight and v_i the metric's value, the task's score is the self-normalised mean

    s*_t = Σ_i c_i w_i v_i / Σ_i c_i w_i

(for equal weights the plain mean of the drawn values). The objective's aggregate makes one fitness R* of the tasks'
scores; the gain of a finalist f over a baseline b is G* = R*_f - R*_b on the same resample.

    interval   the percentiles 2.5 and 97.5 of G* (Efron and Tibshirani 1993, ch. 13)
    p          under the hypothesis that the baseline is as good, the gain varies around 0 as G* varies around the
               observed gain G: p = (1 + #{G* - G >= G}) / (1 + B), one-sided (ibid., ch. 16.4; the added ones keep p
               above 0, Davison and Hinkley 1997, eq. 4.11)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mergesearch.contract import Aggregate

Floats = NDArray[np.float64]

CHUNK_DRAWS = 2_000_000
"""Draws held at once: 16 MB of counts, whatever the number of resamples."""
LEVEL = 0.95
DIGITS = 12
"""Gains of 0/1 scores are multiples of 1/n, and ties count: rounding errors must not break them."""


@dataclass(frozen=True)
class TaskValues:
    """One task's samples: weights (documents,) and values (documents, candidates)."""

    weights: Floats
    values: Floats


@dataclass(frozen=True)
class Gain:
    """The gain of one candidate over another."""

    gain: float
    low: float
    high: float
    p: float


def aggregate(scores: Floats, task_weights: Sequence[float], how: Aggregate) -> Floats:
    """One fitness from the scores of the tasks; (..., tasks) to (...). The same function as the search optimises.

    Raises ValueError for a negative score in a GeometricMean.
    """
    if how == "Mean":
        return np.asarray(scores.mean(axis=-1))
    if how == "WeightedMean":
        weights = np.asarray(task_weights, dtype=np.float64)
        return np.asarray(scores @ (weights / weights.sum()))
    if how == "Minimum":
        return np.asarray(scores.min(axis=-1))
    if (scores < 0).any():
        raise ValueError(f"a geometric mean needs scores of at least 0, found {scores.min()}")
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.log(scores).mean(axis=-1)))


def scores_of(task: TaskValues) -> Floats:
    """Each candidate's score on the task as it was evaluated, (candidates,)."""
    return np.asarray(task.weights @ task.values / task.weights.sum())


def resampled_fitness(
    tasks: Sequence[TaskValues], task_weights: Sequence[float], how: Aggregate, *, seed: int, resamples: int
) -> Floats:
    """Fitness of every candidate on every resample, (resamples, candidates)."""
    per_task = [resampled(task, np.random.default_rng([seed, number]), resamples) for number, task in enumerate(tasks)]
    return aggregate(np.stack(per_task, axis=-1), task_weights, how)


def gain_of(observed: float, resampled: Floats) -> Gain:
    """Interval and p of an observed gain from the resampled ones, (resamples,)."""
    observed, resampled = round(observed, DIGITS), np.round(resampled, DIGITS)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    as_extreme = int((np.round(resampled - 2 * observed, DIGITS) >= 0).sum())
    return Gain(observed, float(low), float(high), (1 + as_extreme) / (1 + len(resampled)))


def resampled(task: TaskValues, rng: np.random.Generator, resamples: int, *, chunk_draws: int = CHUNK_DRAWS) -> Floats:
    """The task's score of every candidate on every resample, (resamples, candidates), a chunk of them at a time."""
    documents = len(task.weights)
    weighted = task.weights[:, None] * task.values
    step = max(1, chunk_draws // documents)
    chunks = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = rng.integers(documents, size=(size, documents), dtype=np.int64)
        # Counts by one bincount over all rows: row r counts into r·documents ... (r+1)·documents - 1.
        drawn += np.arange(size, dtype=np.int64)[:, None] * documents
        counts = np.bincount(drawn.ravel(), minlength=size * documents).reshape(size, documents).astype(np.float64)
        chunks.append((counts @ weighted) / (counts @ task.weights)[:, None])
    return np.concatenate(chunks)
