"""The work of a merge, cut into chunks and tiles. Pure.

A chunk is a range of one output file: the unit that one thread takes, writes from front to back, and digests. A tile
is a run of elements of one tensor inside a chunk: what is read, summed and written at once. Header and tiles of all
chunks cover every byte of the output exactly once.
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass

from mergesearch_merger import dtypes
from mergesearch_merger.layout import Layout, OutputTensor, Shard

WIDEST = 8
"""Chunks begin at multiples of the widest element, so that none is cut in two."""


@dataclass(frozen=True, slots=True)
class Tile:
    """`elements` of `tensor`, from number `first` on, to be written at byte `offset` of the shard."""

    tensor: OutputTensor
    first: int
    elements: int
    offset: int

    @property
    def size(self) -> int:
        """Bytes in the output."""
        return self.elements * dtypes.width(self.tensor.dtype)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `begin` to `end` of shard number `shard`; chunk number `index` of it."""

    shard: int
    index: int
    begin: int
    end: int


def chunks(layout: Layout, chunk_bytes: int) -> Iterator[Chunk]:
    """All chunks, shard by shard, from front to back. `chunk_bytes` is a multiple of WIDEST."""
    if chunk_bytes <= 0 or chunk_bytes % WIDEST:
        raise ValueError(f"chunks of {chunk_bytes} bytes cut elements in two")
    for number, shard in enumerate(layout.shards):
        for index, begin in enumerate(range(0, shard.size, chunk_bytes)):
            yield Chunk(shard=number, index=index, begin=begin, end=min(begin + chunk_bytes, shard.size))


def header_part(shard: Shard, chunk: Chunk) -> bytes:
    """The bytes of the header that lie in `chunk`; they come before all of its tiles."""
    return shard.header[chunk.begin : chunk.end]


def tiles(shard: Shard, chunk: Chunk, tile_bytes: int) -> Iterator[Tile]:
    """The tiles of `chunk`, from front to back, each of at most `tile_bytes` in the output."""
    number = max(bisect.bisect_right(shard.begins, chunk.begin) - 1, 0)
    for tensor, begin in zip(shard.tensors[number:], shard.begins[number:], strict=True):
        if begin >= chunk.end:
            return
        width = dtypes.width(tensor.dtype)
        step = max(tile_bytes // width, 1)
        last = (min(begin + tensor.size, chunk.end) - begin) // width
        first = max(chunk.begin - begin, 0) // width
        while first < last:
            elements = min(step, last - first)
            yield Tile(tensor=tensor, first=first, elements=elements, offset=begin + first * width)
            first += elements
