"""A checkpoint as its headers show it: frozen values, without a tensor's data.

`folder.py` reads it, everything after that works on these values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mergesearch import fingerprint
from mergesearch_merger import dtypes
from mergesearch_merger.header import Tensor


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A safetensors file whose header has been checked."""

    label: str
    """How people know the file: volume, path, name."""
    path: Path
    size: int
    mtime_ns: int
    header_digest: str
    tensors: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """Its name in the checkpoint's folder, whatever a symlink of that name leads to."""
        return self.label.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: in file number `file` of its checkpoint."""

    file: int
    tensor: Tensor


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One input of a merge."""

    name: str
    label: str
    """How people know the folder: volume and path."""
    folder: Path
    files: tuple[WeightFile, ...]
    places: Mapping[str, Place]
    """Of every tensor, by name, in the order of the files."""
    config: Mapping[str, Any]
    """The content of config.json."""
    companions: Mapping[str, Path]
    """Tokenizer, chat template and other files that a merge carries along, by name."""
    print_files: tuple[fingerprint.File, ...]
    """All files that its fingerprint covers."""

    @property
    def fingerprint(self) -> str:
        """Changes when any of those files is written again."""
        return fingerprint.of(self.print_files)

    @property
    def size(self) -> int:
        """Bytes of all weight files."""
        return sum(file.size for file in self.files)

    @property
    def parameters(self) -> int:
        """Elements of all tensors that a merge would merge."""
        tensors = (place.tensor for place in self.places.values())
        return sum(tensor.elements for tensor in tensors if tensor.dtype in dtypes.FLOATS)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """All dtypes of the tensors, sorted."""
        return tuple(sorted({place.tensor.dtype for place in self.places.values()}))
