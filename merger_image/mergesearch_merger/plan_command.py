"""`mergesearch-merger plan`: what a merge will cost, from checkpoints' headers or from sizes alone; nothing is written.

What cannot be merged is refused as the merge refuses it, with the same exit code.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mergesearch.contract import Checkpoint, VolumePath
from mergesearch.errors import ExitCode, MergeSearchError
from mergesearch.worker import Volumes
from mergesearch_merger import dtypes, estimate, findings, inspection, output, plan_arguments, slices
from mergesearch_merger.estimate import Estimate, Sizes

NAME = plan_arguments.NAME
ROOT = ""
"""Name of the volume that is the whole file system, so that folders are known by their paths."""
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
NONE = "-"
COLUMNS = ("one pass", "reads", "writes", "disk", "memory", "seconds", "each")


def main(argv: Sequence[str]) -> int:
    """Print the plan. Returns the exit code; ends with 2 where the arguments are wrong."""
    given = plan_arguments.parse(argv)
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
            f"{_name(one, sizes)}: {size(own.memory_bytes)} of memory are too little, it takes at least "
            f"{-(-one.least_memory_bytes // 10**6)} MB\n"  # rounded up, so that this much is enough
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
    return estimate.of_checkpoints(found.checkpoints, planned, dtypes.OUTPUTS[given.dtype], other_bytes=other)


def _of_numbers(given: argparse.Namespace) -> Sizes:
    stored, written = dtypes.OUTPUTS[given.input_dtype], dtypes.OUTPUTS[given.dtype]
    return estimate.of_numbers(given.parameters, given.checkpoints, stored, written, given.max_shard_size)


def _passes(given: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Candidates and slices of each line."""
    for processes in dict.fromkeys((1, given.slices)):
        for candidates in dict.fromkeys((1, given.candidates)):
            yield candidates, processes


def _document(sizes: Sizes, own: estimate.Machine, found: Sequence[Estimate]) -> str:
    document: dict[str, Any] = {
        "checkpoints": len(sizes.input_bytes),
        "elements": sizes.elements,
        "outputBytes": sizes.layout.size + sizes.other_bytes,
        "shards": len(sizes.layout.shards),
        "machine": _camel(dataclasses.asdict(own)),
        "passes": [_camel(dataclasses.asdict(one) | {"working_slices": _working(one, sizes)}) for one in found],
    }
    return json.dumps(document, indent=2) + "\n"


def _camel(fields: dict[str, Any]) -> dict[str, Any]:
    return {"".join([head, *map(str.title, rest)]): value for (head, *rest), value in _split(fields)}


def _split(fields: dict[str, Any]) -> Iterator[tuple[list[str], Any]]:
    return ((name.split("_"), value) for name, value in fields.items())


def _table(sizes: Sizes, own: estimate.Machine, found: Sequence[Estimate]) -> str:
    rows = [COLUMNS, *(_row(one, sizes) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        f"{findings.counted(len(sizes.input_bytes), 'checkpoint')} of {sizes.elements:,} elements; a merge "
        f"has {size(sizes.layout.size)} in {findings.counted(len(sizes.layout.shards), 'shard')}",
        f"each process: {findings.counted(own.processors, 'processor')}, {size(own.memory_bytes)} of memory, reads "
        f"{own.read_bandwidth / 1e9:g} GB/s, writes {own.write_bandwidth / 1e9:g} GB/s",
        "",
    ]
    lines.extend("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)
    return "\n".join(lines) + "\n"


def _row(one: Estimate, sizes: Sizes) -> tuple[str, ...]:
    fits = one.memory_bytes is not None
    return (
        _name(one, sizes),
        size(one.read_bytes),
        size(one.written_bytes),
        size(one.disk_bytes),
        "too little" if one.memory_bytes is None else size(one.memory_bytes),
        seconds(one.seconds) if fits else NONE,
        seconds(one.seconds / one.candidates) if fits else NONE,
    )


def _name(one: Estimate, sizes: Sizes) -> str:
    name = findings.counted(one.candidates, "merge")
    if one.slices == 1:
        return name
    working = _working(one, sizes)
    return f"{name} in {one.slices} slices" + (f" ({working} work)" if working < one.slices else "")


def _working(one: Estimate, sizes: Sizes) -> int:
    """How many slices have a shard to write."""
    return len(set(slices.owners(sizes.layout, one.slices)))


def seconds(value: float) -> str:
    """In digits that mean something."""
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def size(count: float) -> str:
    """With three digits, in the units in which bandwidths and disks are sold."""
    value, unit = float(count), UNITS[0]
    for unit in UNITS:  # noqa: B007 - the last unit stays
        if value < 999.5:
            break
        value /= 1000
    digits = 0 if unit == UNITS[0] or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"
