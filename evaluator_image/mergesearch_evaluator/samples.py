"""Per-sample scores: one JSON line a sample, compressed with zstandard.

They are written before the report, so a report says that they are there; the comparison of the confirmation reads
them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

from mergesearch import files

COMPRESSION_LEVEL = 9
"""A whole task takes milliseconds; generated text shrinks to a fifth."""


@dataclass(frozen=True)
class Sample:
    """One document of a leaf task, scored."""

    leaf: str
    index: int
    """Of the document in the leaf."""
    value: float
    """Of the task's metric."""
    weight: float
    """Of this sample in the task's score, which is Σ weight × value; the weights of a task sum to 1."""
    prompt_tokens: int
    generated_tokens: int
    text: str | None
    """What the model generated; None for a task that compares likelihoods."""


class UnreadableSamplesError(Exception):
    """The file is missing, torn or not ours."""


def write(path: Path, samples: Iterable[Sample]) -> None:
    """Write all samples of a task, atomically. Raises OSError."""
    # A sample is flat; `asdict` would copy each of its values deeply.
    lines = "".join(json.dumps(vars(sample), ensure_ascii=False, allow_nan=False) + "\n" for sample in samples)
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True)
    files.write_atomically(path, compressor.compress(lines.encode()))


def read(path: Path) -> Sequence[Sample]:
    """Read what `write` wrote. Raises UnreadableSamplesError."""
    try:
        # In one piece: a stream would end a torn file in silence.
        text = zstandard.ZstdDecompressor().decompress(path.read_bytes()).decode()
        return [Sample(**json.loads(line)) for line in text.split("\n") if line]
    except (OSError, ValueError, TypeError, zstandard.ZstdError) as error:
        raise UnreadableSamplesError(f"{path}: {error}") from error
