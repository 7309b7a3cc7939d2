"""A checkpoint's folder inside its volume, and its small files; formats that are not safetensors are refused here.

A pickle is never opened: reading it runs what it holds.
"""

import difflib
import errno
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mergesearch import contract, files
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Volumes
from mergesearch_merger import documents, layout
from mergesearch_merger.findings import Finding, names

ADAPTER_FILE = "adapter_config.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".distcp")
"""Endings of files that can only be read by running what they hold: these are never opened."""
MAX_DOCUMENT_BYTES = 256 * 2**20
"""No config, index or tokenizer is longer; a longer file is not read."""
PATH_ERRORS = (errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR)
"""What the system says of a path, not of the disk: the same path will never do."""


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


def json_document(folder: Folder, name: str) -> dict[str, Any]:
    """The content of a JSON file that must be there. Raises FolderError."""
    if name not in folder:
        raise unreadable(f"{folder.label}: {name} is missing; this is not a whole Hugging Face folder")
    path = regular(folder, name)
    size = path.stat().st_size
    if size > MAX_DOCUMENT_BYTES:
        raise unreadable(f"{folder.label}/{name}: {size} bytes, more than {MAX_DOCUMENT_BYTES}")
    try:
        document = documents.parse(path.read_bytes())
    except documents.DocumentError as error:
        raise unreadable(f"{folder.label}/{name}: {error}") from error
    if not isinstance(document, dict):
        raise unreadable(f"{folder.label}/{name}: holds {type(document).__name__}, not a JSON object")
    return document


def find(checkpoint: contract.Checkpoint, volumes: Volumes) -> Folder:
    """The folder that a request names. Raises FolderError."""
    location = checkpoint.location
    label = f"{location.volume}/{location.path}"
    try:
        root = volumes.root(location.volume)
        path = volumes.resolve(location)
    except InvalidRequestError as error:
        raise FolderError(Finding(f"checkpoint {checkpoint.name!r}: {error.message}", error.reason)) from error
    except (ValueError, RuntimeError) as error:  # NUL in a path; a loop of symlinks
        raise unreadable(f"checkpoint {checkpoint.name!r}: {label}: {error}") from error
    try:
        return Folder(label=label, root=root, path=path, entries=_entries(checkpoint, root, path))
    except OSError as error:
        if error.errno not in PATH_ERRORS:
            raise
        raise unreadable(f"checkpoint {checkpoint.name!r}: {label}: {error.strerror}") from error


def _entries(checkpoint: contract.Checkpoint, root: Path, path: Path) -> tuple[str, ...]:
    location = checkpoint.location
    label = f"{location.volume}/{location.path}"
    if not path.exists():
        raise FolderError(
            Finding(
                f"checkpoint {checkpoint.name!r}: {label} does not exist{_nearest(root, location.path)}",
                Reason.CHECKPOINT_MISSING,
            )
        )
    if not path.is_dir():
        raise unreadable(f"checkpoint {checkpoint.name!r}: {label} is not a folder")
    return tuple(sorted(entry.name for entry in path.iterdir()))


def _nearest(root: Path, relative: str) -> str:
    """The existing names that look most like the first part of `relative` that does not exist."""
    parent = root
    for part in Path(relative).parts:
        if not (parent / part).exists():
            if not parent.is_dir():
                return f"; {parent.name} is not a folder"
            folders = sorted(entry.name for entry in parent.iterdir() if entry.is_dir())
            close = difflib.get_close_matches(part, folders, n=3, cutoff=0.4)
            if close:
                return f"; the nearest folders there are {names(close)}"
            return f"; there are {names(folders)}" if folders else "; there are no folders"
        parent = parent / part
    return ""


def refuse_other_formats(folder: Folder) -> None:
    """Raise FolderError where the folder holds weights, but none that can be merged."""
    if ADAPTER_FILE in folder:
        raise unsupported(
            f"{folder.label}: holds a PEFT adapter ({ADAPTER_FILE}), not a whole model; "
            "merge it into its base first (peft: merge_and_unload, then save_pretrained)"
        )
    if any(name.endswith(".safetensors") for name in folder.entries):
        return
    pickles = [name for name in folder.entries if name.endswith(PICKLES) or name.endswith(".bin.index.json")]
    if pickles:
        raise unsupported(
            f"{folder.label}: holds pickled weights only ({names(pickles)}); a pickle runs what it holds when it is "
            "read, so it is never loaded; convert it to safetensors (save_pretrained does)"
        )
    gguf = [name for name in folder.entries if name.endswith(".gguf")]
    if gguf:
        raise unsupported(f"{folder.label}: holds GGUF weights ({names(gguf)}); only safetensors can be merged")
    if layout.INDEX_FILE not in folder:
        raise unreadable(f"{folder.label}: no {layout.SINGLE_FILE} and no {layout.INDEX_FILE}")


def regular(folder: Folder, name: str) -> Path:
    """A file of the folder, symlinks followed; a pipe or a folder of that name is never opened."""
    try:
        path = files.resolve_inside(folder.root, (folder.path.relative_to(folder.root.resolve()) / name).as_posix())
        mode = path.stat().st_mode
    except InvalidRequestError as error:
        raise FolderError(Finding(f"{folder.label}/{name}: {error.message}", error.reason)) from error
    except (FileNotFoundError, RuntimeError) as error:
        raise unreadable(f"{folder.label}/{name}: a symlink that leads nowhere") from error
    except OSError as error:
        if error.errno not in PATH_ERRORS:
            raise
        raise unreadable(f"{folder.label}/{name}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise unreadable(f"{folder.label}/{name}: not a regular file")
    return path


def finding(message: str) -> Finding:
    """A problem with the checkpoint's files."""
    return Finding(message, Reason.CHECKPOINT_UNREADABLE)


def unreadable(message: str) -> FolderError:
    """The folder cannot be read, for one reason."""
    return FolderError(finding(message))


def unsupported(message: str) -> FolderError:
    """The folder holds what cannot be merged."""
    return FolderError(Finding(message, Reason.UNSUPPORTED_FORMAT))
