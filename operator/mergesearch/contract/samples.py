"""Which samples of a task count: a range of a seeded permutation that is the same on every machine. Pure."""

import hashlib
from typing import Self

from pydantic import Field, model_validator

from mergesearch.contract.model import Model, ShortDigest


class SampleSelection(Model):
    """Which samples of one leaf task are scored: `[start, stop)` of the seeded permutation, or of the file's order
    without a seed.
    """

    leaf: str
    """Name of a task that has documents, never of a group."""
    total: int = Field(ge=1)
    """Number of documents in the leaf."""
    start: int = Field(default=0, ge=0)
    stop: int = Field(ge=1)
    seed: int | None = None
    documents: ShortDigest | None = None
    """Digest over the leaf's documents as the preflight saw them; where given, the evaluator compares."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.start < self.stop <= self.total:
            raise ValueError(
                f"{self.leaf}: samples {self.start}..{self.stop} do not lie within its {self.total} documents"
            )
        return self

    def indices(self) -> tuple[int, ...]:
        """The documents' indices, ascending, as lm-eval's `samples` takes them; never empty."""
        order = range(self.total) if self.seed is None else permutation(self.seed, self.leaf, self.total)
        return tuple(sorted(order[self.start : self.stop]))


def permutation(seed: int, leaf: str, total: int) -> list[int]:
    """A permutation of `range(total)` that is the same on every machine and in every release: ordered by SHA-256."""

    def key(index: int) -> bytes:
        return hashlib.sha256(f"{seed}/{leaf}/{index}".encode()).digest()

    return sorted(range(total), key=key)
