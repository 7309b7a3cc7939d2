"""How the family is trained, as frozen values, and the digest that says whether a checkpoint is the one wanted. Pure.

The fine-tunes are meant to be good at different things and still close enough to the base that their average works:
short runs, with a little of every task replayed. Far harder ones (three times the learning rate, no replay) collapse
when they are merged.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Final

FORMAT: Final = 1  # raise it when code outside the recipe changes what training yields
TASKS: Final = ("reverse", "sort", "next", "swap", "rotate")
HELD_IN: Final = TASKS[:4]
BASE: Final = "base"


@dataclasses.dataclass(frozen=True)
class Shape:
    """The model: a Llama of 0.43 million parameters with a head size that inference engines support."""

    hidden: int = 128
    intermediate: int = 384
    layers: int = 2
    heads: int = 4
    positions: int = 64
    rope_theta: float = 1e4


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run: a task mixture (weights in the order of TASKS) and its schedule."""

    name: str
    mixture: tuple[float, ...]
    steps: int
    learning_rate: float
    warmup: int
    batch: int = 32
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The whole family: the base, and the fine-tunes that all start from it."""

    shape: Shape
    base: Run
    tunes: tuple[Run, ...]

    def scaled(self, factor: float) -> "Recipe":
        """The same family with every run's length multiplied (at least one step): a small factor makes a smoke test."""
        return dataclasses.replace(
            self, base=_scaled(self.base, factor), tunes=tuple(_scaled(run, factor) for run in self.tunes)
        )


def _scaled(run: Run, factor: float) -> Run:
    return dataclasses.replace(run, steps=max(1, round(run.steps * factor)))


def _tune(name: str, tasks: Sequence[str], steps: int, learning_rate: float) -> Run:
    """A fine-tune on its own tasks, with a little of all the others replayed."""
    mixture = tuple(1.0 if task in tasks else 0.06 for task in TASKS)
    return Run(name, mixture, steps, learning_rate, warmup=10)


def default() -> Recipe:
    """The family of the quickstart."""
    return Recipe(
        shape=Shape(),
        base=Run(BASE, (1.0,) * len(TASKS), steps=350, learning_rate=3e-3, warmup=20),
        tunes=(
            _tune("reverse", ["reverse"], 150, 1e-3),
            _tune("sort", ["sort"], 150, 1e-3),
            _tune("next", ["next"], 150, 1e-3),
            _tune("swap", ["swap"], 150, 1e-3),
            _tune("reverse-sort", ["reverse", "sort"], 150, 5e-4),
            _tune("next-swap", ["next", "swap"], 150, 5e-4),
            _tune("sort-swap", ["sort", "swap"], 200, 1e-3),
            _tune("reverse-next", ["reverse", "next"], 100, 2e-3),
        ),
    )


def digest(recipe: Recipe, run: Run, seed: int) -> str:
    """Names one checkpoint by all that determines it: for a fine-tune that includes the base, never its siblings."""
    parts = [FORMAT, seed, dataclasses.asdict(recipe.shape), dataclasses.asdict(recipe.base), dataclasses.asdict(run)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def derived_seed(seed: int, *labels: str) -> int:
    """A seed of its own for every use of chance, so that no run depends on what was trained before it."""
    text = "/".join([str(seed), *labels])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
