"""MergeSearch's merger beside mergekit and beside the disk, in one run, on inputs that it makes itself.

    make bench-merge BENCH="[--work DIR] [--inputs 2 4 8] [--rounds 3] [--cache warm cold] [--gigabytes 0.7]"

Prints Markdown, goals first; every process that it measured is a line of CSV below --out, where a later call adds to
what is there. README.md says what is measured and how.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import merge_tools
from merge import inputs, machine, records, starts, table
from merge.measure import Bench
from merge.records import Accuracy, Run, Start

from mergesearch import contract

PARTS = ("speed", "memory", "errors", "starts")
DTYPES: tuple[contract.Dtype, ...] = ("bfloat16", "float16", "float32")
ENVIRONMENT_BYTES = 7e9
"""What mergekit with torch takes, where uv cannot link it to its cache."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured, with the shapes of its inputs."""

    arguments: argparse.Namespace
    model: inputs.Model
    large: inputs.Model
    small: inputs.Model

    def has(self, *parts: str) -> bool:
        """Whether one of these is to be measured."""
        return bool(set(parts) & set(self.arguments.parts))

    @property
    def count(self) -> int:
        """Inputs of the usual size."""
        most = max(self.arguments.inputs) if self.has("speed", "starts") else 0
        return max(most, int(self.arguments.memory_inputs)) if self.has("memory") else most

    @property
    def input_bytes(self) -> int:
        """Of all inputs."""
        large = 2 * self.large.size if self.has("memory") else 0
        small = max(int(self.arguments.error_inputs), 2) * self.small.size
        return self.count * self.model.size + large + small

    @property
    def output_bytes(self) -> int:
        """Of the largest run."""
        return max(int(self.arguments.candidates) * self.model.size, self.large.size)


