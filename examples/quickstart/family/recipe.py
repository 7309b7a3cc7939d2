"""How the family is trained, as frozen values, and the digest that says whether a checkpoint is the one wanted. Pure.

The fine-tunes are meant to be good at different things, of uneven quality, and still close enough to the base that an
average works: short runs, with a little of every task replayed. Without that replay they collapse when they are merged.
"""

import dataclasses
import hashlib
import json
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
    """One training run: a task mixture (weights in the order of TASKS) and its schedule.

    With `stop_loss` the run ends before its last step, as soon as the running mean of its loss falls below that.
    """

    name: str
    mixture: tuple[float, ...]
    steps: int
    learning_rate: float
    warmup: int
    batch: int = 32
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    stop_loss: float | None = None


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


def _tune(name: str, steps: int, learning_rate: float, replay: float) -> Run:
    """A fine-tune on the tasks that its name lists, with a little of all the others replayed."""
    own = name.split("-")
    mixture = tuple(1.0 if task in own else replay for task in TASKS)
    return Run(name, mixture, steps, learning_rate, warmup=10)


def default() -> Recipe:
    """The family of the quickstart.

    How many steps a base needs depends much on its seed. Ended at the same loss instead, the bases of all seeds leave
    about as much to be gained: one that has learnt everything has nothing that a merge could add.
    """
    base = Run(BASE, (1.0, 1.0, 1.0, 1.0, 0.3), steps=900, learning_rate=3e-3, warmup=20, stop_loss=0.5)
    specialists = tuple(_tune(task, 150, 1.5e-3, 0.03) for task in HELD_IN)
    return Recipe(
        shape=Shape(),
        base=base,
        tunes=(
            *specialists,
            _tune("reverse-sort", 150, 5e-4, 0.06),
            _tune("next-swap", 150, 5e-4, 0.06),
            _tune("sort-swap", 200, 1e-3, 0.03),
            _tune("reverse-next", 100, 2e-3, 0.03),
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
