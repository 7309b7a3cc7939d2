"""Trains the quickstart's family of checkpoints into a folder; run it again to go on or to find all done.

python examples/quickstart/train_family.py --out DIR [--seed N] [--workers 2] [--scale 1.0]
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from family import build, progress, recipe, writing


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description="Train one small Llama base and eight fine-tunes of it into a folder.")
    made.add_argument("--out", type=Path, required=True, help="folder that will hold one Hugging Face folder each")
    made.add_argument("--seed", type=int, default=0, help="another seed is another family (default 0)")
    made.add_argument("--workers", type=_positive_int, default=2, help="single-threaded processes (default 2)")
    made.add_argument(
        "--scale", type=_positive_float, default=1.0, help="multiply every run's steps; 0.01 only tries the machinery"
    )
    return made


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def _positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the family; 0 done, 1 something stands in the way, 130 interrupted."""
    options = parser().parse_args(arguments)
    family = recipe.default().scaled(options.scale)
    display = progress.choose([family.base, *family.tunes])
    began = time.monotonic()
    try:
        trained = build.build(family, options.out, seed=options.seed, workers=options.workers, display=display)
    except (build.BusyError, build.WorkerDiedError, writing.ForeignFolderError) as error:
        print(f"train_family: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train_family: interrupted; what is finished stays, run the same command to go on", file=sys.stderr)
        return 130
    print(f"{len(trained)} checkpoints trained in {time.monotonic() - began:.0f} s; the family is in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
