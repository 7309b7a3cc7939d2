"""What is compared: the proposals of MergeSearch under several settings, and the algorithm of mergekit-evolve.

The first come from the product's own code: its spec decides the strategy, its optimiser proposes the vectors, its maps
turn them into weights. The second is written anew after what the public program does: pycma's ask and tell with its own
population size, an initial mean of 1/N, σ 1/6, no bounds; weights are absolute values, normalised when they are merged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus, Record
from mergesearch.lifecycle import strategy
from mergesearch.search import optimizer, parametrization
from mergesearch.search.optimizer import Evaluated, Generation

Weights = tuple[float, ...]
EVOLVE_SIGMA = 1 / 6


@dataclass(frozen=True)
class Method:
    """A row of the tables. `algorithm` is `spec.search.algorithm`; None stands for mergekit-evolve."""

    name: str
    algorithm: Mapping[str, Any] | None
    skip_below: str | None = None
    """`spec.merge.skipBelow`; None leaves its default."""
    share: float | None = None
    """Of the history, what the softmax start goes by; no field of a spec, and None leaves the default."""
    mix: float | None = None
    """Of those best weights in the softmax start, beside the uniform; no field of a spec either."""


SOFTMAX = Method("Softmax", {"cmaes": {}})
PAPER = Method("Paper", {"preset": "Paper"})
COMPARED = (
    SOFTMAX,
    Method("Softmax, cold start", {"cmaes": {"warmStart": False}}),
    Method("Box", {"cmaes": {"parametrization": "Box"}}),
    PAPER,
    Method("mergekit-evolve", None),
    Method("Random", {"random": {}}),
)


def softmax(**options: Any) -> Mapping[str, Any]:
    """An algorithm with some options of the default changed."""
    return {"cmaes": {name: str(value) if name == "sigma" else value for name, value in options.items()}}


TUNED = (
    *(Method(f"sigma {sigma}", softmax(sigma=sigma)) for sigma in (0.35, 0.5, 1.0)),
    *(Method(f"share {share:.0%}", softmax(), share=share) for share in (0.1, 0.2, 0.5)),
    *(Method(f"mix {mix}", softmax(), mix=mix) for mix in (0.25, 0.75)),
    *(Method(f"population {size}", softmax(populationSize=size)) for size in (6, 16, 24)),
)
"""The default with one number changed."""


class Proposer(Protocol):
    """What a method is to the one who plays it."""

    @property
    def population(self) -> int:
        """Members of a generation."""

    def ask(self, count: int) -> list[Weights]:
        """Weights of the first `count` members of the next generation."""

    def tell(self, fitness: Sequence[float]) -> None:
        """The fitness of a whole generation, in the order of `ask`."""


class Product:
    """MergeSearch's own search, on scored baselines."""

    def __init__(self, method: Method, spec: MergeSearchSpec, baselines: Sequence[Record]) -> None:
        status = MergeSearchStatus(baselines=tuple(baselines))
        built = strategy.build(spec, status, strategy.begin(spec))
        if method.share is not None or method.mix is not None:
            history = [
                (strategy.weights(spec, record), record.fitness)
                for record in baselines
                if record.kind in strategy.HISTORY and record.fitness is not None
            ]
            share = parametrization.SHARE if method.share is None else method.share
            mix = parametrization.MIX if method.mix is None else method.mix
            mean = parametrization.softmax_mean(history, built.dimension, share, mix)
            built = replace(built, mean=tuple(float(value) for value in mean))
        self.strategy = built
        self._skip_below = float(spec.merge.skip_below)
        self._told: list[Generation] = []
        self.vectors: list[tuple[float, ...]] = []
        """All that was asked for, before the map."""

    @property
    def population(self) -> int:
        """As the spec gives it."""
        return self.strategy.population_size

    def ask(self, count: int) -> list[Weights]:
        """As the product merges them."""
        asked = optimizer.ask(self.strategy, self._told, range(count))
        self.vectors += asked
        return [parametrization.weights_of(x, self.strategy.map, self._skip_below) for x in asked]

    def tell(self, fitness: Sequence[float]) -> None:
        """Record the generation."""
        members = self.vectors[-len(fitness) :]
        self._told.append(tuple(Evaluated(x, value) for x, value in zip(members, fitness, strict=True)))


class Evolve:
    """The algorithm of mergekit-evolve; it knows no baselines."""

    def __init__(self, dimension: int, seed: int) -> None:
        import cma

        options = {"seed": seed + 1, "verbose": -9, "verb_log": 0}  # 0 would take the time for a seed
        self._optimizer: Any = cma.CMAEvolutionStrategy(np.full(dimension, 1 / dimension), EVOLVE_SIGMA, options)
        self._asked: list[Any] = []

    @property
    def population(self) -> int:
        """As pycma chooses it."""
        return int(self._optimizer.popsize)

    def ask(self, count: int) -> list[Weights]:
        """Absolute values, divided by their sum as the merge does it."""
        self._asked = self._optimizer.ask()
        return [evolve_weights(x) for x in self._asked[:count]]

    def tell(self, fitness: Sequence[float]) -> None:
        """It minimises."""
        self._optimizer.tell(self._asked, [-value for value in fitness])


def evolve_weights(x: Sequence[float]) -> Weights:
    """The weights that a merge of mergekit-evolve's genotype has."""
    raw = np.abs(np.asarray(x, dtype=np.float64))
    return tuple(float(value) for value in raw / raw.sum())


def spec_of(method: Method, tasks: Sequence[str], dimension: int, seed: int, budget: int) -> MergeSearchSpec:
    """A search of so many checkpoints, as a user would write it."""
    claim = {"persistentVolumeClaim": {"claimName": "none"}}
    document: dict[str, Any] = {
        "checkpoints": [{"name": f"c{number}", "path": f"c{number}"} for number in range(dimension)],
        "storage": {"checkpoints": claim, "workspace": claim},
        "objective": {"tasks": [{"name": task, "metric": "exact_match"} for task in tasks]},
        "search": {"seed": seed, "maxEvaluations": budget, "algorithm": dict(method.algorithm or {"random": {}})},
    }
    if method.skip_below is not None:
        document["merge"] = {"skipBelow": method.skip_below}
    return MergeSearchSpec.model_validate(document)


def proposer(method: Method, spec: MergeSearchSpec, baselines: Sequence[Record]) -> Product | Evolve:
    """The method, ready to be asked."""
    if method.algorithm is None:
        return Evolve(len(spec.checkpoints), spec.search.seed)
    return Product(method, spec, baselines)
