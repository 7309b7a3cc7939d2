"""Asking for the next vectors: an optimiser that is a fold over the recorded generations; pure.

Nothing of the optimiser is stored. To ask, it is built anew and told every complete generation, in order; the same
records give the same state bit by bit. Every single ask is seeded by (seed, generation, index), so a restart or a
retry cannot shift the stream, and the missing members of a cut generation can be asked for later. Proposed vectors
are rounded to float32 before anyone uses them: what is merged, told and stored are the same numbers.
"""

import hashlib
import importlib.metadata
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mergesearch.search.parametrization import Map

if TYPE_CHECKING:
    import cmaes

StrategyName = Literal["Softmax", "Box", "Paper", "Random"]
REDRAWS = 100
"""How often a box vector without a positive entry is drawn again before it is given up."""
BOX_RESAMPLES = 10
"""Per dimension: how often a vector outside the box is drawn again before it is clipped (Optuna's choice, and so the
paper's).
"""
DRIFT_TOLERANCE = 1e-6
"""Relative; vectors are stored as float32, whose spacing is 1.2e-7, and other BLAS builds move them by 1e-13."""


@dataclass(frozen=True)
class Strategy:
    """All that determines the proposals, besides what was told."""

    name: StrategyName
    seed: int
    population_size: int
    mean: tuple[float, ...]
    sigma: float

    @property
    def dimension(self) -> int:
        """N, the number of checkpoints."""
        return len(self.mean)

    @property
    def map(self) -> Map:
        """How a vector becomes weights."""
        maps: dict[StrategyName, Map] = {"Softmax": "Softmax", "Box": "Box", "Paper": "Box", "Random": "Simplex"}
        return maps[self.name]


@dataclass(frozen=True)
class Evaluated:
    """One member of a complete generation; `fitness` is None where it has failed for good."""

    x: tuple[float, ...]
    fitness: float | None


Generation = tuple[Evaluated, ...]


def default_population(dimension: int) -> int:
    """λ = 4 + ⌊3 ln N⌋ (Hansen, "The CMA Evolution Strategy: A Tutorial", eq. 48)."""
    return 4 + math.floor(3 * math.log(dimension))


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {name: importlib.metadata.version(name) for name in ("cmaes", "numpy")}


def losses(generation: Generation) -> list[float]:
    """What the optimiser minimises: the negative fitness; a failed member comes after the worst. Raises ValueError if
    all failed.
    """
    scored = [-member.fitness for member in generation if member.fitness is not None]
    if not scored:
        raise ValueError("a generation in which every member has failed cannot be told")
    if not all(math.isfinite(loss) for loss in scored):
        raise ValueError(f"fitness is not finite: {scored}")
    worst = math.nextafter(max(scored), math.inf)
    return [worst if member.fitness is None else -member.fitness for member in generation]


def ask(strategy: Strategy, told: Sequence[Generation], indices: Iterable[int]) -> list[tuple[float, ...]]:
    """Vectors of the members `indices` of the generation after `told`, float32 values. Raises ValueError if `told` is
    not whole.
    """
    number = len(told)
    if strategy.name == "Random":
        return [_dirichlet(strategy, number, index) for index in indices]
    optimizer = _replay(strategy, told)
    return [_ask_one(optimizer, strategy, number, index) for index in indices]


def drifted(strategy: Strategy, told: Sequence[Generation]) -> bool:
    """Whether asking again for the last generation of `told` gives other vectors than those recorded."""
    if not told:
        return False
    again = ask(strategy, told[:-1], range(len(told[-1])))
    recorded = np.array([member.x for member in told[-1]])
    return not np.allclose(np.array(again), recorded, rtol=DRIFT_TOLERANCE, atol=DRIFT_TOLERANCE)


def _replay(strategy: Strategy, told: Sequence[Generation]) -> "cmaes.CMA":
    # It brings half of scipy along, which commands that only read a search need not wait for.
    import cmaes

    bounded = strategy.map == "Box"
    # With 2 or 3 members the rank-μ update has no weight (c_μ = 0), and two of the bounds in eq. 50-52 are infinite.
    with np.errstate(divide="ignore"):
        optimizer = cmaes.CMA(
            mean=np.array(strategy.mean, dtype=np.float64),
            sigma=strategy.sigma,
            bounds=np.tile([0.0, 1.0], (strategy.dimension, 1)) if bounded else None,
            n_max_resampling=BOX_RESAMPLES * strategy.dimension if bounded else 1,
            population_size=strategy.population_size,
            seed=_seed(strategy.seed, "start"),
        )
    for number, generation in enumerate(told):
        if len(generation) != strategy.population_size:
            raise ValueError(f"generation {number} has {len(generation)} members, not {strategy.population_size}")
        # A new list each time: `tell` sorts what it is given.
        vectors = [np.array(member.x, dtype=np.float64) for member in generation]
        optimizer.tell(list(zip(vectors, losses(generation), strict=True)))
    return optimizer


def _ask_one(optimizer: "cmaes.CMA", strategy: Strategy, generation: int, index: int) -> tuple[float, ...]:
    for redraw in range(REDRAWS):
        optimizer.reseed_rng(_seed(strategy.seed, generation, index, redraw))
        x = np.asarray(optimizer.ask(), dtype=np.float32)
        if strategy.map != "Box" or np.any(x > 0.0):
            return tuple(float(value) for value in x)
    raise ValueError(f"{REDRAWS} draws in a row had no positive entry: generation {generation}, member {index}")


def _dirichlet(strategy: Strategy, generation: int, index: int) -> tuple[float, ...]:
    stream = np.random.RandomState(_seed(strategy.seed, generation, index, 0))
    return tuple(float(value) for value in stream.dirichlet(np.ones(strategy.dimension)).astype(np.float32))


def _seed(*parts: int | str) -> int:
    """A 32-bit seed from SHA-256 over the parts, as numpy's RandomState takes it."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
