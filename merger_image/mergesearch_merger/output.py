"""One merge, or a slice of one, being written: into a temporary sibling of its folder, published by a rename, or
discarded.

Nothing that looks finished stands under the final name before every byte is written; a process that dies leaves the
temporary folder only.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from mergesearch import files
from mergesearch.errors import NoSpaceError
from mergesearch.reasons import Reason
from mergesearch_merger import writeback
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.layout import Layout

NO_SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT)
CANNOT_ALLOCATE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""What file systems answer that cannot allocate ahead."""


RECORD_BYTES = 2**20
"""Room for config, index and record of one merge."""


def needed_bytes(layout: Layout, reference: Checkpoint, shards: Collection[int] | None = None) -> int:
    """How much space one merge takes, or its shards with these numbers. Raises OSError."""
    sizes = (shard.size for number, shard in enumerate(layout.shards) if shards is None or number in shards)
    return sum(sizes) + sum(path.stat().st_size for path in reference.companions.values()) + RECORD_BYTES


class Output:
    """The folder of one merge, or of one slice of it, while it is written."""

    def __init__(
        self, final: Path, layout: Layout, *, durable: bool, drop_cache: bool = False, shards: Collection[int] = ()
    ) -> None:
        """`shards` are the numbers of the weight files that will be written here."""
        self._final = final
        self._layout = layout
        self._durable = durable
        self._drop_cache = drop_cache
        self._shards = sorted(shards)
        self._descriptors: dict[int, int] = {}
        self.folder = files.temporary_sibling(final)
        """Where everything lies until it is published."""

    def create(self) -> None:
        """Make the temporary folder with all weight files at full length. Raises NoSpaceError, OSError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for number in self._shards:
            shard = self._layout.shards[number]
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self.folder / shard.name, flags, 0o644)
            self._descriptors[number] = descriptor
            try:
                _allocate(descriptor, shard.size)
            except OSError as error:
                if error.errno in NO_SPACE_ERRORS:
                    raise NoSpaceError(
                        f"{self._final.name}: no space for {shard.size} bytes of {shard.name}, "
                        f"one of {len(self._shards)} files of "
                        f"{sum(self._layout.shards[own].size for own in self._shards)} bytes in all",
                        reason=Reason.NO_SPACE,
                    ) from error
                raise

    def write(self, shard: int, offset: int, content: memoryview) -> None:
        """Write at a place of a shard; safe from any thread. Raises OSError."""
        descriptor = self._descriptors[shard]
        done = 0
        while done < len(content):
            done += os.pwrite(descriptor, content[done:], offset + done)
        if self._durable:
            writeback.start(descriptor, offset, len(content))

    def finish_shard(self, shard: int) -> None:
        """Sync, where asked for, and close a shard that is complete. Raises OSError."""
        descriptor = self._descriptors[shard]
        if self._durable or self._drop_cache:
            os.fsync(descriptor)
        if self._drop_cache:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(self._descriptors.pop(shard))

    def publish(self, documents: Mapping[str, bytes], copies: Mapping[str, Path]) -> None:
        """Add the other files, the record last, and give the folder its final name. Raises OSError."""
        for name, source in copies.items():
            self._put(name, source.read_bytes())
        for name in sorted(documents, key=lambda name: name == files.MERGE_RECORD):
            self._put(name, documents[name])
        if self._durable:
            files.fsync_folder(self.folder)
        aside = files.set_aside(self._final)
        self.folder.rename(self._final)
        if self._durable:
            files.fsync_folder(self._final.parent)
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)

    def discard(self) -> None:
        """Remove what was written, unless it was published."""
        while self._descriptors:
            _, descriptor = self._descriptors.popitem()
            with contextlib.suppress(OSError):
                os.close(descriptor)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put(self, name: str, content: bytes) -> None:
        with (self.folder / name).open("wb") as file:
            file.write(content)
            if self._durable:
                file.flush()
                os.fsync(file.fileno())


def _allocate(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in CANNOT_ALLOCATE:
            raise
        os.ftruncate(descriptor, size)
