"""`mergesearch-merger plan`: what a merge will cost, from checkpoints' headers or from sizes alone; nothing is written.

What cannot be merged is refused as the merge refuses it, with the same exit code.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mergesearch.contract import Checkpoint, VolumePath
from mergesearch.errors import ExitCode, MergeSearchError
from mergesearch.worker import Volumes
from mergesearch_merger import dtypes, estimate, findings, inspection, machine, output, settings
from mergesearch_merger.estimate import Estimate, Sizes

NAME = "plan"
ROOT = ""
"""Name of the volume that is the whole file system, so that folders are known by their paths."""
SHARD_BYTES = 5 * 2**30
"""As a request leaves it."""
BANDWIDTH = 10**9
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
COLUMNS = ("one pass", "reads", "writes", "disk", "memory", "seconds", "each")


def main(argv: Sequence[str]) -> int:
    """Print the plan. Returns the exit code; ends with 2 where the arguments are wrong."""
    parser = _parser()
    given = parser.parse_args(argv)
    if bool(given.folders) == (given.parameters is not None):
        parser.error("give either the folders of checkpoints or --parameters with --checkpoints")
    try:
        sizes = _of_folders(given) if given.folders else _of_numbers(given)
    except MergeSearchError as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.TRANSIENT
    own = estimate.Machine(given.cpus, given.memory, given.read_bandwidth, given.write_bandwidth)
    found = [estimate.estimate(sizes, own, candidates, slices) for candidates, slices in _passes(given)]
    text = _document(sizes, own, found) if given.json else _table(sizes, own, found)
    sys.stdout.write(text)
    short = [one for one in found if one.memory_bytes is None]
    for one in short:
        sys.stderr.write(
            f"{_name(one)}: {_size(own.memory_bytes)} of memory are too little, it takes at least "
            f"{_size(one.least_memory_bytes)}\n"
        )
    return ExitCode.INVALID_REQUEST if short else ExitCode.DONE


def _of_folders(given: argparse.Namespace) -> Sizes:
    """Raises MergeSearchError, OSError."""
    folders = [Path(folder).absolute() for folder in given.folders]
    wanted = [
        Checkpoint(name=str(folder), location=VolumePath(volume=ROOT, path=str(folder).removeprefix("/")))
        for folder in folders
    ]
    inspection.check_names(wanted, wanted[0].name)
    found = inspection.inspect(wanted, Volumes({ROOT: Path("/")}), wanted[0].name)
    findings.refuse_if_any(found.findings)
    for warning in findings.warnings(found.findings):
        sys.stderr.write(f"warning: {warning}\n")
    planned = found.layout(given.dtype, given.max_shard_size)
    assert planned is not None
    assert found.reference is not None
    other = output.needed_bytes(planned, found.reference) - planned.size
    return estimate.of_checkpoints(found.checkpoints, planned, dtypes.OUTPUTS[given.dtype], other)


def _of_numbers(given: argparse.Namespace) -> Sizes:
    stored, written = dtypes.OUTPUTS[given.input_dtype], dtypes.OUTPUTS[given.dtype]
    return estimate.of_numbers(given.parameters, given.checkpoints, stored, written, given.max_shard_size)


def _passes(given: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Candidates and slices of each line."""
    for slices in dict.fromkeys((1, given.slices)):
        for candidates in dict.fromkeys((1, given.candidates)):
            yield candidates, slices


def _document(sizes: Sizes, own: estimate.Machine, found: Sequence[Estimate]) -> str:
    document: dict[str, Any] = {
        "checkpoints": len(sizes.input_bytes),
        "elements": sizes.elements,
        "outputBytes": sizes.layout.size + sizes.other_bytes,
        "shards": len(sizes.layout.shards),
        "machine": _camel(dataclasses.asdict(own)),
        "passes": [_camel(dataclasses.asdict(one)) for one in found],
    }
    return json.dumps(document, indent=2) + "\n"


def _camel(fields: dict[str, Any]) -> dict[str, Any]:
    return {"".join([head, *map(str.title, rest)]): value for (head, *rest), value in _split(fields)}


def _split(fields: dict[str, Any]) -> Iterator[tuple[list[str], Any]]:
    return ((name.split("_"), value) for name, value in fields.items())


def _table(sizes: Sizes, own: estimate.Machine, found: Sequence[Estimate]) -> str:
    rows = [COLUMNS, *(_row(one) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        f"{findings.counted(len(sizes.input_bytes), 'checkpoint')} of {sizes.elements:,} elements; a merge "
        f"has {_size(sizes.layout.size)} in {findings.counted(len(sizes.layout.shards), 'shard')}",
        f"each process: {findings.counted(own.processors, 'processor')}, {_size(own.memory_bytes)} of memory, reads "
        f"{own.read_bandwidth / 1e9:g} GB/s, writes {own.write_bandwidth / 1e9:g} GB/s",
        "",
    ]
    lines.extend("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)
    return "\n".join(lines) + "\n"


def _row(one: Estimate) -> tuple[str, ...]:
    memory = "too little" if one.memory_bytes is None else _size(one.memory_bytes)
    return (
        _name(one),
        _size(one.read_bytes),
        _size(one.written_bytes),
        _size(one.disk_bytes),
        memory,
        f"{one.seconds:.0f}",
        f"{one.seconds / one.candidates:.0f}",
    )


def _name(one: Estimate) -> str:
    return findings.counted(one.candidates, "merge") + (f" in {one.slices} slices" if one.slices > 1 else "")


def _size(count: float) -> str:
    value, unit = float(count), UNITS[0]
    for unit in UNITS:  # noqa: B007 - the last unit stays
        if value < 1024:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"mergesearch-merger {NAME}",
        description="Says what a merge will read, write, hold and take. Of checkpoints, the headers are read.",
    )
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folder of a checkpoint; tokenizer from the first")
    parser.add_argument("--parameters", type=_number(1e15), metavar="N", help="of a checkpoint, such as 70e9")
    parser.add_argument(
        "--checkpoints", type=_number(1024), default=2, metavar="N", help="how many of them (default 2)"
    )
    parser.add_argument(
        "--input-dtype", choices=dtypes.OUTPUTS, default="bfloat16", help="of theirs (default bfloat16)"
    )
    parser.add_argument("--dtype", choices=dtypes.OUTPUTS, default="bfloat16", help="of the merges (default bfloat16)")
    parser.add_argument(
        "--max-shard-size", type=settings.size, default=SHARD_BYTES, metavar="SIZE", help="of the merges (default 5Gi)"
    )
    parser.add_argument(
        "--candidates", type=_number(1024), default=8, metavar="K", help="merges of a batch (default 8)"
    )
    parser.add_argument("--slices", type=_number(64), default=4, metavar="N", help="processes that share (default 4)")
    parser.add_argument(
        "--memory",
        type=settings.size,
        default=settings.default_memory(),
        metavar="SIZE",
        help="(default: this host's)",
    )
    parser.add_argument(
        "--cpus",
        type=_number(1024),
        default=machine.cpus(),
        metavar="N",
        help="of each process (default: of this host)",
    )
    for name in ("read", "write"):
        parser.add_argument(
            f"--{name}-bandwidth",
            type=settings.size,
            default=BANDWIDTH,
            metavar="SIZE",
            help="bytes a second (default 1G)",
        )
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _number(largest: float) -> Callable[[str], int]:
    """The type of an argument: a whole number from 1, also such as 70e9."""

    def parse(text: str) -> int:
        try:
            found = float(text)
        except ValueError:
            found = 0.0
        if not (1 <= found <= largest and found.is_integer()):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {largest:g}")
        return int(found)

    return parse
