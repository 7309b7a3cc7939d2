"""The files beside the weights that a merge carries along, and how its config.json differs. Pure."""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
    "*.tiktoken",
    "tekken.json",
)
"""Any of these holds a vocabulary."""

CARRIED = (
    *TOKENIZER_FILES,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.*",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)
"""Copied as they are from the checkpoint that the request names for it."""

MODEL_CODE = "*.py"
"""Copied too where config.json refers to code in the folder (`auto_map`): without it the model does not load."""

DTYPE_KEYS = ("torch_dtype", "dtype")
"""Where transformers keeps the dtype, in older and newer releases."""


def find(entries: Sequence[str], config: Mapping[str, Any]) -> tuple[str, ...]:
    """Those names among `entries` that a merge carries along."""
    patterns = (*CARRIED, MODEL_CODE) if "auto_map" in config else CARRIED
    return tuple(name for name in entries if any(fnmatch(name, pattern) for pattern in patterns))


def has_vocabulary(entries: Sequence[str]) -> bool:
    """Whether a tokenizer lies among `entries`."""
    return any(fnmatch(name, pattern) for name in entries for pattern in TOKENIZER_FILES)


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
