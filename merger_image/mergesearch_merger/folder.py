"""Reads a checkpoint's folder: which files count, their headers, its config; never a tensor's data, never a pickle.

Everything that is wrong with the folder is found at once, as far as one problem does not hide the next.
"""

import difflib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mergesearch import contract, files
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Volumes
from mergesearch_merger import companions, header, layout
from mergesearch_merger.checkpoint import Checkpoint, Place, WeightFile
from mergesearch_merger.findings import Finding, names

CONFIG_FILE = "config.json"
ADAPTER_FILE = "adapter_config.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".distcp")
"""Endings of files that can only be read by running what they hold: these are never opened."""
MAX_DOCUMENT_BYTES = 256 * 2**20
"""No config, index or tokenizer is longer; a longer file is not read."""


class FolderError(Exception):
    """The folder cannot be read as a checkpoint; carries the findings."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(*findings)
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkpoint's folder that exists, with the names in it."""

    label: str
    root: Path
    path: Path
    entries: tuple[str, ...]

    def __contains__(self, name: str) -> bool:
        return name in self.entries


def read(checkpoint: contract.Checkpoint, volumes: Volumes) -> tuple[Checkpoint | None, tuple[Finding, ...]]:
    """The checkpoint, or the problems that keep it from being read. Raises OSError where the disk fails."""
    try:
        folder = _find(checkpoint, volumes)
        _refuse_other_formats(folder)
        config = json_document(folder, CONFIG_FILE)
        members, index = _members(folder)
        weight_files = _weight_files(folder, members)
        places = _places(folder, weight_files, members, index)
        carried = companions.find(folder.entries, config)
        carried_paths = {name: _regular(folder, name) for name in carried}
        found = Checkpoint(
            name=checkpoint.name,
            label=folder.label,
            folder=folder.path,
            files=weight_files,
            places=places,
            config=config,
            companions=carried_paths,
            fingerprint=_fingerprint(folder, weight_files, [*carried, CONFIG_FILE]),
        )
    except FolderError as error:
        return None, error.findings
    return found, ()


def json_document(folder: Folder, name: str) -> dict[str, Any]:
    """The content of a JSON file that must be there. Raises FolderError."""
    if name not in folder:
        raise _unreadable(f"{folder.label}: {name} is missing; this is not a whole Hugging Face folder")
    path = _regular(folder, name)
    size = path.stat().st_size
    if size > MAX_DOCUMENT_BYTES:
        raise _unreadable(f"{folder.label}/{name}: {size} bytes, more than {MAX_DOCUMENT_BYTES}")
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"{folder.label}/{name}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _unreadable(f"{folder.label}/{name}: holds {type(document).__name__}, not a JSON object")
    return document


def _find(checkpoint: contract.Checkpoint, volumes: Volumes) -> Folder:
    location = checkpoint.location
    label = f"{location.volume}/{location.path}"
    try:
        root = volumes.root(location.volume)
        path = volumes.resolve(location)
    except InvalidRequestError as error:
        raise FolderError(Finding(f"checkpoint {checkpoint.name!r}: {error.message}", error.reason)) from error
    except (ValueError, RuntimeError) as error:  # NUL in a path; a loop of symlinks
        raise _unreadable(f"checkpoint {checkpoint.name!r}: {label}: {error}") from error
    if not path.exists():
        raise FolderError(
            Finding(
                f"checkpoint {checkpoint.name!r}: {label} does not exist{_nearest(root, location.path)}",
                Reason.CHECKPOINT_MISSING,
            )
        )
    if not path.is_dir():
        raise _unreadable(f"checkpoint {checkpoint.name!r}: {label} is not a folder")
    return Folder(label=label, root=root, path=path, entries=tuple(sorted(entry.name for entry in path.iterdir())))


def _nearest(root: Path, relative: str) -> str:
    """The existing names that look most like the first part of `relative` that does not exist."""
    parent = root
    for part in Path(relative).parts:
        if not (parent / part).exists():
            folders = sorted(entry.name for entry in parent.iterdir() if entry.is_dir())
            close = difflib.get_close_matches(part, folders, n=3, cutoff=0.4)
            if close:
                return f"; the nearest folders there are {names(close)}"
            return f"; there are {names(folders)}" if folders else "; there are no folders"
        parent = parent / part
    return ""


def _refuse_other_formats(folder: Folder) -> None:
    if ADAPTER_FILE in folder:
        raise _unsupported(
            f"{folder.label}: holds a PEFT adapter ({ADAPTER_FILE}), not a whole model; "
            "merge it into its base first (peft: merge_and_unload, then save_pretrained)"
        )
    if any(name.endswith(".safetensors") for name in folder.entries):
        return
    pickles = [name for name in folder.entries if name.endswith(PICKLES) or name.endswith(".bin.index.json")]
    if pickles:
        raise _unsupported(
            f"{folder.label}: holds pickled weights only ({names(pickles)}); a pickle runs what it holds when it is "
            "read, so it is never loaded; convert it to safetensors (save_pretrained does)"
        )
    gguf = [name for name in folder.entries if name.endswith(".gguf")]
    if gguf:
        raise _unsupported(f"{folder.label}: holds GGUF weights ({names(gguf)}); only safetensors can be merged")
    if layout.INDEX_FILE not in folder:
        raise _unreadable(f"{folder.label}: no {layout.SINGLE_FILE} and no {layout.INDEX_FILE}")


