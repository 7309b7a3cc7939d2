"""A model's folder as its headers show it: complete or not, and whether an engine built for another one fits it.

Reads headers and small files only; standard library only. What is wrong is an InvalidRequestError with the file, the
tensor and the numbers; a merge that was lost or torn is for the caller to tell apart from a checkpoint that is wrong.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mergesearch import contract, files, fingerprint
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SURROUNDINGS = (
    fingerprint.CONFIG_FILE,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "tekken.json",
    "chat_template.jinja",
    "chat_template.json",
)
"""Files beside the weights that change what an engine does; where they are equal, weights may be exchanged alone."""
VOLATILE_KEYS = ("_name_or_path", "name_or_path", "transformers_version", "dtype", "torch_dtype")
"""Keys of those files that differ between equal models; the dtype is the request's."""
CONTEXT_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class ModelFolder:
    """A folder that holds a whole model."""

    path: Path
    weight_files: tuple[Path, ...]
    tensors: Mapping[str, tuple[int, ...]]
    """Name to shape; the dtype may differ, engines convert."""
    surroundings: str
    """Digest over the files of SURROUNDINGS."""
    print_files: tuple[fingerprint.File, ...] = ()
    """All files that its fingerprint covers."""

    @property
    def layout(self) -> str:
        """What two models share if the weights of one can be written over the other's."""
        return contract.digest(self.surroundings, sorted((name, list(shape)) for name, shape in self.tensors.items()))


def read(path: Path) -> ModelFolder:
    """Look at a folder without reading a tensor. Raises InvalidRequestError."""
    if not path.is_dir():
        raise InvalidRequestError(f"{path}: there is no such folder", reason=Reason.CHECKPOINT_MISSING)
    config = read_config(path)
    weight_files = _weight_files(path)
    tensors: dict[str, tuple[int, ...]] = {}
    print_files = []
    for file in weight_files:
        facts, shapes = _header(file)
        print_files.append(facts)
        for name, shape in shapes.items():
            if name in tensors:
                raise _unreadable(file, f"tensor {name} stands in another file of the folder too")
            tensors[name] = shape
    _check_index(path, tensors)
    surroundings = contract.digest([[name, _content(path / name)] for name in SURROUNDINGS])
    return ModelFolder(path, weight_files, tensors, surroundings, (*print_files, *_beside(path, config)))


def require_unchanged(folder: ModelFolder, wanted: str) -> None:
    """Compare a checkpoint with what the preflight saw. Raises InvalidRequestError."""
    if fingerprint.of(folder.print_files) != wanted:
        message = f"{folder.path}: {fingerprint.changed(wanted, folder.print_files)}"
        raise InvalidRequestError(message, reason=Reason.CHECKPOINT_CHANGED)


def read_config(path: Path) -> dict[str, Any]:
    """The folder's configuration. Raises InvalidRequestError."""
    return _json(path / fingerprint.CONFIG_FILE)


def context_length(config: Mapping[str, Any]) -> int | None:
    """Positions a model was made for, where its configuration says so."""
    for part in (config.get("text_config") or {}, config):
        for key in CONTEXT_KEYS:
            if isinstance(part.get(key), int):
                return int(part[key])
    return None


def merge_hash(path: Path) -> str | None:
    """The request hash in a merge's record; None if the folder or the record is gone or unreadable."""
    try:
        record = json.loads((path / files.MERGE_RECORD).read_text(encoding="utf-8"))
        return str(record["requestHash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _weight_files(path: Path) -> tuple[Path, ...]:
    if (path / INDEX).is_file():
        names = sorted(set(_weight_map(path).values()))
        missing = [name for name in names if not (path / name).is_file()]
        if missing:
            raise _unreadable(path / INDEX, f"names {missing[0]}, which is not there ({len(missing)} missing)")
        return tuple(path / name for name in names)
    whole = path / WHOLE
    found = (whole,) if whole.is_file() else tuple(sorted(path.glob("*.safetensors")))
    if not found:
        pickles = ", ".join(sorted(file.name for file in path.glob("*.bin")))
        hint = f"; {pickles}: pickled weights are never loaded" if pickles else ""
        raise InvalidRequestError(f"{path}: holds no .safetensors file{hint}", reason=Reason.CHECKPOINT_UNREADABLE)
    return found


def _weight_map(path: Path) -> dict[str, str]:
    found = _json(path / INDEX).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise _unreadable(path / INDEX, "has no weight_map")
    return {str(name): str(file) for name, file in found.items()}


def _check_index(path: Path, tensors: Mapping[str, tuple[int, ...]]) -> None:
    if (path / INDEX).is_file():
        absent = [name for name in _weight_map(path) if name not in tensors]
        if absent:
            raise _unreadable(path / INDEX, f"tensor {absent[0]} is in none of the files ({len(absent)} absent)")


def _beside(path: Path, config: Mapping[str, Any]) -> Iterator[fingerprint.File]:
    """The files that count beside the weights."""
    entries = sorted(entry.name for entry in path.iterdir())
    for name in (*fingerprint.companions(entries, config), fingerprint.CONFIG_FILE):
        try:
            yield fingerprint.look(path, name)
        except OSError as error:
            raise _unreadable(path / name, f"cannot be read: {error}") from error


def _header(file: Path) -> tuple[fingerprint.File, dict[str, tuple[int, ...]]]:
    """Names and shapes of a safetensors file whose length is what its header promises."""
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        size = status.st_size
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
            raise _unreadable(file, f"{size} bytes do not hold a safetensors header of {length} bytes")
        document = stream.read(length)
    try:
        header = json.loads(document)
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in entries.items()}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(file, f"its header cannot be read: {error}") from error
    if size != 8 + length + end:
        raise _unreadable(file, f"is {size} bytes long, its header promises {8 + length + end}")
    digest = hashlib.sha256(document).hexdigest()
    return fingerprint.File(file.name, size, status.st_mtime_ns, fingerprint.sample(file), digest), shapes


def _json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unreadable(file, "is missing") from error
    except (OSError, ValueError) as error:
        raise _unreadable(file, f"cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise _unreadable(file, "is not a JSON object")
    return document


def _content(file: Path) -> Any:
    """A small file's content in a form that is equal for equal models; None where there is no such file."""
    if not file.is_file():
        return None
    data = file.read_bytes()
    if file.suffix == ".json":
        try:
            document = json.loads(data)
        except ValueError:
            return data.hex()
        if isinstance(document, dict):
            return {key: value for key, value in document.items() if key not in VOLATILE_KEYS}
        return document
    return data.hex()


def _unreadable(file: Path, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{file}: {what}", reason=Reason.CHECKPOINT_UNREADABLE)
