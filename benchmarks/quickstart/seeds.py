"""The quickstart over several seeds of the search and of the family: does the winner beat every baseline on unseen
samples?

    python benchmarks/quickstart/seeds.py --out DIR [--seeds 1 2 3] [--families 0 1]

Prints a row for every run, whether it wins or not. Cached: run it again to go on.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, RecordKind

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
BASELINES = (RecordKind.CHECKPOINT, RecordKind.UNIFORM, RecordKind.MERGE_BEST, RecordKind.GREEDY)


def run(out: Path, family_seed: int, seed: int) -> tuple[MergeSearchStatus, float]:
    """One run of the quickstart's manifest to its end, and its seconds (0 where it was there already)."""
    family = out / f"family-{family_seed}"
    trainer = [sys.executable, str(QUICKSTART / "train_family.py"), "--out", str(family), "--seed", str(family_seed)]
    subprocess.run(trainer, check=True)
    document = yaml.safe_load((QUICKSTART / "mergesearch.yaml").read_text())
    document["spec"]["search"]["seed"] = seed
    state = out / f"search-{family_seed}-{seed}"
    state.mkdir(parents=True, exist_ok=True)
    manifest = state / "search.yaml"
    manifest.write_text(yaml.safe_dump(document, sort_keys=False))
    volumes = {"checkpoints": family, "tasks": QUICKSTART / "tasks", "workspace": state / "workspace"}
    given = [f"--volume={name}={folder}" for name, folder in volumes.items()]
    program = [sys.executable, "-P", "-m", "mergesearch_cli.app", "run", str(manifest), f"--state={state}", *given]
    begun = time.monotonic()
    subprocess.run(program, check=True, env={**os.environ, **OFFLINE}, stdout=subprocess.DEVNULL)
    status = MergeSearch.model_validate_json((state / "search.json").read_bytes()).status
    assert status is not None
    return status, time.monotonic() - begun


def row(family_seed: int, seed: int, status: MergeSearchStatus, seconds: float) -> list[str]:
    """Fitness on unseen samples, and the smallest gain of the winner with its interval and p."""
    confirmed = status.confirmed
    assert confirmed is not None
    unseen = {record.kind: record.fitness for record in status.confirmations if record.kind is not RecordKind.SEARCH}
    cells = [f"{100 * (unseen.get(kind) or 0.0):.1f}" if kind in unseen else "–" for kind in BASELINES]
    least = min(confirmed.gains, key=lambda gain: gain.gain)
    interval = f"[{100 * least.low:+.1f}, {100 * least.high:+.1f}]"
    verdict = f"{100 * least.gain:+.1f} over {least.baseline} {interval}, p {least.p:.4f}"
    return [str(family_seed), str(seed), *cells, f"{100 * confirmed.fitness:.1f}", verdict, f"{seconds:.0f} s"]


def main() -> None:
    """Run all, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--families", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    table = Table(
        "family", "seed", "best checkpoint", "uniform", "merge-best", "greedy", "winner", "smallest gain", "time"
    )
    for family_seed in options.families:
        for seed in options.seeds:
            status, seconds = run(options.out, family_seed, seed)
            table.add_row(*row(family_seed, seed, status, seconds))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
