"""What is played in one world with one seed: the comparison, the tuning, the thresholds; pure but for the world."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from search import methods, play
from search.landscapes import Landscape
from search.methods import Method, Weights
from search.play import Candidate, World
from search.records import Dropped, Outcome

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import Record, RecordKind
from mergesearch.search import parametrization

THRESHOLDS = ("0", "0.001", "0.01", "0.02")
SKIPPED = tuple(Method(f"skipBelow {threshold}", {"cmaes": {}}, skip_below=threshold) for threshold in THRESHOLDS)
STAGES = {
    "compared": methods.COMPARED,
    "tuned": (methods.SOFTMAX, *methods.TUNED),
    "skipped": SKIPPED,
}
BASELINES = {
    "Best checkpoint": RecordKind.CHECKPOINT,
    "Uniform": RecordKind.UNIFORM,
    "Merge-best": RecordKind.MERGE_BEST,
}
BEST_BASELINE, GREEDY = "Best of these", "Greedy soup"


@runtime_checkable
class Examined(Protocol):
    """A world that can ask further questions about a choice."""

    def examined(self, weights: Sequence[float]) -> tuple[float, ...] | None:
        """Every task's score on them."""


@dataclass(frozen=True)
class Game:
    """One world, one seed, and how its numbers become points."""

    label: str
    world: World
    seed: int
    budgets: tuple[int, ...]
    points: float
    """What a score of 1 is in points."""

    @property
    def budget(self) -> int:
        """The largest; a smaller one is the beginning of the same search."""
        return max(self.budgets)

    def spec(self, method: Method) -> MergeSearchSpec:
        """Of a search by this method."""
        return methods.spec_of(method, self.world.tasks, self.world.dimension, self.seed, self.budget)


def outcomes(game: Game, stage: str) -> list[Outcome]:
    """All methods of a stage, and for a comparison the baselines."""
    spec = game.spec(methods.SOFTMAX)
    known = play.history(game.world, spec)
    found = {one.name: play.candidates(game.world, game.spec(one), one, known) for one in STAGES[stage]}
    lines = []
    for budget in game.budgets:
        paper = found.get(methods.PAPER.name)
        goal = max(one.fitness for one in paper[:budget]) if paper else None
        for name, all_of_them in found.items():
            finalists = spec.search.confirm.finalists
            lines.append(_line(game, stage, name, budget, all_of_them[:budget], finalists, goal))
    if stage == "compared":
        lines += _baselines(game, spec, known)
    return lines


def _baselines(game: Game, spec: MergeSearchSpec, known: Sequence[Record]) -> Iterator[Outcome]:
    best = {name: play.baseline(spec, known, kind) for name, kind in BASELINES.items()}
    for name, chosen in best.items():
        yield _line(game, "compared", name, 0, [chosen], 1, None)
    yield _line(game, "compared", BEST_BASELINE, 0, list(best.values()), len(best), None)
    soup, spent = play.greedy_soup(game.world, spec, known)
    yield _line(game, "compared", GREEDY, 0, [soup], 1, None, spent)


def _line(
    game: Game,
    stage: str,
    name: str,
    budget: int,
    found: Sequence[Candidate],
    finalists: int,
    goal: float | None,
    spent: int | None = None,
) -> Outcome:
    winner = play.winner(game.world, found, finalists)
    weights = [weight for one in found for weight in one.weights]
    return Outcome(
        stage=stage,
        world=game.label,
        checkpoints=game.world.dimension,
        seed=game.seed,
        method=name,
        budget=budget,
        evaluations=spent if spent is not None else len(found) if budget else 0,
        search=round(game.points * winner.search, 4),
        confirmed=round(game.points * winner.confirmed, 4),
        regret=round(game.world.regret(winner.weights), 6) if isinstance(game.world, Landscape) else None,
        exam=_examined(game, winner.weights),
        reached=None if goal is None else play.evaluations_to(found, goal),
        nonzero=round(sum(weight > 0.0 for weight in weights) / len(weights), 6),
    )


def _examined(game: Game, weights: Weights) -> float | None:
    scores = game.world.examined(weights) if isinstance(game.world, Examined) else None
    return None if scores is None else round(game.points * play.fitness_of(scores), 4)


def dropped(game: Game) -> list[Dropped]:
    """The later half of a default search's candidates, with the weights that each threshold leaves."""
    method = SKIPPED[0]
    known = play.history(game.world, game.spec(method))
    found = play.candidates(game.world, game.spec(method), method, known)
    later = found[len(found) // 2 :]
    fitness = _truth(game)
    whole = [fitness(one.weights) for one in later]
    lines = []
    for threshold in THRESHOLDS:
        kept = [parametrization.weights_of(one.x, "Softmax", float(threshold)) for one in later]
        weights = [weight for one in kept for weight in one]
        gains = [fitness(weights) - before for weights, before in zip(kept, whole, strict=True)]
        lines.append(
            Dropped(
                world=game.label,
                checkpoints=game.world.dimension,
                seed=game.seed,
                threshold=threshold,
                candidates=len(later),
                read=round(sum(weight > 0.0 for weight in weights) / len(weights), 6),
                changed=round(sum(0.0 in one for one in kept) / len(kept), 6),
                gain=round(game.points * sum(gains) / len(gains), 6),
            )
        )
    return lines


def _truth(game: Game) -> Callable[[Weights], float]:
    world = game.world
    if isinstance(world, Landscape):
        return lambda weights: -world.regret(weights)
    return lambda weights: play.fitness_of(world.search(weights))