def main() -> None:
    """Measure, then print."""
    arguments = _arguments()
    # Whatever is started first leaves its bytecode for the others, as an image has it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    work = arguments.work.resolve()
    out = arguments.out or work / "results"
    for folder in (work, out):
        folder.mkdir(parents=True, exist_ok=True)
    plan = _plan(arguments)
    _require_space(plan, work)
    python = merge_tools.mergekit_python(work)
    ours, theirs = (tuple(text.split()) for text in (arguments.merger_options, arguments.mergekit_options))
    bench = Bench(work, python, ours, theirs, arguments.patience)
    for record in _measure(plan, bench):
        records.append(out, record)
        print(record, file=sys.stderr, flush=True)
    found = (records.read(out, Run), records.read(out, Accuracy), records.read(out, Start))
    text = f"{machine.describe(work, python)}\n\n{table.render(*found)}"
    (out / "table.md").write_text(text, encoding="utf-8")
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--work", type=Path, default=Path(".bench-merge"), help="inputs, outputs, mergekit; kept for the next time")
    add("--out", type=Path, help="folder of the CSV files and the table (default: `results` in --work)")
    add("--parts", nargs="*", choices=PARTS, default=PARTS, help="none: print what --out holds")
    add("--inputs", type=int, nargs="+", default=[2, 4, 8], help="numbers of inputs, each with both tools")
    add("--candidates", type=int, default=8, help="of a batch")
    add("--rounds", type=int, default=3)
    add("--patience", type=float, default=30.0, help="seconds to wait for a quiet machine before each run")
    add("--cache", nargs="+", choices=(records.WARM, records.COLD), default=[records.WARM, records.COLD])
    add("--gigabytes", type=float, default=0.7, help="of one input, bf16")
    add("--hidden", type=int, default=1024, help="its width")
    add("--vocabulary", type=int, default=32000)
    add("--shards", type=int, default=4)
    add("--memory-inputs", type=int, default=16, help="the largest number of inputs of the memory part")
    add("--scale", type=float, default=4.0, help="how many times as large the large model of the memory part is")
    add("--error-gigabytes", type=float, default=0.1, help="of one input of the errors part")
    add("--error-inputs", type=int, default=4)
    add("--merger-options", default="", help="more arguments of the merger, in one string")
    add("--mergekit-options", default="", help="likewise, such as '--async-write --write-threads 2'")
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> Plan:
    def shape(gigabytes: float, hidden: int) -> inputs.Model:
        return inputs.of_size(gigabytes * 1e9, hidden, arguments.vocabulary, arguments.shards)

    model = shape(arguments.gigabytes, arguments.hidden)
    # Wider too: its largest tensors grow as well as their number.
    large = shape(arguments.gigabytes * arguments.scale, 2 * arguments.hidden)
    small = inputs.of_size(arguments.error_gigabytes * 1e9, arguments.hidden // 2, arguments.vocabulary // 4, 2)
    return Plan(arguments, model, large, small)


def _require_space(plan: Plan, work: Path) -> None:
    made = sum(path.stat().st_size for path in work.glob("*/*/*.safetensors"))
    environment = 0.0 if (work / "mergekit").exists() else ENVIRONMENT_BYTES
    needed = max(plan.input_bytes - made, 0) + plan.output_bytes + environment
    free = shutil.disk_usage(work).free
    if needed > free:
        raise SystemExit(
            f"{work}: {free / 1e9:.1f} GB are free; inputs of {plan.input_bytes / 1e9:.1f} GB ({made / 1e9:.1f} GB are "
            f"there), outputs of {plan.output_bytes / 1e9:.1f} GB and mergekit need {needed / 1e9:.1f} GB: choose "
            "another --work, or smaller --gigabytes, --memory-inputs, --scale or --candidates"
        )


# --- What is measured ---


Measure = Callable[[Plan, Bench, Sequence[Path]], Iterator[Run | Accuracy | Start]]


def _measure(plan: Plan, bench: Bench) -> Iterator[Run | Accuracy | Start]:
    arguments = plan.arguments
    folders = [inputs.make(bench.work / "models" / f"m{seed}", plan.model, seed) for seed in range(plan.count)]
    measures: dict[str, Measure] = {"speed": _speed, "memory": _memory, "errors": _errors, "starts": _starts}
    for part in PARTS:
        if part in arguments.parts:
            yield from measures[part](plan, bench, folders)


def _speed(plan: Plan, bench: Bench, folders: Sequence[Path]) -> Iterator[Run]:
    """Tools by turns, each round in another order, so that none always follows the same."""
    arguments = plan.arguments
    for tool in records.TOOLS:  # once before it counts: code and libraries come from the disk
        bench.run(tool, _small(plan, bench, 2), records.WARM, 0, 1)
    for number in range(arguments.rounds):
        for state in arguments.cache:
            for count in arguments.inputs:
                for index in range(len(records.TOOLS)):
                    tool = records.TOOLS[(index + number) % len(records.TOOLS)]
                    candidates = arguments.candidates if tool in records.BATCHES else 1
                    yield bench.run(tool, folders[:count], state, number, candidates)


def _memory(plan: Plan, bench: Bench, folders: Sequence[Path]) -> Iterator[Run]:
    """More inputs, and larger ones, than speed is measured with."""
    state = plan.arguments.cache[0]
    large = [inputs.make(bench.work / "large" / f"m{seed}", plan.large, seed) for seed in range(2)]
    few = [] if plan.has("speed") else [folders[:2]]
    for case in (*few, folders[: plan.arguments.memory_inputs], large):
        yield bench.run(records.OURS, case, state, 0, 1)


def _errors(plan: Plan, bench: Bench, _folders: Sequence[Path]) -> Iterator[Accuracy]:
    import merge_truth  # late: it brings torch
    import torch

    count = plan.arguments.error_inputs
    folders = _small(plan, bench, count)
    weights = merge_tools.weights(count, seed=0)
    for tool in (records.OURS, *records.PEERS):
        for dtype in DTYPES:
            if tool == records.MERGEKIT_FAST and dtype != "bfloat16":
                continue
            bench.prepare()
            merge_tools.run(bench.command(tool, folders, dtype=dtype))
            (merged,) = bench.outputs(tool, 1)
            error = merge_truth.error(folders, weights, merged, getattr(torch, dtype))
            bench.clear()
            yield Accuracy(tool, dtype, count, **vars(error))


def _small(plan: Plan, bench: Bench, count: int) -> list[Path]:
    return [inputs.make(bench.work / "small" / f"m{seed}", plan.small, seed) for seed in range(count)]


def _starts(plan: Plan, bench: Bench, folders: Sequence[Path]) -> Iterator[Start]:
    arguments = plan.arguments
    count = sorted(arguments.inputs)[len(arguments.inputs) // 2]
    for tool in (records.OURS, records.MERGEKIT_EXACT):
        # Its libraries must come from the cache, so that what the disk gives is weights.
        bench.run(tool, _small(plan, bench, 2), records.WARM, 0, 1)
        for number in range(arguments.rounds):
            what = f"{tool}: first weights from the disk, N = {count}"
            yield Start(what, records.COLD, number, bench.seconds_to_weights(tool, folders[:count]))
    yield from starts.measure(list(arguments.cache), arguments.rounds)


if __name__ == "__main__":
    main()
