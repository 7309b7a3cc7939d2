"""Reads what was written again: from the disk, not from the page cache, as far as the system lets it go."""

import os
from collections.abc import Mapping
from pathlib import Path

from mergesearch.errors import TryAgainError
from mergesearch.reasons import Reason
from mergesearch_merger import digests
from mergesearch_merger.layout import Layout
from mergesearch_merger.linux import System
from mergesearch_merger.settings import Settings


def check(folder: Path, layout: Layout, shard_digests: Mapping[int, str], limits: Settings) -> None:
    """Compare the shards that have a digest with what lies in `folder`. Raises TryAgainError, OSError."""
    for number, expected in sorted(shard_digests.items()):
        path = folder / layout.shards[number].name
        os.utime(folder)  # Nothing is written meanwhile, and who writes nothing for long is taken for dead.
        _forget(path, limits.system)
        found = digests.of_file(path, limits.chunk_bytes)
        if limits.drop_cache:
            _forget(path, limits.system)
        if found != expected:
            raise TryAgainError(
                f"{path.name}: the disk holds other bytes than were written: digest {found}, expected {expected}",
                reason=Reason.VERIFICATION_FAILED,
            )


def _forget(path: Path, system: System) -> None:
    """Drop the file's pages, which takes that they are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        system.forget(descriptor)
    finally:
        os.close(descriptor)