def _members(folder: Folder) -> tuple[tuple[str, ...], Mapping[str, str] | None]:
    """Names of the weight files, and the index where there is one. Raises FolderError."""
    if layout.INDEX_FILE not in folder:
        if layout.SINGLE_FILE in folder:
            return (layout.SINGLE_FILE,), None
        others = [name for name in folder.entries if name.endswith(".safetensors")]
        raise _unreadable(
            f"{folder.label}: no {layout.SINGLE_FILE} and no {layout.INDEX_FILE}; there is {names(others)}"
        )
    index = json_document(folder, layout.INDEX_FILE).get("weight_map")
    label = f"{folder.label}/{layout.INDEX_FILE}"
    if not isinstance(index, dict) or not index or not all(isinstance(file, str) for file in index.values()):
        raise _unreadable(f"{label}: weight_map is not an object of tensor names and file names")
    members = tuple(sorted(set(index.values())))
    if layout.SINGLE_FILE in folder and layout.SINGLE_FILE not in members:
        raise _unreadable(f"{folder.label}: {layout.SINGLE_FILE} lies beside an index of other files; remove one")
    outside = [name for name in members if Path(name).name != name]
    if outside:
        raise FolderError(Finding(f"{label}: names {names(outside)}, not beside it", Reason.PATH_OUTSIDE_VOLUME))
    missing = [name for name in members if name not in folder]
    if missing:
        raise _unreadable(
            f"{folder.label}: {len(missing)} of the {len(members)} shards in {layout.INDEX_FILE} are missing: "
            f"{names(missing)}"
        )
    return members, index


def _regular(folder: Folder, name: str) -> Path:
    """A file of the folder, symlinks followed; a pipe or a folder of that name is never opened."""
    try:
        path = files.resolve_inside(folder.root, (folder.path.relative_to(folder.root.resolve()) / name).as_posix())
        mode = path.stat().st_mode
    except InvalidRequestError as error:
        raise FolderError(Finding(f"{folder.label}/{name}: {error.message}", error.reason)) from error
    except (FileNotFoundError, RuntimeError) as error:
        raise _unreadable(f"{folder.label}/{name}: a symlink that leads nowhere") from error
    except PermissionError as error:
        raise _unreadable(f"{folder.label}/{name}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise _unreadable(f"{folder.label}/{name}: not a regular file")
    return path


def _weight_files(folder: Folder, members: Sequence[str]) -> tuple[WeightFile, ...]:
    """All weight files with their headers. Raises FolderError with the problems of all of them."""
    found: list[WeightFile] = []
    problems: list[Finding] = []
    for name in members:
        try:
            found.append(_weight_file(f"{folder.label}/{name}", _regular(folder, name)))
        except FolderError as error:
            problems.extend(error.findings)
    if problems:
        raise FolderError(*problems)
    return tuple(found)


def _weight_file(label: str, path: Path) -> WeightFile:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            length = header.parse_length(file.read(header.LENGTH_BYTES), status.st_size)
            document = file.read(length)
        tensors = header.parse(document, status.st_size)
    except PermissionError as error:
        raise _unreadable(f"{label}: {error.strerror}") from error
    except header.HeaderError as error:
        raise _unreadable(f"{label}: {error}") from error
    return WeightFile(
        label=label,
        path=path,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        header_digest=hashlib.sha256(document).hexdigest(),
        tensors=tensors,
    )


def _places(
    folder: Folder, weight_files: Sequence[WeightFile], members: Sequence[str], index: Mapping[str, str] | None
) -> Mapping[str, Place]:
    """Where each tensor lies. Raises FolderError where index and files contradict each other."""
    places: dict[str, Place] = {}
    problems: list[Finding] = []
    for number, file in enumerate(weight_files):
        for tensor in file.tensors:
            if index is None or index.get(tensor.name) == members[number]:
                places[tensor.name] = Place(number, tensor)
            else:
                said = index.get(tensor.name)
                where = f"the index places it in {said}" if said else "the index does not name it"
                problems.append(_finding(f"{file.label}: holds tensor {tensor.name!r}, but {where}"))
    problems.extend(
        _finding(f"{folder.label}/{layout.INDEX_FILE}: places tensor {name!r} in {file}, where it is not")
        for name, file in (index or {}).items()
        if name not in places
    )
    if not places and not problems:
        problems.append(_finding(f"{folder.label}: {names(members)} holds no tensors"))
    if problems:
        raise FolderError(*problems)
    return places


def _fingerprint(folder: Folder, weight_files: Sequence[WeightFile], others: Sequence[str]) -> str:
    """Over names, sizes, times of change and header digests of all files that shape a merge."""
    parts: list[list[Any]] = [
        [file.name, file.size, file.mtime_ns, file.header_digest]
        for file in sorted(weight_files, key=lambda file: file.name)
    ]
    for name in sorted(others):
        status = (folder.path / name).stat()
        parts.append([name, status.st_size, status.st_mtime_ns])
    return contract.digest("checkpoint", parts)


def _finding(message: str) -> Finding:
    return Finding(message, Reason.CHECKPOINT_UNREADABLE)


def _unreadable(message: str) -> FolderError:
    return FolderError(_finding(message))


def _unsupported(message: str) -> FolderError:
    return FolderError(Finding(message, Reason.UNSUPPORTED_FORMAT))


def stale_files(weight_files: Sequence[WeightFile]) -> Iterator[str]:
    """Labels of files that are no longer as their headers were read."""
    for file in weight_files:
        try:
            status = file.path.stat()
        except OSError:
            yield file.label
            continue
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            yield file.label
