"""JSON documents that came with a checkpoint, parsed without trusting them. Pure.

What is accepted can be walked and written again: it is not nested without end, and all of its text can be encoded.
"""

import json
import re
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 64
"""Objects and arrays inside each other; no config, index, tokenizer or header comes near."""

SURROGATE = re.compile(r"\\u[dD][89abAB]")
"""Where half of a character may be escaped; two of them in a row are a character, one alone is nothing."""


class DocumentError(ValueError):
    """It is no JSON, or none that anybody writes; the message says why, but not in which file."""


def parse(
    content: bytes,
    *,
    encoding: str = "utf-8-sig",
    pairs: Callable[[list[tuple[str, Any]]], Any] | None = None,
    constant: Callable[[str], Any] | None = None,
) -> Any:
    """The value of a document. `pairs` and `constant` are the hooks of `json.loads`; what they raise passes through.

    Raises DocumentError.
    """
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError(f"not JSON: {error}") from error
    try:
        document = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise DocumentError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise DocumentError(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise DocumentError(f"not JSON that can be read: {error}") from error  # a number of thousands of digits
    _require_shallow(document)
    if SURROGATE.search(text):
        _require_encodable(document)
    return document


def _require_shallow(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise DocumentError(f"nested deeper than {MAX_DEPTH} levels")


def _require_encodable(document: Any) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DocumentError(f"not JSON: {error.object[error.start]!r} is half a character") from error
