"""The work of a merge, cut into units. Pure.

A unit is a range of one output file, and all that has to be read for it: what one slot of memory holds. Units cover
every byte of the output exactly once, in order; their reads cover the same elements of every input, in pieces as long
as its file allows. A unit consists of whole chunks, which are what is digested: where a unit begins and ends depends on
the memory, where a chunk does must not.
"""

import bisect
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mergesearch_merger import dtypes
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.layout import Layout, OutputTensor, Shard

WIDEST = 8
"""Chunks begin at multiples of the widest element, so that none is cut in two."""
ALIGNMENT = 64
"""What is read for a unit begins at multiples of this in its slot; a processor reads whole lines of that many bytes."""


@dataclass(frozen=True, slots=True)
class Read:
    """Bytes of file number `file` of input number `input`, to be read to byte `at` of the slot."""

    input: int
    file: int
    begin: int
    size: int
    at: int


@dataclass(frozen=True, slots=True)
class Run:
    """`elements` of `tensor`, from number `first` on: byte `offset` of the shard, and where the inputs' lie."""

    tensor: OutputTensor
    first: int
    elements: int
    offset: int
    sources: tuple[tuple[int, str], ...]
    """For each input the byte of the slot and the dtype."""

    @property
    def size(self) -> int:
        """Bytes in the output."""
        return self.elements * dtypes.width(self.tensor.dtype)


@dataclass(frozen=True, slots=True)
class Unit:
    """Bytes `begin` to `end` of shard number `shard`."""

    shard: int
    begin: int
    end: int
    head: bytes
    """The part of the shard's header that lies in it, before all runs."""
    runs: tuple[Run, ...]
    reads: tuple[Read, ...]
    input_bytes: int
    """Of the slot, for all that is read; a multiple of ALIGNMENT."""

    @property
    def output_bytes(self) -> int:
        """Of the slot, for one output; a multiple of ALIGNMENT."""
        return _aligned(self.end - self.begin)

    def slot_bytes(self, outputs: int) -> int:
        """Of the slot, in all."""
        return self.input_bytes + outputs * self.output_bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written from what, in slots of what size."""

    layout: Layout
    inputs: Sequence[Checkpoint]
    outputs: int
    slot_bytes: int
    chunk_bytes: int

    def units(self, shards: Collection[int] | None = None) -> Iterator[Unit]:
        """All units of the shards with these numbers, or of all. Raises ValueError if a slot cannot hold a chunk."""
        if self.chunk_bytes <= 0 or self.chunk_bytes % WIDEST:
            raise ValueError(f"chunks of {self.chunk_bytes} bytes cut elements in two")
        for number, shard in enumerate(self.layout.shards):
            if shards is None or number in shards:
                yield from self._units(number, shard)

    def _units(self, number: int, shard: Shard) -> Iterator[Unit]:
        """As long as the one before, or what a slot seems to hold where that is less, or at least a tenth more."""
        begin, step = 0, self._longest
        while begin < shard.size:
            unit = self._unit(number, shard, begin, min(begin + step, shard.size))
            taken = unit.slot_bytes(self.outputs)
            if taken <= self.slot_bytes:
                yield unit
                begin = unit.end
                step = self._step(step, taken) if 10 * taken <= 9 * self.slot_bytes else step
            elif step == self.chunk_bytes:
                raise ValueError(f"a slot of {self.slot_bytes} bytes cannot hold a chunk, which takes {taken}")
            else:
                step = self._step(step, taken)

    @property
    def _longest(self) -> int:
        """What a slot holds of the outputs alone, in whole chunks."""
        return max(self.slot_bytes // self.outputs // self.chunk_bytes, 1) * self.chunk_bytes

    def _step(self, step: int, taken: int) -> int:
        """How long a unit may be, when one of length `step` takes so many bytes of a slot."""
        guess = step * self.slot_bytes // taken // self.chunk_bytes * self.chunk_bytes
        return min(max(guess, self.chunk_bytes), self._longest)

    def _unit(self, number: int, shard: Shard, begin: int, end: int) -> Unit:
        places = list(_ranges(shard, begin, end))
        reads: list[Read] = []
        ats: list[list[tuple[int, str]]] = [[] for _ in places]
        at = 0
        for index, checkpoint in enumerate(self.inputs):
            found, at = _reads(index, checkpoint, places, at, ats)
            reads.extend(found)
        runs = tuple(
            Run(tensor, first, elements, offset, tuple(sources))
            for (tensor, first, elements, offset), sources in zip(places, ats, strict=True)
        )
        return Unit(number, begin, end, shard.header[begin:end], runs, tuple(reads), at)


def most_runs(layout: Layout, chunk_bytes: int) -> int:
    """From how many tensors a chunk comes at most."""
    begun = Counter(
        (number, begin // chunk_bytes) for number, shard in enumerate(layout.shards) for begin in shard.begins
    )
    return max(begun.values(), default=0) + 1


def count_tensors(layout: Layout, inputs: Iterable[Checkpoint]) -> int:
    """How many tensors the output and the inputs have together."""
    return sum(len(shard.tensors) for shard in layout.shards) + sum(len(checkpoint.places) for checkpoint in inputs)


_Range = tuple[OutputTensor, int, int, int]
"""Tensor, first element, elements, byte of the shard."""


def _ranges(shard: Shard, begin: int, end: int) -> Iterator[_Range]:
    """What bytes `begin` to `end` of a shard hold of each tensor; empty tensors are nowhere."""
    number = max(bisect.bisect_right(shard.begins, begin) - 1, 0)
    for tensor, start in zip(shard.tensors[number:], shard.begins[number:], strict=True):
        if start >= end:
            return
        width = dtypes.width(tensor.dtype)
        first = max(begin - start, 0) // width
        last = (min(start + tensor.size, end) - start) // width
        if first < last:
            yield tensor, first, last - first, start + first * width


def _reads(
    index: int, checkpoint: Checkpoint, ranges: Sequence[_Range], at: int, ats: Sequence[list[tuple[int, str]]]
) -> tuple[list[Read], int]:
    """What to read of one input, from byte `at` of the slot on; what follows on in the file is read at once."""
    reads: list[Read] = []
    for (tensor, first, elements, _), sources in zip(ranges, ats, strict=True):
        place = checkpoint.places[tensor.name]
        dtype = place.tensor.dtype
        width = dtypes.width(dtype)
        begin, size = place.tensor.begin + first * width, elements * width
        last = reads[-1] if reads else None
        follows = last is not None and (last.file, last.begin + last.size) == (place.file, begin)
        if last is not None and follows and (last.at + last.size) % width == 0:
            reads[-1] = Read(index, last.file, last.begin, last.size + size, last.at)
            sources.append((last.at + last.size, dtype))
        else:
            at = _aligned(last.at + last.size) if last is not None else at
            reads.append(Read(index, place.file, begin, size, at))
            sources.append((at, dtype))
    end = _aligned(reads[-1].at + reads[-1].size) if reads else at
    return reads, end


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
