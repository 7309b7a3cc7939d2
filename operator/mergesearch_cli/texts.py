"""The text of a file that a person names, or of standard input."""

from pathlib import Path

from mergesearch.api.problem import one_line
from mergesearch.errors import InvalidManifestError
from mergesearch.reasons import Reason

STDIN = Path("-")


def label(path: Path) -> str:
    """What messages call it."""
    return "standard input" if path == STDIN else str(path)


def read(path: Path) -> str:
    """The text. Raises InvalidManifestError."""
    try:
        with open(0 if path == STDIN else path, encoding="utf-8", closefd=path != STDIN) as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        message = one_line(f"{label(path)}: cannot be read: {why}")
        raise InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST) from error
