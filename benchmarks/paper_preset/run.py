"""The paper's setting on sixteen real checkpoints: what 50 evaluations let the optimiser learn.

    python benchmarks/paper_preset/run.py --out DIR [--seed 1] [--family-seed 0]

Trains the quickstart's family with a second, differently tuned run of each fine-tune, so that there are sixteen;
searches with `Paper` and, as its peer in the same run, with the default `Softmax`; prints the updates of the
optimiser, the share of weights that were clipped to exactly 0 in each generation, and the fitness curve. Cached: run
it again to go on.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
sys.path.insert(0, str(QUICKSTART))

from family import build, progress, recipe
from mergesearch.api.resource import MergeSearch
from mergesearch.report import learning

ALGORITHMS: dict[str, dict[str, Any]] = {"Paper": {"preset": "Paper"}, "Softmax": {"cmaes": {}}}
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def sixteen() -> recipe.Recipe:
    """The quickstart's eight fine-tunes, and each of them once more, longer and at two thirds of its learning rate."""
    family = recipe.default()
    again = tuple(
        dataclasses.replace(
            run, name=f"{run.name}-again", steps=round(1.3 * run.steps), learning_rate=run.learning_rate / 1.5
        )
        for run in family.tunes
    )
    return dataclasses.replace(family, tunes=(*family.tunes, *again))


def search(family: Path, out: Path, algorithm: str, seed: int, names: list[str]) -> MergeSearch:
    """Run one search to its end."""
    document = yaml.safe_load((QUICKSTART / "mergesearch.yaml").read_text())
    document["metadata"]["name"] = f"sixteen-{algorithm.lower()}"
    document["spec"]["checkpoints"] = [{"name": name, "path": name} for name in names]
    document["spec"]["search"] |= {"algorithm": ALGORITHMS[algorithm], "seed": seed, "maxEvaluations": 50}
    document["spec"]["search"]["baselines"] = ["Checkpoints", "Uniform", "MergeBest"]
    state = out / f"{algorithm.lower()}-{seed}"
    state.mkdir(parents=True, exist_ok=True)
    manifest = state / "search.yaml"
    manifest.write_text(yaml.safe_dump(document, sort_keys=False))
    volumes = {"checkpoints": family, "tasks": QUICKSTART / "tasks", "workspace": state / "workspace"}
    given = [f"--volume={name}={folder}" for name, folder in volumes.items()]
    program = [sys.executable, "-P", "-m", "mergesearch_cli.app", "run", str(manifest), f"--state={state}", *given]
    subprocess.run(program, check=True, env={**os.environ, **OFFLINE})
    return MergeSearch.model_validate_json((state / "search.json").read_bytes())


def show(console: Console, resource: MergeSearch) -> None:
    """Print what the optimiser could learn from."""
    assert resource.status is not None
    facts = learning.optimizer(resource.spec, resource.status)
    assert facts is not None
    console.print(
        f"{facts.name}: N = {facts.dimension}, population {facts.population_size}, {len(resource.status.candidates)} "
        f"evaluations: {facts.updates} updates, {facts.untold} evaluations that taught nothing"
    )
    table = Table(
        "generation", "candidates", "told", "clipped to 0", "weights that are 0", "mean", "best", "best so far"
    )
    so_far = 0.0
    for generation in facts.generations:
        so_far = max(so_far, generation.best or 0.0)
        clipped = "–" if generation.clipped is None else f"{generation.clipped:.0%}"
        row = (str(generation.number), str(generation.candidates), "yes" if generation.told else "no", clipped)
        scores = (f"{100 * (value or 0.0):.1f}" for value in (generation.mean, generation.best, so_far))
        table.add_row(*row, f"{generation.zeros:.0%}", *scores)
    console.print(table)


def main() -> None:
    """Train, search with each algorithm, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family-seed", type=int, default=0)
    options = parser.parse_args()
    family, wanted = options.out / f"family-{options.family_seed}", sixteen()
    build.build(
        wanted, family, seed=options.family_seed, workers=2, display=progress.choose([wanted.base, *wanted.tunes])
    )
    names = [run.name for run in wanted.tunes]
    found = [search(family, options.out, algorithm, options.seed, names) for algorithm in ALGORITHMS]
    for resource in found:
        show(Console(width=120), resource)


if __name__ == "__main__":
    main()
