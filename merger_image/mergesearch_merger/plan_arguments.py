"""What may be said to `mergesearch-merger plan`."""

import argparse
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from mergesearch_merger import dtypes, machine, settings

NAME = "plan"
SHARD_BYTES = 5 * 2**30
"""As a request leaves it."""
LEAST_SHARD_BYTES = 2**10
"""As a request takes it."""
BANDWIDTH = 10**9
CHECKPOINTS = 2
DTYPE = "bfloat16"
COUNTS = {"M": 10**6, "B": 10**9, "T": 10**12}
"""Of parameters, as models are named by them, in either case."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; the process ends with 2 where they are wrong, or where one would mean nothing."""
    parser = _parser()
    given = parser.parse_intermixed_args(argv)
    if bool(given.folders) == (given.parameters is not None):
        parser.error("give either the folders of checkpoints or --parameters with --checkpoints")
    said = {"--checkpoints": given.checkpoints, "--input-dtype": given.input_dtype}
    idle = [option for option, value in said.items() if value is not None]
    if given.folders and idle:
        parser.error(f"{' and '.join(idle)} cannot be said of folders, which are looked into: leave it out")
    given.checkpoints = len(given.folders) or given.checkpoints or CHECKPOINTS
    given.input_dtype = given.input_dtype or DTYPE
    if given.checkpoints == 1:
        parser.error("one checkpoint alone cannot be merged with anything: give two or more")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"mergesearch-merger {NAME}",
        description="Says what a merge will read, write, hold and take. Of checkpoints, the headers are read.",
    )
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folder of a checkpoint; tokenizer from the first")
    _add_sizes(parser)
    _add_machine(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--parameters", type=_number(10**15), metavar="N", help="of a checkpoint, such as 70B or 70.6e9")
    add("--checkpoints", type=_number(1024), metavar="N", help=f"how many of them (default {CHECKPOINTS})")
    add("--input-dtype", choices=dtypes.OUTPUTS, help=f"of theirs (default {DTYPE})")
    add("--dtype", choices=dtypes.OUTPUTS, default=DTYPE, help=f"of the merges (default {DTYPE})")
    add("--max-shard-size", type=_shard, default=SHARD_BYTES, metavar="SIZE", help="of the merges (default 5Gi)")
    add("--candidates", type=_number(1024), default=8, metavar="K", help="merges of a batch (default 8)")
    add("--slices", type=_number(64), default=4, metavar="N", help="processes that share (default 4)")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    own = settings.default_memory()
    add("--memory", type=settings.size, default=own, metavar="SIZE", help="of each process (default: of this host)")
    cpus = machine.cpus()
    add("--cpus", type=_number(1024), default=cpus, metavar="N", help="of each process (default: of this host)")
    for name in ("read", "write"):
        told = "bytes a second (default 1G)"
        add(f"--{name}-bandwidth", type=settings.size, default=BANDWIDTH, metavar="SIZE", help=told)


def _shard(text: str) -> int:
    size = settings.size(text)
    if size < LEAST_SHARD_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1Ki, the least that a merge is written in")
    return size


def _number(largest: int) -> Callable[[str], int]:
    """The type of an argument: a whole number from 1, also such as 70e9 or 70B."""

    def parse(text: str) -> int:
        scale = COUNTS.get(text[-1:].upper(), 1)
        try:
            found = Decimal(text[:-1] if scale > 1 else text) * scale
        except InvalidOperation:
            found = Decimal(0)
        if not (found.is_finite() and 1 <= found <= largest and found == int(found)):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {largest:,}")
        return int(found)

    return parse
