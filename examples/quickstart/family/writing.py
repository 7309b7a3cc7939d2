"""Puts a checkpoint's folder in place whole or not at all, and says what the one that stands there is.

A folder is written under a temporary name, flushed to the disk and renamed; `training.json`, with the digest of the
recipe, is part of it. So a folder that bears its final name is complete, whenever the script was killed.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

RECORD: Final = "training.json"
_PREFIX: Final = ".unfinished-"


class ForeignFolderError(Exception):
    """A folder with the name of a checkpoint stands there, but this script did not write it; it is left alone."""


def recorded_digest(folder: Path) -> str | None:
    """The digest of the checkpoint in the folder, or None if there is no folder. Raises ForeignFolderError."""
    if not folder.exists():
        return None
    try:
        found = json.loads((folder / RECORD).read_text())["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{folder} exists but holds no readable {RECORD}: move it away, or choose another --out"
        raise ForeignFolderError(message) from error
    return str(found)


def publish(folder: Path, record: dict[str, object], fill: Callable[[Path], None]) -> None:
    """Let `fill` write the files of a checkpoint, add the record, and make the whole appear under the final name."""
    temporary = folder.parent / f"{_PREFIX}{folder.name}-{os.getpid()}"
    temporary.mkdir(parents=True)
    fill(temporary)
    (temporary / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    for path in sorted(temporary.iterdir()):
        path.chmod(0o644)  # safetensors writes files that only their owner can read; containers run as someone else
        _flush(path)
    _flush(temporary)
    if folder.exists():
        recorded_digest(folder)  # raises if it is not ours to replace
        folder.rename(folder.parent / f"{_PREFIX}old-{folder.name}-{os.getpid()}")
    temporary.rename(folder)
    _flush(folder.parent)
    remove_unfinished(folder.parent, [f"old-{folder.name}-{os.getpid()}"])


def remove_unfinished(parent: Path, names: Iterable[str] = ("*",)) -> None:
    """Remove what killed runs left behind; the caller holds the lock of the parent folder."""
    for name in names:
        for path in parent.glob(f"{_PREFIX}{name}"):
            shutil.rmtree(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
