"""The header of a safetensors file, read without trusting it. Pure.

    8 bytes    length of the JSON, little-endian
    JSON       {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ..., "__metadata__": {...}}
    data       the tensors, without gaps and overlaps, to the end of the file

Every check that the format allows is made before a byte of data is read: a file that is cut off, or whose header says
what cannot be, is refused with the tensor and the numbers.
"""

import json
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

from mergesearch_merger import documents, dtypes

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""The safetensors library refuses longer ones."""
MAX_DIMENSIONS = 64
LFS_POINTER = b"version "
"""How the small text begins that lies where a file should, in a clone made without Git LFS."""
METADATA = "__metadata__"
ALIGNMENT = 8
"""Data begins at a multiple of this, so that every element of an ordered file is aligned."""
SHOWN_PROBLEMS = 3


class HeaderError(ValueError):
    """The header lies or the file is cut off; the message says where, but not in which file."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file; `begin` and `end` are bytes from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)


def parse_length(first: bytes, file_bytes: int) -> int:
    """Length of the JSON, from the first 8 bytes of a file. Raises HeaderError."""
    if len(first) < LENGTH_BYTES:
        raise HeaderError(f"truncated: {file_bytes} bytes are too few for a safetensors file")
    if first == LFS_POINTER:
        raise HeaderError("a Git LFS pointer, not the file that it stands for; `git lfs pull` fetches it")
    length = int.from_bytes(first, "little")
    if length > MAX_HEADER_BYTES:
        raise HeaderError(f"header of {length} bytes, more than {MAX_HEADER_BYTES}: this is no safetensors file")
    if LENGTH_BYTES + length > file_bytes:
        raise HeaderError(f"truncated: the header needs {LENGTH_BYTES + length} bytes, the file has {file_bytes}")
    return length


def parse(document: bytes, file_bytes: int) -> tuple[Tensor, ...]:
    """The tensors of a file in the order of their data, from its JSON. Raises HeaderError."""
    entries = _entries(document)
    start = LENGTH_BYTES + len(document)
    problems: list[str] = []
    tensors: list[Tensor] = []
    for name, entry in entries.items():
        try:
            tensors.append(_tensor(name, entry, start))
        except HeaderError as error:
            problems.append(str(error))
    if problems:
        raise HeaderError("; ".join(shorten(problems)))
    tensors.sort(key=lambda tensor: (tensor.begin, tensor.end))
    problems.extend(_misplaced(tensors, start, file_bytes))
    if problems:
        raise HeaderError("; ".join(shorten(problems)))
    return tuple(tensors)


def serialize(entries: Sequence[tuple[str, str, tuple[int, ...], int]]) -> bytes:
    """The first bytes of a file, up to its data: length and JSON, for tensors (name, dtype, shape, bytes) in order."""
    document: dict[str, Any] = {METADATA: {"format": "pt"}}
    offset = 0
    for name, dtype, shape, size in entries:
        document[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(LENGTH_BYTES + len(text)) % ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def shorten(problems: Sequence[str]) -> list[str]:
    """The first few problems, and how many there are besides."""
    shown = list(problems[:SHOWN_PROBLEMS])
    if len(problems) > SHOWN_PROBLEMS:
        shown.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
    return shown


def _entries(document: bytes) -> dict[str, Any]:
    try:
        entries = documents.parse(document, encoding="utf-8", pairs=_unique, constant=_refuse_constant)
    except documents.DocumentError as error:
        raise HeaderError(f"the header is {error}") from error
    if not isinstance(entries, dict):
        raise HeaderError("the header is not a JSON object")
    metadata = entries.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError(f"{METADATA} is not an object of texts")
    return entries


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise HeaderError(f"{name!r} stands twice in the header")
        found[name] = value
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise HeaderError(f"the header holds {text}, which is not JSON")


def _tensor(name: str, entry: Any, start: int) -> Tensor:
    if not isinstance(entry, Mapping):
        raise HeaderError(f"tensor {name!r}: its entry is not an object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in dtypes.BITS:
        raise HeaderError(f"tensor {name!r}: dtype {reprlib.repr(dtype)} is not one of {', '.join(dtypes.BITS)}")
    if not _are_sizes(shape):
        raise HeaderError(f"tensor {name!r}: shape {reprlib.repr(shape)} is not a list of sizes")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise HeaderError(f"tensor {name!r}: data_offsets {reprlib.repr(offsets)} are not [begin, end]")
    if math.prod(size for size in shape if size) >= 2**63:
        raise HeaderError(f"tensor {name!r}: shape {reprlib.repr(shape)} is more than 63 bits can count")
    begin, end = offsets
    bits = math.prod(shape) * dtypes.BITS[dtype]
    if bits != (end - begin) * 8:
        raise HeaderError(
            f"tensor {name!r}: {dtype} of shape {shape} takes {-(-bits // 8)} bytes, data_offsets say {end - begin}"
        )
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), begin=start + begin, end=start + end)


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= MAX_DIMENSIONS
        and all(type(item) is int and 0 <= item < 2**63 for item in value)
    )


def _misplaced(tensors: Sequence[Tensor], start: int, file_bytes: int) -> Iterator[str]:
    """Where the tensors, ordered by offset, do not follow one another from the header to the end of the file."""
    end = start
    for tensor in tensors:
        if tensor.begin != end:
            what = "overlaps the tensor before it" if tensor.begin < end else "leaves a gap before it"
            yield f"tensor {tensor.name!r}: begins at byte {tensor.begin}, expected {end}: {what}"
        end = tensor.end
    if end > file_bytes:
        first = next(tensor for tensor in tensors if tensor.end > file_bytes)
        yield f"truncated: tensor {first.name!r} ends at byte {first.end}, the file at {file_bytes}"
    elif end < file_bytes:
        yield f"{file_bytes - end} bytes follow the last tensor, which ends at {end} of {file_bytes}"
