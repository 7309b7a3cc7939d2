"""The data of the checkpoints: open files, read by position from any thread."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_merger import compatibility, dtypes
from mergesearch_merger.checkpoint import Checkpoint, WeightFile
from mergesearch_merger.header import Tensor
from mergesearch_merger.linux import System
from mergesearch_merger.plan import Read

COMPARED_BYTES = 4 * 2**20
"""How much of a tied head and its embedding is compared at once."""


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor of an open file."""

    file: WeightFile
    descriptor: int
    tensor: Tensor

    def read(self, first: int, into: memoryview) -> None:
        """Fill `into` from element number `first` on. Raises InvalidRequestError where the file has become shorter."""
        offset = self.tensor.begin + first * dtypes.width(self.tensor.dtype)
        _fill(self.descriptor, self.file, offset, into)


class Inputs:
    """The weight files of some checkpoints, open for reading; use it as a context."""

    def __init__(
        self, checkpoints: Sequence[Checkpoint], *, drop_cache: bool = False, system: System | None = None
    ) -> None:
        self._checkpoints = checkpoints
        self._drop_cache = drop_cache
        self._system = system or System()
        self._descriptors: list[list[int]] = []

    def __enter__(self) -> Self:
        """Raises OSError; nothing stays open then."""
        try:
            for checkpoint in self._checkpoints:
                opened: list[int] = []
                self._descriptors.append(opened)
                for file in checkpoint.files:
                    opened.append(self._open(file.path))  # noqa: PERF401 - closed if one fails
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all files."""
        for opened in self._descriptors:
            for descriptor in opened:
                if self._drop_cache:  # also pages that were read ahead, and tied heads
                    self._system.forget(descriptor)
                os.close(descriptor)
        self._descriptors = []

    def _open(self, path: Path) -> int:
        """A file that will be read from front to back, once."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._system.advise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return descriptor

    def source(self, checkpoint: int, tensor: str) -> Source:
        """A tensor of checkpoint number `checkpoint`."""
        found = self._checkpoints[checkpoint]
        place = found.places[tensor]
        return Source(found.files[place.file], self._descriptors[checkpoint][place.file], place.tensor)

    def read(self, read: Read, into: memoryview) -> None:
        """Fill `into` with what a plan wants. Raises InvalidRequestError where the file has become shorter."""
        descriptor = self._descriptors[read.input][read.file]
        _fill(descriptor, self._checkpoints[read.input].files[read.file], read.begin, into)
        if self._drop_cache:
            self._system.forget(descriptor, read.begin, read.size)

    def check_tied(self, tied: compatibility.TiedHead) -> int:
        """Raise InvalidRequestError where a checkpoint stores a tied head that is not its embedding; returns how many
        bytes were read for that.
        """
        read = 0
        for number, checkpoint in enumerate(self._checkpoints):
            if tied.head in checkpoint.places:
                head, embedding = self.source(number, tied.head), self.source(number, tied.embedding)
                _require_equal(checkpoint, head, embedding)
                read += 2 * (head.tensor.end - head.tensor.begin)
        return read


def _require_equal(checkpoint: Checkpoint, head: Source, embedding: Source) -> None:
    ours, theirs = head.tensor, embedding.tensor
    same = (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    width = dtypes.width(ours.dtype)
    step = COMPARED_BYTES // width
    one, other = bytearray(COMPARED_BYTES), bytearray(COMPARED_BYTES)
    for first in range(0, ours.elements if same else 0, step):
        size = min(step, ours.elements - first) * width
        head.read(first, memoryview(one)[:size])
        embedding.read(first, memoryview(other)[:size])
        same = same and one[:size] == other[:size]
    if not same:
        raise InvalidRequestError(
            f"{checkpoint.label}: tie_word_embeddings leaves {ours.name!r} ({ours.dtype} {list(ours.shape)}) out, but "
            f"it does not equal {theirs.name!r} ({theirs.dtype} {list(theirs.shape)}); "
            "either untie them in config.json or remove the stored head",
            reason=Reason.CHECKPOINTS_INCOMPATIBLE,
        )


def _fill(descriptor: int, file: WeightFile, offset: int, into: memoryview) -> None:
    done = 0
    while done < len(into):
        count = os.preadv(descriptor, [into[done:]], offset + done)
        if count == 0:
            raise InvalidRequestError(
                f"{file.label}: ends at byte {offset + done}; it had {file.size} when the merge began",
                reason=Reason.CHECKPOINT_CHANGED,
            )
        done += count
