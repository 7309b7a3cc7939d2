"""Digests of output files: SHA-256 of every chunk, and SHA-256 over those, so that threads can compute them apart.

file      SHA-256 over the digests of its chunks, in order
weights   digest over names, sizes and digests of all files
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from mergesearch import contract


def of_chunks(chunks: Iterable[bytes]) -> str:
    """The digest of a file whose chunks have these digests."""
    return hashlib.sha256(b"".join(chunks)).hexdigest()


def of_file(path: Path, chunk_bytes: int) -> str:
    """The digest of a file, read again. Raises OSError."""
    found = []
    with path.open("rb") as file:
        while content := file.read(chunk_bytes):
            found.append(hashlib.sha256(content).digest())
    return of_chunks(found)


def of_weights(shards: Sequence[tuple[str, int, str]]) -> str:
    """The digest of a merge, from its files' names, sizes and digests."""
    return contract.digest("weights", [list(shard) for shard in shards])
