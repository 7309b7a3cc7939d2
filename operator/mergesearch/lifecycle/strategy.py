"""The search strategy that a spec and the scored baselines give; pure."""

import functools
import math

from mergesearch.api.base import number_of
from mergesearch.api.spec import MAX_EVALUATIONS, Cmaes, MergeSearchSpec
from mergesearch.api.status import AlgorithmStatus, MergeSearchStatus, Record, RecordKind, RecordState, decode_vector
from mergesearch.search import objective, optimizer, parametrization
from mergesearch.search.optimizer import Evaluated, Generation, Strategy, StrategyName

DEFAULT_SIGMA = {"Softmax": 0.7, "Box": 1.0}
HISTORY = (RecordKind.CHECKPOINT, RecordKind.UNIFORM, RecordKind.MERGE_BEST)
"""What a warm start rests on, in this order; never on greedy soups, which come and go beside the search."""


def name_of(spec: MergeSearchSpec) -> StrategyName:
    """What the status calls the algorithm."""
    algorithm = spec.search.algorithm
    if algorithm.preset is not None:
        return "Paper"
    if algorithm.random is not None:
        return "Random"
    return (algorithm.cmaes or Cmaes()).parametrization


def begin(spec: MergeSearchSpec) -> AlgorithmStatus:
    """The algorithm as it is recorded when the first generation is asked for."""
    return AlgorithmStatus(
        name=name_of(spec),
        seed=spec.search.seed,
        dimension=len(spec.checkpoints),
        population_size=_population(spec),
        versions=optimizer.versions(),
    )


def build(spec: MergeSearchSpec, status: MergeSearchStatus, algorithm: AlgorithmStatus) -> Strategy:
    """The strategy of a search that has begun. The baselines are scored by then, so it is the same at every step."""
    name = name_of(spec)
    cmaes = spec.search.algorithm.cmaes or Cmaes()
    dimension = algorithm.dimension
    if name in ("Paper", "Random"):
        mean, sigma = parametrization.warm_start((), dimension), 1.0
    else:
        history = _history(spec, status) if cmaes.warm_start else ()
        start = parametrization.softmax_mean if name == "Softmax" else parametrization.warm_start
        mean = start(history, dimension)
        sigma = number_of(cmaes.sigma) if cmaes.sigma is not None else DEFAULT_SIGMA[name]
    return Strategy(
        name=name,
        seed=algorithm.seed,
        population_size=algorithm.population_size,
        mean=tuple(float(value) for value in mean),
        sigma=sigma,
    )


def weights(spec: MergeSearchSpec, record: Record) -> tuple[float, ...]:
    """The merge weights of a baseline or candidate, in spec order: a pure function of what is recorded."""
    if record.x is None:
        share = 1.0 / len(record.members)
        return tuple(share if position in record.members else 0.0 for position in range(len(spec.checkpoints)))
    how = Strategy(name=name_of(spec), seed=0, population_size=2, mean=(), sigma=1.0).map
    return _weights_of(record.x, how, spec.merge.skip_below)


@functools.lru_cache(maxsize=2 * MAX_EVALUATIONS)
def _weights_of(x: str, how: parametrization.Map, skip_below: str) -> tuple[float, ...]:
    """Kept, since each step looks among all weights for those that come back."""
    return parametrization.weights_of(decode_vector(x), how, number_of(skip_below))


def generations(status: MergeSearchStatus) -> list[tuple[Record, ...]]:
    """The search candidates by generation, in order."""
    grouped: dict[int, list[Record]] = {}
    for record in status.candidates:
        grouped.setdefault(record.generation or 0, []).append(record)
    return [tuple(grouped[number]) for number in sorted(grouped)]


def told(status: MergeSearchStatus, population_size: int) -> list[Generation]:
    """The generations that the optimiser learns from: whole ones whose members have all ended, up to the first that
    is not.
    """
    whole: list[Generation] = []
    for generation in generations(status):
        if len(generation) < population_size or not all(record.ended for record in generation):
            break
        whole.append(tuple(_evaluated(record) for record in generation))
    return whole


def _evaluated(record: Record) -> Evaluated:
    fitness = record.fitness if record.state is RecordState.SCORED else None
    return Evaluated(x=decode_vector(record.x or ""), fitness=fitness)


def _population(spec: MergeSearchSpec) -> int:
    algorithm = spec.search.algorithm
    chosen = (algorithm.cmaes or algorithm.random or Cmaes()).population_size
    default = optimizer.default_population(len(spec.checkpoints))
    if algorithm.preset is not None or chosen is not None:
        return chosen if algorithm.preset is None and chosen is not None else default
    slots = spec.search.parallelism * spec.evaluator.batch
    return max(2, min(math.ceil(default / slots) * slots, spec.search.max_evaluations))


def _history(spec: MergeSearchSpec, status: MergeSearchStatus) -> list[tuple[tuple[float, ...], float]]:
    points = [
        (weights(spec, record), record.fitness)
        for kind in HISTORY
        for record in status.baselines
        if record.kind is kind and record.fitness is not None
    ]
    task_weights = [number_of(task.weight) for task in spec.objective.tasks]
    for point in spec.search.initial:
        known = tuple(number_of(point.weights.get(checkpoint.name, "0")) for checkpoint in spec.checkpoints)
        scores = [number_of(point.scores[task.name]) for task in spec.objective.tasks]
        points.append((known, objective.aggregate(scores, task_weights, spec.objective.aggregate)))
    return points
