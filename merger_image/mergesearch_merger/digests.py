"""Digests of output files: SHA-256 of every chunk, and SHA-256 over those, so that threads can compute them apart.

file      SHA-256 over the digests of its chunks, in order
weights   digest over names, sizes and digests of all files
"""

import hashlib
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from mergesearch import contract

BYTES = hashlib.sha256().digest_size
"""Of the digest of one chunk."""
PIECE_BYTES = 4 * 2**20
"""How much of a file is read at once."""


def of_chunks(chunks: bytes | bytearray) -> str:
    """The digest of a file whose chunks have these digests, one after the other."""
    return hashlib.sha256(chunks).hexdigest()


def chunks(content: memoryview, chunk_bytes: int) -> bytes:
    """The digests of the chunks of `content`, one after the other."""
    steps = range(0, len(content), chunk_bytes)
    return b"".join(hashlib.sha256(content[begin : begin + chunk_bytes]).digest() for begin in steps)


def of_file(path: Path, chunk_bytes: int) -> str:
    """The digest of a file, read again in pieces of many chunks. Raises OSError."""
    found = bytearray()
    piece = bytearray(max(PIECE_BYTES // chunk_bytes, 1) * chunk_bytes)
    with path.open("rb", buffering=0) as file:
        while count := _fill(file, memoryview(piece)):
            found += chunks(memoryview(piece)[:count], chunk_bytes)
    return of_chunks(found)


def _fill(file: FileIO, into: memoryview) -> int:
    """Read as much as `into` holds, or as there is left."""
    done = 0
    while done < len(into) and (count := file.readinto(into[done:])):
        done += count
    return done


def of_weights(shards: Sequence[tuple[str, int, str]]) -> str:
    """The digest of a merge, from its files' names, sizes and digests."""
    return contract.digest("weights", [list(shard) for shard in shards])
