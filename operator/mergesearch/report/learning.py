"""What the optimiser was told and what it could learn from: updates, leftovers, clipped weights; pure.

In a box that is narrow beside the step size, much of a generation is clipped to exactly 0, and a sparse winner then
says more about the clipping than about the checkpoints; so the share is shown for every generation.
"""

from collections.abc import Iterable

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import AlgorithmStatus, MergeSearchStatus, Record, RecordState, decode_vector
from mergesearch.lifecycle import records, strategy
from mergesearch.report.background import GenerationFacts, OptimizerFacts

BOXES = ("Box", "Paper")
"""Algorithms whose vectors are clipped to [0, 1]."""


def optimizer(spec: MergeSearchSpec, status: MergeSearchStatus) -> OptimizerFacts | None:
    """The optimiser's side of the search; None before the first generation."""
    algorithm = status.algorithm
    if algorithm is None:
        return None
    name = strategy.name_of(spec)
    told = len(strategy.told(status, algorithm.population_size))
    return OptimizerFacts(
        name=name,
        seed=algorithm.seed,
        dimension=algorithm.dimension,
        population_size=algorithm.population_size,
        updates=0 if name == "Random" else told,
        untold=len(status.candidates) - sum(len(members) for members in strategy.generations(status)[:told]),
        closed=status.closed is not None,
        generations=tuple(
            _generation(spec, members, told=number < told and name != "Random", boxed=name in BOXES)
            for number, members in enumerate(strategy.generations(status))
        ),
    )


def versions(algorithm: AlgorithmStatus | None) -> dict[str, str]:
    """Of the numerical libraries that the proposals depend on."""
    return dict(algorithm.versions) if algorithm is not None else {}


def _generation(spec: MergeSearchSpec, members: tuple[Record, ...], *, told: bool, boxed: bool) -> GenerationFacts:
    fitness = [value for _, value in records.scored(members)]
    return GenerationFacts(
        number=members[0].generation or 0,
        candidates=len(members),
        scored=len(fitness),
        failed=sum(record.state is RecordState.FAILED for record in members),
        told=told,
        best=max(fitness, default=None),
        mean=sum(fitness) / len(fitness) if fitness else None,
        clipped=_share(x <= 0.0 for record in members for x in decode_vector(record.x or "")) if boxed else None,
        zeros=_share(weight == 0.0 for record in members for weight in strategy.weights(spec, record)),
    )


def _share(facts: Iterable[bool]) -> float:
    found = list(facts)
    return sum(found) / len(found) if found else 0.0
