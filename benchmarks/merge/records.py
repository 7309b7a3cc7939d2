"""What the benchmark writes down: one line of CSV for each thing measured. Pure but for `append` and `read`."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

OURS = "MergeSearch"
OURS_BATCH = "MergeSearch, batch"
MERGEKIT_EXACT = "mergekit, fp32 -> bf16"
MERGEKIT_FAST = "mergekit, bf16"
FLOOR = "floor"
FLOOR_BATCH = "floor, batch"
TOOLS = (OURS, OURS_BATCH, MERGEKIT_EXACT, MERGEKIT_FAST, FLOOR, FLOOR_BATCH)
BATCHES = (OURS_BATCH, FLOOR_BATCH)
PEERS = (MERGEKIT_EXACT, MERGEKIT_FAST)
DISTURBED_SHARE = 0.1
"""What others take of the processors at most while something is measured."""
WARM, COLD = "warm", "cold"


@dataclass(frozen=True)
class Run:
    """One process that merged, or the floor."""

    tool: str
    cache: str
    round: int
    inputs: int
    candidates: int
    model_bytes: int
    """Of the files of one input, and so of one output, but for headers."""
    cached_share: float
    """How much of the inputs the page cache held before the start."""
    seconds: float
    user: float
    system: float
    peak_bytes: int
    """Resident memory, files that are mapped included."""
    private_bytes: int
    """The part of it that is no file's, looked at some times a second."""
    others_share: float
    """Of the processors' time, what other processes and the kernel's own threads took."""
    rchar: int
    """Bytes that read calls returned. What is read through a mapping is not among them."""
    wchar: int
    read_bytes: int
    """Bytes that came from the disk."""
    write_bytes: int
    """Bytes sent to the disk, or marked to be written there."""

    @property
    def each(self) -> float:
        """Seconds per candidate."""
        return self.seconds / self.candidates


@dataclass(frozen=True)
class Accuracy:
    """A merge beside the weighted sum in fp64."""

    tool: str
    dtype: str
    inputs: int
    elements: int
    largest: float
    not_correctly_rounded: int
    worst_ulps: int
    scale: float

    @property
    def share(self) -> float:
        """Of the elements, those that are not correctly rounded."""
        return self.not_correctly_rounded / self.elements


@dataclass(frozen=True)
class Start:
    """How long a process took to come to something."""

    what: str
    cache: str
    round: int
    seconds: float


Record = TypeVar("Record", Run, Accuracy, Start)
NAMES = {Run: "runs.csv", Accuracy: "errors.csv", Start: "starts.csv"}


def append(folder: Path, record: Run | Accuracy | Start) -> None:
    """Add a line at once, so that what was measured survives what comes after it."""
    path = folder / NAMES[type(record)]
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(record)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(record))


def read(folder: Path, kind: type[Record]) -> list[Record]:
    """All lines; none if there is no such file."""
    path = folder / NAMES[kind]
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return parse(csv.DictReader(file), kind)


def parse(lines: Iterable[dict[str, str]], kind: type[Record]) -> list[Record]:
    """Text to numbers, by the types of the fields."""
    types: dict[str, Any] = get_type_hints(kind)
    return [kind(**{name: types[name](text) for name, text in line.items()}) for line in lines]
