"""Paired bootstrap over samples. Pure; numpy only, seeded.

All candidates answered the same documents, so they are compared on the same resamples. One resample draws, for every
task t, n_t of its n_t documents with replacement; with c_i the number of times that document i was drawn, w_i its
weight and v_i the metric's value, the task's score is the self-normalised mean

    s*_t = Σ_i c_i w_i v_i / Σ_i c_i w_i

(for equal weights the plain mean of the drawn values). The objective's aggregate makes one fitness R* of the tasks'
scores; the gain of a finalist f over a baseline b is G* = R*_f - R*_b on the same resample.

    p          under the hypothesis that the baseline is as good, the gain varies around 0 as G* varies around the
               observed gain G: p = (1 + #{G* - G >= G}) / (1 + B), one-sided (Efron and Tibshirani 1993, ch. 16.4; the
               added ones keep p above 0, Davison and Hinkley 1997, eq. 4.11)
    corrected  the winner is the best of several finalists on the very samples that it is tested on. With s_f the
               standard deviation of G*_f, and M* = max over the finalists of (G*_f - G_f) / s_f on the same resample,
               the corrected p of f is (1 + #{M* >= G_f / s_f}) / (1 + B): the single-step maxT adjustment (Westfall
               and Young 1993, ch. 2), which knows how alike the finalists are
    interval   the percentiles 2.5 and 97.5 of G* (Efron and Tibshirani 1993, ch. 13); with several finalists the lower
               end is at most G - s_f times the 95th percentile of M*, so that it lies above 0 only where the corrected
               p is below 0.05 as well
    coin       if two models are equally good, each of the m documents that only one of them gets right is as likely to
               speak for the one as for the other; all of them do with the probability 2^-m, which no p falls below, and
               no corrected p below as many times that as there are finalists: the bootstrap knows no other documents
               than these few, and would call three of three a proof
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
TAIL = (1 - LEVEL) / 2
DIGITS = 12
"""Gains of 0/1 scores are multiples of 1/n, and ties count: rounding errors must not break them."""


@dataclass(frozen=True)
class TaskValues:
    """One task's samples: weights (documents,) and values (documents, candidates)."""

    weights: Floats
    values: Floats


@dataclass(frozen=True)
class Gain:
    """The gain of one finalist over a baseline."""

    gain: float
    low: float
    high: float
    p: float
    corrected_p: float


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


def differing(tasks: Sequence[TaskValues], first: int, second: int) -> int:
    """Documents of all tasks that these two candidates answered differently."""
    return sum(int((task.values[:, first] != task.values[:, second]).sum()) for task in tasks)


def gains(observed: Floats, resampled: Floats, differ: Sequence[int]) -> list[Gain]:
    """Of all finalists over one baseline: their observed gains (finalists,), the resampled ones (resamples, finalists),
    and on how many documents each of them differs from it.
    """
    observed = np.round(observed, DIGITS)
    around = np.round(resampled - observed, DIGITS)
    spread = around.std(axis=0)
    # Where no resample differs from the others there is nothing to divide, and 0 is what it adds to the largest.
    scaled = np.divide(around, spread, out=np.zeros_like(around), where=spread > 10.0**-DIGITS)
    largest = scaled.max(axis=1)
    found = []
    for number, gain in enumerate(observed):
        alone, chosen, coin = around[:, number], largest * spread[number], 0.5 ** differ[number]
        low, high = gain + np.quantile(alone, [TAIL, 1 - TAIL])
        if len(observed) > 1:
            low = min(low, gain - np.quantile(chosen, LEVEL))
        p = max(_share_of(alone, gain), coin)
        corrected = max(_share_of(chosen, gain), min(1.0, len(observed) * coin))
        found.append(Gain(float(gain), float(low), float(high), p, corrected))
    return found


def _share_of(deviations: Floats, gain: float) -> float:
    """How often resamples deviate by that gain or more."""
    as_extreme = int((np.round(deviations, DIGITS) >= gain).sum())
    return (1 + as_extreme) / (1 + len(deviations))


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
