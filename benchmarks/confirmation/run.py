"""How often the product claims a gain, where the truth is known: without a true gain, and with one.

    python benchmarks/confirmation/run.py [--runs 400] [--seed 0] [--only NAME ...]

Every line is so many simulated searches through the product's own code (`chain.py`), beside the share that theory
predicts (`theory.py`) and the band in which 95 of 100 such experiments lie if the theory holds.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from confirmation import chain, theory
from confirmation.worlds import DISCORDANT, World
from rich.console import Console
from rich.table import Table

from mergesearch.reasons import Reason
from mergesearch.search import power

BEHIND = 0.1
"""Of the baselines that are to be of no account."""
ONE = World(finalists=1, behind=BEHIND)
THREE = replace(ONE, finalists=3)
TWO_TASKS = replace(THREE, unseen=(150, 90), weights=(3.0, 1.0), aggregate="WeightedMean")


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    name: str
    world: World
    ahead: tuple[float, ...]
    """Of each finalist over the best baseline, in standard errors of a paired difference."""
    baselines: int = 1
    """That are equally good."""
    rounds: int = 1

    @property
    def share(self) -> float:
        """Of searches that claim a gain, by theory."""
        critical, documents = theory.critical(len(self.ahead)), self.world.unseen
        if len(documents) == 1:
            critical += theory.half_step(documents[0], DISCORDANT, self.world.gain)
        return theory.claimed(self.ahead, critical, self.baselines)


@dataclass(frozen=True)
class Line:
    """What came of it."""

    case: Case
    runs: int
    claims: int
    covered: int
    """Searches whose interval holds the winner's true gain over the best checkpoint."""

    @property
    def within(self) -> bool:
        """Whether theory predicts such a count."""
        low, high = theory.band(self.case.share, self.runs)
        return low <= self.claims <= high


def of_errors(world: World, errors: float) -> float:
    """The gain that is so many standard errors of its paired difference, whose variance is (d - g²) Σ share²/n."""
    weights = world.weights or (1.0,) * len(world.unseen)
    spread = sum((w / sum(weights)) ** 2 / n for w, n in zip(weights, world.unseen, strict=True))
    return float(errors * (DISCORDANT * spread / (1.0 + errors**2 * spread)) ** 0.5)


def with_errors(name: str, world: World, errors: float, baselines: int = 1) -> Case:
    """A true gain of so many standard errors."""
    others = 0.0 if world.only_one else errors
    ahead = (errors,) + (others,) * (world.finalists - 1)
    return Case(name, replace(world, gain=of_errors(world, errors)), ahead, baselines)


def stated(name: str, world: World) -> Case:
    """The smallest gain that the preflight states."""
    errors = power.critical(world.finalists) + power.NORMAL.inv_cdf(power.POWER)
    case = with_errors(name, world, errors)
    gain = chain.smallest_gain(world)
    assert abs(gain - case.world.gain) < 1e-4, f"the preflight states {gain}, which is not {errors:.3f} errors"
    return replace(case, world=replace(case.world, gain=gain))


NOTHING = (
    Case("all models equal, two tasks", replace(THREE, behind=0.0, unseen=(150, 90)), (0.0,) * 3, 3),
    Case("best checkpoint equal, 1 finalist", ONE, (0.0,)),
    Case("best checkpoint equal, 3 finalists", THREE, (0.0,) * 3),
    Case("best checkpoint equal, 8 finalists", replace(ONE, finalists=8), (0.0,) * 8),
    Case("the same, two weighted tasks, 3 finalists", TWO_TASKS, (0.0,) * 3),
    Case("the same, 20 unseen samples, 3 finalists", replace(THREE, unseen=(20,)), (0.0,) * 3),
    Case("a second confirmation on the same samples", THREE, (0.0,) * 6, rounds=2),
)
TWO_ERRORS = (
    with_errors("1 finalist", ONE, 2.0),
    with_errors("3 finalists, all with that gain", THREE, 2.0),
    with_errors("3 finalists, one with that gain", replace(THREE, only_one=True), 2.0),
    with_errors("8 finalists, all with that gain", replace(ONE, finalists=8), 2.0),
    with_errors("3 finalists, two weighted tasks", TWO_TASKS, 2.0),
    with_errors("3 finalists, 3 equally good baselines", replace(THREE, behind=0.0), 2.0, baselines=3),
)
STATED = (
    stated("1 finalist", ONE),
    stated("1 finalist, two weighted tasks", replace(TWO_TASKS, finalists=1)),
    stated("3 finalists, one with that gain", replace(THREE, only_one=True)),
    stated("3 finalists, all with that gain", THREE),
)
TABLES = {"nothing": NOTHING, "two": TWO_ERRORS, "stated": STATED}
CAPTIONS = {
    "nothing": "No true gain over the best checkpoint: claims of a gain, all false",
    "two": "A true gain of two standard errors: claims of a gain",
    "stated": "A true gain of the size that the preflight states: claims of a gain",
}


def measure(case: Case, runs: int, seed: int, tick: Callable[[], None] = lambda: None) -> Line:
    """Run the searches of one line."""
    claims = covered = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs):
            ended = chain.run(case.world, 100_000 * seed + number, Path(folder), rounds=case.rounds)
            claims += ended.outcome is Reason.GAIN
            over = next(gain for gain in ended.winner.gains if gain.baseline.startswith("checkpoint-"))
            covered += over.low <= ended.gain <= over.high
            tick()
    return Line(case, runs, claims, covered)


def table(caption: str, lines: Sequence[Line]) -> Table:
    """As it is printed."""
    found = Table(
        "searches", "true gain", "claims", "theory", "95% band", "", "interval holds the truth", title=caption
    )
    for line in lines:
        case = line.case
        low, high = theory.band(case.share, line.runs)
        found.add_row(
            case.name,
            f"{100 * case.world.gain:.1f}",
            f"{line.claims} of {line.runs} ({100 * line.claims / line.runs:.1f}%)",
            f"{100 * case.share:.1f}%",
            f"{low}..{high}",
            "within" if line.within else "below" if line.claims < low else "ABOVE",
            f"{100 * line.covered / line.runs:.1f}%",
        )
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="searches a line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=TABLES, default=list(TABLES))
    given = parser.parse_args()
    console = Console(width=150)
    for name in given.only:
        lines = [measure(case, given.runs, given.seed) for case in TABLES[name]]
        console.print(table(CAPTIONS[name], lines))


if __name__ == "__main__":
    main()
