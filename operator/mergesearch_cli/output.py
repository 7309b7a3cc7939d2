"""Files that people name: written whole, with errors that name the file itself and what to do."""

from pathlib import Path

from mergesearch.errors import GiveUpError, InvalidManifestError
from mergesearch.files import write_atomically
from mergesearch.reasons import Reason


def write(path: Path, content: str | bytes, *, then: str) -> None:
    """Write a file. `then` says what to do once it can be written. Raises GiveUpError."""
    try:
        write_atomically(path, content)
    except OSError as error:
        # The error names a temporary sibling, or nothing at all where the disk is full.
        why = error.strerror or str(error)
        raise GiveUpError(f"{path}: cannot be written: {why}; {then}", reason=Reason.WORKSPACE_UNWRITABLE) from error


def refuse(path: Path, option: str) -> None:
    """Raises InvalidManifestError where a file cannot be written under this name: it is a folder, or lies in none."""
    if path.is_dir():
        message = f"{option} {path}: this is a folder; name a file, such as {path / 'report.html'}"
        raise InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)
    folder = path.parent
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        message = f"{option} {path}: the folder {folder} {what}; make it first, or name a file elsewhere"
        raise InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)
