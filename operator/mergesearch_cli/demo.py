"""`mergesearch demo`: the quickstart of the repository, end to end, in one folder."""

import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from mergesearch.errors import CliExitCode, GiveUpError
from mergesearch.reasons import Reason
from mergesearch_cli import running, words
from mergesearch_cli.state import StateFolder

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
"""The demo needs nothing from the network, so it does not ask."""


def demo(folder: Path, seed: int, console: Console) -> CliExitCode:
    """Train the family if it is not there, then run the search. Raises GiveUpError outside a checkout or if training
    fails.
    """
    trainer = QUICKSTART / "train_family.py"
    if not trainer.is_file():
        raise GiveUpError(
            f"{trainer}: not there; the demo needs a checkout of the repository", reason=Reason.MALFORMED_REQUEST
        )
    os.environ.update(OFFLINE)
    # Another family is another search.
    folder = folder if seed == 0 else folder / f"seed-{seed}"
    family = folder / f"family-{seed}"
    begun = time.monotonic()
    console.print(f"1. Train a family of small checkpoints into {family} (two minutes; cached)", markup=False)
    trained = subprocess.run(
        [sys.executable, str(trainer), "--out", str(family), "--seed", str(seed)], check=False, stdin=subprocess.DEVNULL
    )
    if trained.returncode < 0 or trained.returncode == CliExitCode.INTERRUPTED:
        return CliExitCode.INTERRUPTED
    if trained.returncode:
        raise GiveUpError(f"training ended with exit code {trained.returncode}", reason=Reason.UNEXPECTED)
    between = time.monotonic()
    console.print("2. Search for the best merge of eight of them", markup=False)
    given = [f"checkpoints={family}", f"tasks={QUICKSTART / 'tasks'}", f"workspace={folder / 'workspace'}"]
    code = running.run(QUICKSTART / "mergesearch.yaml", given, StateFolder(folder), console)
    console.print(
        f"Training took {words.duration(between - begun)}, the search {words.duration(time.monotonic() - between)}.",
        markup=False,
        highlight=False,
    )
    return code
