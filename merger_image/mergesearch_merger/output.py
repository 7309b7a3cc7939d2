"""One merge, or a slice of one, being written: into a temporary sibling of its folder, published by a rename, or
discarded.

Nothing that looks finished stands under the final name before every byte is written; a process that dies leaves the
temporary folder only.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from mergesearch import files
from mergesearch.errors import NoSpaceError
from mergesearch.reasons import Reason
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.layout import Layout
from mergesearch_merger.linux import System

NO_SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT)
STANDS_THERE = (errno.ENOTEMPTY, errno.EEXIST)
"""What a rename answers where a folder of that name holds something."""
REPLACEMENTS = 3
"""How often a merge gives way to another that is published at the same time, before that is an error."""

RECORD_BYTES = 2**20
"""Room for config, index and record of one merge."""


def needed_bytes(layout: Layout, reference: Checkpoint, shards: Collection[int] | None = None) -> int:
    """How much space one merge takes, or its shards with these numbers. Raises OSError."""
    sizes = (shard.size for number, shard in enumerate(layout.shards) if shards is None or number in shards)
    return sum(sizes) + sum(path.stat().st_size for path in reference.companions.values()) + RECORD_BYTES


class Output:
    """The folder of one merge, or of one slice of it, while it is written."""

    def __init__(
        self,
        final: Path,
        layout: Layout,
        *,
        durable: bool,
        drop_cache: bool = False,
        shards: Collection[int] = (),
        system: System | None = None,
    ) -> None:
        """`shards` are the numbers of the weight files that will be written here."""
        self._final = final
        self._layout = layout
        self._durable = durable
        self._drop_cache = drop_cache
        self._shards = sorted(shards)
        self._system = system or System()
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
            with self._room_for(shard.name, shard.size):
                descriptor = os.open(self.folder / shard.name, flags, 0o644)
                self._descriptors[number] = descriptor
                self._system.allocate(descriptor, shard.size)

    def write(self, shard: int, offset: int, content: memoryview) -> None:
        """Write at a place of a shard; safe from any thread. Raises NoSpaceError, OSError."""
        descriptor = self._descriptors[shard]
        done = 0
        with self._room_for(self._layout.shards[shard].name, self._layout.shards[shard].size):
            while done < len(content):
                done += os.pwrite(descriptor, content[done:], offset + done)
        if self._durable:
            self._system.start_writing(descriptor, offset, len(content))

    def finish_shard(self, shard: int) -> None:
        """Sync, where asked for, and close a shard that is complete. Raises NoSpaceError, OSError."""
        descriptor = self._descriptors[shard]
        if self._durable or self._drop_cache:
            with self._room_for(self._layout.shards[shard].name, self._layout.shards[shard].size):
                self._system.fsync(descriptor)
        if self._drop_cache:
            self._system.forget(descriptor)
        os.close(self._descriptors.pop(shard))

    def publish(
        self,
        documents: Mapping[str, bytes],
        copies: Mapping[str, Path],
        already: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add the other files, and give the folder its final name. What stands there is replaced, unless it is
        `already` the same. Raises NoSpaceError, OSError.
        """
        for name, source in copies.items():
            self._put(name, source.read_bytes())
        for name, content in documents.items():
            self._put(name, content)
        self._sync_folder(self.folder)
        for _ in range(REPLACEMENTS):
            try:
                self.folder.rename(self._final)
                break
            except OSError as error:
                if error.errno not in STANDS_THERE:
                    raise
            if already():
                return
            files.remove_folder(self._final)
        else:
            self.folder.rename(self._final)
        self._sync_folder(self._final.parent)

    def discard(self) -> None:
        """Remove what was written, unless it was published."""
        while self._descriptors:
            _, descriptor = self._descriptors.popitem()
            with contextlib.suppress(OSError):
                os.close(descriptor)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put(self, name: str, content: bytes) -> None:
        with self._room_for(name, len(content)), (self.folder / name).open("wb") as file:
            file.write(content)
            if self._durable:
                file.flush()
                self._system.fsync(file.fileno())

    def _sync_folder(self, folder: Path) -> None:
        if self._durable:
            files.fsync_folder(folder, self._system.fsync)

    @contextlib.contextmanager
    def _room_for(self, name: str, size: int) -> Iterator[None]:
        """Tell a full disk as what it is, with the numbers."""
        try:
            yield
        except OSError as error:
            if error.errno not in NO_SPACE_ERRORS:
                raise
            weights = sum(self._layout.shards[own].size for own in self._shards)
            free = os.statvfs(self._final.parent)
            raise NoSpaceError(
                f"{self._final.name}: no space for {size} bytes of {name}, of {len(self._shards)} weight files with "
                f"{weights} bytes in all; {free.f_bavail * free.f_frsize} bytes are free: {error.strerror}",
                reason=Reason.NO_SPACE,
            ) from error
