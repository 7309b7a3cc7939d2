"""Is the search worth its evaluations? The default beside Paper, Random, mergekit-evolve's algorithm and the baselines.

    make bench-search BENCH="[--out DIR] [--parts landscapes families tables]"

At equal budgets, on synthetic landscapes whose optimum is known and on real families of checkpoints that it trains,
merges and scores itself. Every search is a line of CSV below --out; what is there is not played again, so the same
command goes on where it was ended. Prints Markdown. README.md says what is measured and how.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: further threads only wait
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from search import landscapes, methods, records, report, stages
from search.landscapes import Kind
from search.records import Dropped, Outcome
from search.stages import Game

PARTS = ("landscapes", "families", "tuning", "thresholds", "threshold-searches", "tables")
KINDS: tuple[Kind, ...] = ("weak", "strong")
TUNING_SEEDS = 100_000
"""Landscapes of the tuning have seeds from here on, so that no landscape is tuned on and reported."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(".bench-search"), help="CSV, families and what was scored")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--checkpoints", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--landscapes", type=int, default=100, help="seeds of each kind")
    parser.add_argument("--tuning-landscapes", type=int, default=100)
    parser.add_argument("--landscape-budgets", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--families", type=int, nargs="*", default=[1, 2, 4], help="seeds of families to report")
    parser.add_argument("--tuning-families", type=int, nargs="*", default=[0, 3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="of the searches in a family")
    parser.add_argument("--budget", type=int, default=50, help="of the searches in a family")
    parser.add_argument(
        "--check", nargs="*", default=[], help="names of the tuning's rows to play where we report, too"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that train")
    return parser.parse_args()


def landscape_games(options: argparse.Namespace, first: int, count: int) -> Iterator[Game]:
    """Landscapes of every kind and size."""
    budgets = tuple(options.landscape_budgets)
    for seed, kind, size in itertools.product(range(first, first + count), KINDS, options.checkpoints):
        yield Game(kind, landscapes.draw(kind, size, seed), seed, budgets, points=1.0)


def family_games(options: argparse.Namespace, seeds: Sequence[int]) -> Iterator[Game]:
    """Families in every size with every seed of the search."""
    from search import families, scoring

    cache, questions, exam = scoring.Cache(options.out / "answers.sqlite"), scoring.read_tasks(), scoring.exam()
    for seed in seeds:
        whole = families.train(options.out / f"family-{seed}", seed, max(options.checkpoints), workers=options.workers)
        scorer = scoring.Scorer(whole)
        for search_seed, size in itertools.product(options.seeds, options.checkpoints):
            split = scoring.split(questions, search_seed)
            world = scoring.FamilyWorld(whole.first(size), scorer, cache, split, exam)
            yield Game(f"family-{seed}", world, search_seed, (options.budget,), points=100.0)


def play(path: Path, stage: str, games: Iterable[Game]) -> None:
    """Play what is not in the CSV."""
    known = {(line.stage, line.world, line.checkpoints, line.seed, line.method) for line in records.read(path, Outcome)}
    for game in games:
        key = (stage, game.label, game.world.dimension, game.seed)
        if all((*key, method.name) in known for method in stages.STAGES[stage]):
            continue
        begun = time.monotonic()
        found = [line for line in stages.outcomes(game, stage) if (*key, line.method) not in known]
        records.append(path, found)
        print(f"{key}: {time.monotonic() - begun:.1f} s", file=sys.stderr)


def drop(path: Path, games: Iterable[Game]) -> None:
    """Measure the thresholds where they are not in the CSV."""
    known = {(line.world, line.checkpoints, line.seed) for line in records.read(path, Dropped)}
    for game in games:
        if (game.label, game.world.dimension, game.seed) not in known:
            records.append(path, stages.dropped(game))


def main() -> None:
    """Play, print."""
    options = arguments()
    unknown = set(options.check) - {method.name for method in methods.TUNED}
    if unknown:
        raise SystemExit(f"--check: no such row of the tuning: {', '.join(sorted(unknown))}")
    stages.STAGES["checked"] = (methods.SOFTMAX, *(one for one in methods.TUNED if one.name in options.check))
    out: Path = options.out
    reported: list[Callable[[], Iterable[Game]]] = [
        lambda: landscape_games(options, 0, options.landscapes),
        lambda: family_games(options, options.families),
    ]
    tuned: list[Callable[[], Iterable[Game]]] = [
        lambda: landscape_games(options, TUNING_SEEDS, options.tuning_landscapes),
        lambda: family_games(options, options.tuning_families),
    ]
    if "landscapes" in options.parts:
        play(out / "landscapes.csv", "compared", reported[0]())
    if "families" in options.parts:
        play(out / "families.csv", "compared", reported[1]())
    for number, name in enumerate(("landscapes.csv", "families.csv")):
        if "tuning" in options.parts:
            play(out / name, "tuned", tuned[number]())
        if options.check:
            play(out / name, "checked", reported[number]())
        if "thresholds" in options.parts:
            drop(out / f"dropped-{name}", reported[number]())
        if "threshold-searches" in options.parts:
            play(out / name, "skipped", reported[number]())
    if "tables" in options.parts:
        print(report.text(out))


if __name__ == "__main__":
    main()
