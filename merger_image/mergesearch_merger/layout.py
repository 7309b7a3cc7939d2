"""Where every byte of a merge's output will lie, known before a byte moves. Pure.

Tensors keep the order in which the reference checkpoint stores them, so that it is read from front to back. A shard
takes tensors until the next would pass the limit; within a shard wider elements come first, so that each is aligned.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mergesearch_merger import dtypes, header

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """A tensor to write."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * dtypes.width(self.dtype)


@dataclass(frozen=True, slots=True)
class Shard:
    """A file to write: its header, and its tensors with the byte at which each begins, in order."""

    name: str
    header: bytes
    tensors: tuple[OutputTensor, ...]
    begins: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All files that hold tensors."""

    shards: tuple[Shard, ...]

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size for shard in self.shards)

    @property
    def parameters(self) -> int:
        """Elements of all tensors that were merged; buffers do not count."""
        tensors = (tensor for shard in self.shards for tensor in shard.tensors)
        return sum(tensor.elements for tensor in tensors if tensor.dtype in dtypes.FLOATS)

    def index(self) -> bytes | None:
        """The content of INDEX_FILE; None for a single shard, which needs none."""
        if len(self.shards) == 1:
            return None
        places = {tensor.name: shard.name for shard in self.shards for tensor in shard.tensors}
        total = sum(tensor.size for shard in self.shards for tensor in shard.tensors)
        document = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def lay_out(tensors: Sequence[OutputTensor], max_shard_bytes: int) -> Layout:
    """Distribute `tensors` over shards of at most `max_shard_bytes` of data; a larger tensor gets one of its own."""
    groups = list(_groups(tensors, max_shard_bytes))
    return Layout(tuple(_shard(_name(i, len(groups)), group) for i, group in enumerate(groups)))


def _groups(tensors: Sequence[OutputTensor], limit: int) -> Iterator[list[OutputTensor]]:
    group: list[OutputTensor] = []
    size = 0
    for tensor in tensors:
        if group and size + tensor.size > limit:
            yield group
            group, size = [], 0
        group.append(tensor)
        size += tensor.size
    yield group


def _name(index: int, count: int) -> str:
    return SINGLE_FILE if count == 1 else f"model-{index + 1:05d}-of-{count:05d}.safetensors"


def _shard(name: str, group: list[OutputTensor]) -> Shard:
    ordered = sorted(group, key=lambda tensor: -dtypes.width(tensor.dtype))
    head = header.serialize([(tensor.name, tensor.dtype, tensor.shape, tensor.size) for tensor in ordered])
    begins = []
    end = len(head)
    for tensor in ordered:
        begins.append(end)
        end += tensor.size
    return Shard(name=name, header=head, tensors=tuple(ordered), begins=tuple(begins), size=end)
