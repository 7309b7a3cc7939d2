"""Worlds whose truth is known: how often each model of a simulated search answers right, and how alike they are. Pure.

A document has a hidden answer L that is right half of the time. A model answers like L, but for flips that are its own:
with the probability e + g it gets a document right where L is wrong, with e - g it gets one wrong where L is right. So
its true score is 1/2 + g; two models of any scores differ on the share d = 2 e (1 - e) of all documents; and the gains
of two models over a third are correlated by 1/2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mergesearch.contract import Aggregate

Right = NDArray[np.bool_]

DISCORDANT = 0.2
FLIPS = (1.0 - (1.0 - 2.0 * DISCORDANT) ** 0.5) / 2.0
"""e for that share; no gain can be larger."""


@dataclass(frozen=True)
class World:
    """A search whose truth is known. Scores are above or below one half by the gains."""

    unseen: tuple[int, ...] = (200,)
    """Documents of each task."""
    seen: int = 100
    """Of each task, for the search."""
    candidates: int = 24
    checkpoints: int = 4
    finalists: int = 3
    gain: float = 0.0
    """Of every candidate."""
    only_one: bool = False
    """Only one finalist has that gain, as good as the others on the search samples."""
    behind: float = 0.0
    """How far uniform and merge-best lie below the checkpoints, which are all equal."""
    weights: tuple[float, ...] = ()
    """Of the tasks, for a WeightedMean."""
    aggregate: Aggregate = "Mean"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f"task-{number}" for number in range(len(self.unseen)))


def hidden(rng: np.random.Generator, documents: int) -> Right:
    """What all models have in common, (documents,)."""
    return rng.random(documents) < 0.5


def answers(rng: np.random.Generator, common: Right, gain: float) -> Right:
    """Of one model: which documents it gets right, (documents,)."""
    if not -FLIPS <= gain <= FLIPS:
        raise ValueError(f"a gain of {gain} cannot be had where models differ on {DISCORDANT:.0%} of the documents")
    flipped = rng.random(len(common))
    return np.where(common, flipped >= FLIPS - gain, flipped < FLIPS + gain)
