"""What a merge carries along beside its weights, and how its config.json differs from the reference's. Pure."""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from mergesearch import fingerprint

DTYPE_KEYS = ("torch_dtype", "dtype")
"""Where transformers keeps the dtype, in older and newer releases."""


def has_vocabulary(entries: Sequence[str]) -> bool:
    """Whether a tokenizer lies among `entries`."""
    return any(fnmatch(name, pattern) for name in entries for pattern in fingerprint.TOKENIZER_FILES)


def merged_config(config: Mapping[str, Any], dtype: str) -> str:
    """The text of the output's config.json: the reference's, with the output's dtype wherever a dtype stands."""
    document = _with_dtype(config, dtype)
    if not any(key in document for key in DTYPE_KEYS):
        document["torch_dtype"] = dtype
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _with_dtype(config: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        if key in DTYPE_KEYS:
            found[key] = dtype
        elif isinstance(value, Mapping):
            found[key] = _with_dtype(value, dtype)
        else:
            found[key] = value
    return found
