"""A checkpoint's fingerprint: over names, sizes, weight headers and samples of the content of all files that shape a
merge or a score. Standard library and pydantic only.

Both images take it: the merger says in the preflight what it is, and every later merge or evaluation of the checkpoint
compares. Of a large file only some blocks are read, spread evenly over it: training changes nearly every byte of the
weights, while a copy or a restored backup, which changes times only, is the same checkpoint.
"""

import datetime
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mergesearch import contract

CONFIG_FILE = "config.json"
BLOCKS, BLOCK_BYTES = 64, 4096
"""So much of a file is read; a file that is not larger, as a whole."""

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

COMPANIONS = (
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
"""Files beside the weights that change what a model answers."""

MODEL_CODE = "*.py"
"""Counts where config.json refers to code in the folder (`auto_map`): without it the model does not load."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a checkpoint as it lay there when it was looked at."""

    name: str
    size: int
    mtime_ns: int
    """When it was written last: for people, no part of the fingerprint."""
    sample: str
    """What `sample` says of its content."""
    header_digest: str | None = None
    """SHA-256 over the header's JSON, of a weight file."""


def companions(entries: Sequence[str], config: Mapping[str, Any]) -> tuple[str, ...]:
    """Those names among the folder's `entries` that belong to the model beside its weights and config.json."""
    patterns = (*COMPANIONS, MODEL_CODE) if "auto_map" in config else COMPANIONS
    return tuple(name for name in entries if any(fnmatch(name, pattern) for pattern in patterns))


def look(folder: Path, name: str) -> File:
    """A file beside the weights. Raises OSError."""
    path = folder / name
    status = path.stat()
    return File(name, status.st_size, status.st_mtime_ns, sample(path))


def sample(path: Path) -> str:
    """SHA-256 over BLOCKS blocks of a file, the first and the last among them. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= BLOCKS * BLOCK_BYTES:
            found.update(file.read())
        else:
            for number in range(BLOCKS):
                found.update(os.pread(file.fileno(), BLOCK_BYTES, number * (size - BLOCK_BYTES) // (BLOCKS - 1)))
    return found.hexdigest()


def of(found: Sequence[File]) -> str:
    """The fingerprint of a checkpoint of these files, in whatever order: weight files, companions, config.json."""
    weights = [[f.name, f.size, f.sample, f.header_digest] for f in _by_name(found) if f.header_digest is not None]
    others = [[f.name, f.size, f.sample] for f in _by_name(found) if f.header_digest is None]
    return contract.digest("checkpoint", weights + others)


def changed(wanted: str, found: Sequence[File]) -> str:
    """What to say of a checkpoint whose fingerprint is no longer `wanted`: which of its files was written last."""
    newest = max(found, key=lambda file: file.mtime_ns)
    when = datetime.datetime.fromtimestamp(newest.mtime_ns // 10**9, datetime.UTC)
    return (
        f"has changed since the preflight (fingerprint {wanted}, now {of(found)}; written last: {newest.name}, "
        f"{newest.size} bytes, {when:%Y-%m-%dT%H:%M:%SZ}); a search needs the same checkpoints from its beginning to "
        "its end"
    )


def _by_name(found: Sequence[File]) -> list[File]:
    return sorted(found, key=lambda file: file.name)
