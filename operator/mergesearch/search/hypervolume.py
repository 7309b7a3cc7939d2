"""The volume that points dominate above a reference, point after point as they were found; pure.

Zitzler and Thiele 1998 call it the hypervolume: it grows with every point that no earlier one beats on all tasks. It is
exact by the recursion of While, Bradstreet and Barone ("A fast way of calculating exact hypervolumes", 2012); since
that adds one point's exclusive volume after the other, the whole curve costs what its last value does. The recursion
can be exponential in the number of points, so its steps are counted, and a set that would take too many is sampled
instead, with an error that is said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_STEPS = 100_000
"""Of the recursion: about two seconds."""
SAMPLES = 2**17
"""Of the estimate."""


@dataclass(frozen=True)
class Curve:
    """Volumes after each point."""

    volumes: tuple[float, ...]
    error: float | None
    """Largest standard error of these where they are estimates; None where they are exact."""


def curve(points: Sequence[Sequence[float]], max_steps: int = MAX_STEPS) -> Curve:
    """The dominated volume after each of `points`, which are measured from the reference, one number a task.

    What lies below the reference on some task dominates nothing.
    """
    above = np.maximum(np.array(points, dtype=np.float64), 0.0)
    if not len(above):
        return Curve((), None)
    try:
        return Curve(_exact(above, _Steps(max_steps)), None)
    except _TooManyStepsError:
        return _sampled(above)


class _TooManyStepsError(Exception):
    """The exact volume would take too long."""


class _Steps:
    """Counts down."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self) -> None:
        """Raises _TooManyStepsError."""
        self._left -= 1
        if self._left < 0:
            raise _TooManyStepsError


def _exact(points: Array, steps: _Steps) -> tuple[float, ...]:
    volumes = []
    total = 0.0
    front = points[:0]
    for point in points:
        if not _beaten(point, front):
            total += _exclusive(point, front, steps)
            front = np.vstack([front[~np.all(front <= point, axis=1)], point])
        volumes.append(total)
    return tuple(volumes)


def _beaten(point: Array, others: Array) -> bool:
    return bool(np.any(np.all(others >= point, axis=1)))


def _exclusive(point: Array, others: Array, steps: _Steps) -> float:
    """What `point` dominates and none of `others` does."""
    if not len(others):
        return math.prod(map(float, point))
    return math.prod(map(float, point)) - _volume(_front(np.minimum(others, point)), steps)


def _front(points: Array) -> Array:
    """The points that no other one beats, of equal ones the first."""
    at_least = np.all(points[None, :, :] >= points[:, None, :], axis=2)
    equal = at_least & at_least.T
    beaten = (at_least & ~equal).any(axis=1) | np.tril(equal, -1).any(axis=1)
    kept: Array = points[~beaten]
    return kept


def _volume(points: Array, steps: _Steps) -> float:
    """Of a front. Sorted by the last number, a point meets only points that reach as high there, so its exclusive
    volume is a slab over one dimension less.
    """
    steps.take()
    if points.shape[1] == 1:
        return float(points.max())
    if points.shape[1] == 2:
        return _area(points)
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    return sum(
        float(point[-1]) * _exclusive(point[:-1], ordered[place + 1 :, :-1], steps)
        for place, point in enumerate(ordered)
    )


def _area(points: Array) -> float:
    """Of a front in two dimensions, in strips."""
    ordered = points[np.argsort(-points[:, 0], kind="stable")]
    below = np.concatenate([[0.0], ordered[:-1, 1]])
    return float(np.sum(ordered[:, 0] * (ordered[:, 1] - below)))


def _sampled(points: Array) -> Curve:
    """The share of random points in the box around all of `points` that are dominated."""
    box = points.max(axis=0)
    total = math.prod(map(float, box))
    drawn: NDArray[Any] = np.random.default_rng(0).random((SAMPLES, len(box))) * box
    volumes = []
    for point in points:
        drawn = drawn[~np.all(drawn <= point, axis=1)]
        volumes.append(total * (1.0 - len(drawn) / SAMPLES))
    shares = [volume / total if total else 0.0 for volume in volumes]
    error = max(math.sqrt(share * (1.0 - share) / SAMPLES) for share in shares) * total
    return Curve(tuple(volumes), error)
