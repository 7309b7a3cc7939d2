"""One search at a given budget: baselines, candidates, finalists, winner, by the product's rules for each; pure but for
the world that scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from search import methods
from search.methods import Method, Product, Weights

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import Record, RecordKind, RecordState
from mergesearch.lifecycle import baselines, strategy
from mergesearch.search import objective, selection


class World(Protocol):
    """What is searched: a landscape, or a family of checkpoints."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""

    @property
    def dimension(self) -> int:
        """Number of checkpoints."""

    def search(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Every task's score on the samples of the search."""

    def unseen(self, weights: Sequence[float]) -> tuple[float, ...]:
        """The same on samples that the search does not see."""


@dataclass(frozen=True)
class Candidate:
    """Weights with their fitness on the search samples; `x` is the vector behind them, where there is one."""

    weights: Weights
    fitness: float
    generation: int = 0
    x: tuple[float, ...] = ()


@dataclass(frozen=True)
class Winner:
    """What a search, or a choice among baselines, comes to."""

    weights: Weights
    search: float
    """Fitness on the search samples."""
    confirmed: float
    """Fitness on the unseen ones."""


def fitness_of(scores: Sequence[float]) -> float:
    """The mean over tasks, as the product has it."""
    return objective.aggregate(scores, [1.0] * len(scores), "Mean")


def history(world: World, spec: MergeSearchSpec) -> tuple[Record, ...]:
    """The baselines that every search has scored: each checkpoint, uniform, merge-best."""
    first = [_scored(world, spec, record) for record in baselines.first(spec) if record.kind in strategy.HISTORY]
    singles = [record for record in first if record.kind is RecordKind.CHECKPOINT]
    members = selection.merge_best([record.scores for record in singles])
    merge_best = Record(id="merge-best", kind=RecordKind.MERGE_BEST, members=members)
    return (*first, _scored(world, spec, merge_best))


def greedy_soup(world: World, spec: MergeSearchSpec, known: Sequence[Record]) -> tuple[Candidate, int]:
    """The soup that the greedy recipe arrives at, and what it took to evaluate."""
    singles = [record for record in known if record.kind is RecordKind.CHECKPOINT]
    order = selection.ranked([record.fitness or 0.0 for record in singles])
    best = singles[order[0]]
    tried = [best]
    while members := selection.greedy_next(order, [(record.members, record.fitness or 0.0) for record in tried]):
        soup = Record(id=f"greedy-{len(tried)}", kind=RecordKind.GREEDY, members=members)
        tried.append(_scored(world, spec, soup))
    for record in tried:
        best = record if (record.fitness or 0.0) >= (best.fitness or 0.0) else best
    return Candidate(strategy.weights(spec, best), best.fitness or 0.0), len(tried) - 1


def candidates(world: World, spec: MergeSearchSpec, method: Method, known: Sequence[Record]) -> list[Candidate]:
    """All that a method evaluates within the spec's budget, in order."""
    proposer, budget = methods.proposer(method, spec, known), spec.search.max_evaluations
    found: list[Candidate] = []
    generation = 0
    while len(found) < budget:
        count = min(proposer.population, budget - len(found))
        asked = proposer.ask(count)
        vectors = proposer.vectors[-count:] if isinstance(proposer, Product) else [()] * count
        fitness = [fitness_of(world.search(weights)) for weights in asked]
        found += [
            Candidate(weights, value, generation, x) for weights, value, x in zip(asked, fitness, vectors, strict=True)
        ]
        if count == proposer.population:
            proposer.tell(fitness)
        generation += 1
    return found


def winner(world: World, found: Sequence[Candidate], finalists: int) -> Winner:
    """The best on the unseen samples of the best on the search samples; the earlier where they are equal."""
    order = selection.ranked([candidate.fitness for candidate in found])[:finalists]
    chosen = [found[index] for index in order]
    confirmed = [fitness_of(world.unseen(candidate.weights)) for candidate in chosen]
    best = selection.ranked(confirmed)[0]
    return Winner(chosen[best].weights, chosen[best].fitness, confirmed[best])


def evaluations_to(found: Sequence[Candidate], goal: float) -> int | None:
    """Evaluations until a candidate is at least as good on the search samples; None if none is."""
    return next((number for number, one in enumerate(found, start=1) if one.fitness >= goal), None)


def baseline(spec: MergeSearchSpec, known: Sequence[Record], kind: RecordKind) -> Candidate:
    """The best baseline of a kind, on the search samples."""
    of_kind = [record for record in known if record.kind is kind]
    best = max(of_kind, key=lambda record: record.fitness or 0.0)  # the first of equals
    return Candidate(strategy.weights(spec, best), best.fitness or 0.0)


def _scored(world: World, spec: MergeSearchSpec, record: Record) -> Record:
    scores = world.search(strategy.weights(spec, record))
    return record.model_copy(update={"scores": scores, "fitness": fitness_of(scores), "state": RecordState.SCORED})
