"""How to account for the choice among finalists: not at all, by Bonferroni, or by the largest of all finalists.

    python benchmarks/confirmation/corrections.py [--runs 1000] [--unseen 200]

The winner is the best of k finalists on the samples that it is tested on, against one baseline. Per line: how often a
gain is claimed where there is none, and where all or one of the finalists are two standard errors ahead; and how often
the 95% interval holds the winner's true gain. All corrections see the same searches and the same resamples.
"""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from confirmation import run, worlds
from confirmation.worlds import World
from rich.console import Console
from rich.table import Table

from mergesearch_evaluator import bootstrap
from mergesearch_evaluator.bootstrap import Gain, TaskValues

LEVEL = 0.05
TRUTHS = {"no gain": (0.0, False), "all two errors ahead": (2.0, False), "one two errors ahead": (2.0, True)}
RESAMPLES = 1000


def answered(rng: np.random.Generator, world: World, gains: tuple[float, ...]) -> TaskValues:
    """The answers of the finalists, which have these true gains, and of one baseline."""
    common = worlds.hidden(rng, world.unseen[0])
    columns = [worlds.answers(rng, common, gain) for gain in (*gains, 0.0)]
    return TaskValues(weights=np.full(len(common), 1.0 / len(common)), values=np.array(columns, dtype=np.float64).T)


def winner_of(task: TaskValues, seed: int) -> tuple[int, Gain, Gain]:
    """Who wins, and its gain with and without an eye on the other finalists."""
    finalists = task.values.shape[1] - 1
    observed = bootstrap.scores_of(task)
    drawn = bootstrap.resampled_fitness([task], [1.0], "Mean", seed=seed, resamples=RESAMPLES)
    ahead, resampled = observed[:-1] - observed[-1], drawn[:, :-1] - drawn[:, [-1]]
    differ = [bootstrap.differing([task], column, finalists) for column in range(finalists)]
    best = int(np.argmax(ahead))
    together = bootstrap.gains(ahead, resampled, differ)[best]
    alone = bootstrap.gains(ahead[[best]], resampled[:, [best]], differ[best : best + 1])[0]
    return best, together, alone


def count(world: World, gains: tuple[float, ...], runs: int) -> Counter[tuple[str, str]]:
    """Claims, and intervals that hold the truth, by correction."""
    found: Counter[tuple[str, str]] = Counter()
    for seed in range(runs):
        best, together, alone = winner_of(answered(np.random.default_rng([seed, 2]), world, gains), seed)
        by = {
            "none": (alone, alone.p),
            "Bonferroni": (alone, alone.p * len(gains)),
            "largest of all": (together, together.corrected_p),
        }
        for name, (gain, p) in by.items():
            found[name, "claims"] += gain.gain > 0.0 and gain.low > 0.0 and p < LEVEL
            found[name, "holds"] += gain.low <= gains[best] <= gain.high
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="searches a line")
    parser.add_argument("--unseen", type=int, default=200)
    given = parser.parse_args()
    table = Table("finalists", "truth", "correction", "claims", "interval holds the truth")
    for finalists in (3, 5, 8):
        for truth, (errors, only_one) in TRUTHS.items():
            world = replace(run.ONE, finalists=finalists, unseen=(given.unseen,))
            gain = run.of_errors(world, errors)
            gains = (gain, *([0.0 if only_one else gain] * (finalists - 1)))
            found = count(world, gains, given.runs)
            for name in ("none", "Bonferroni", "largest of all"):
                shares = [f"{100 * found[name, what] / given.runs:.1f}%" for what in ("claims", "holds")]
                table.add_row(str(finalists), truth, name, *shares)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
