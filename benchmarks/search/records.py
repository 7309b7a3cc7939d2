"""The benchmark's CSV: a line for each search or baseline, and for each threshold of `skipBelow`."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints


@dataclass(frozen=True)
class Outcome:
    """What a method has come to in one world with one seed. All scores in points."""

    stage: str
    """`compared`, `tuned` or `skipped`."""
    world: str
    """`weak`, `strong`, or `family-` with its seed."""
    checkpoints: int
    seed: int
    """Of the search; for a landscape, of the landscape too."""
    method: str
    budget: int
    """Evaluations that it might spend; a baseline's is 0."""
    evaluations: int
    """That it spent, beyond those of the baselines that every search scores."""
    search: float
    """Fitness of its choice on the search samples."""
    confirmed: float
    """Fitness of its choice on the unseen samples."""
    regret: float | None
    """How far the true fitness of its choice is below that of the optimum, where that is known."""
    exam: float | None
    """Fitness of its choice on many further questions, which decided nothing; of a family."""
    reached: int | None
    """Evaluations until a candidate was as good on the search samples as the best of `Paper`."""
    nonzero: float
    """Share of the weights of all its candidates that are not 0."""


@dataclass(frozen=True)
class Dropped:
    """What a threshold does to the later half of a default search's candidates, as they were proposed."""

    world: str
    checkpoints: int
    seed: int
    threshold: str
    candidates: int
    read: float
    """Share of checkpoints that are read."""
    changed: float
    """Share of candidates with a weight that is dropped."""
    gain: float
    """Mean change of the fitness, in points: the true one of a landscape, that on the search samples of a family."""


Line = TypeVar("Line", Outcome, Dropped)


def append(path: Path, lines: Iterable[Line]) -> None:
    """Add lines in one write, so that a group of them is there or not."""
    lines = list(lines)
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(lines[0])], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(asdict(line) for line in lines)


def read(path: Path, kind: type[Line]) -> list[Line]:
    """All lines; none where there is no file."""
    if not path.exists():
        return []
    types = get_type_hints(kind)
    with path.open(newline="") as file:
        return [
            kind(**{name: _parsed(types[name], text) for name, text in row.items()}) for row in csv.DictReader(file)
        ]


def _parsed(wanted: Any, text: str) -> Any:
    if wanted in (str, int, float):
        return wanted(text)
    if not text:
        return None
    return int(text) if wanted == int | None else float(text)
