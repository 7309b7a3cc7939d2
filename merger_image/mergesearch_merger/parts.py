"""The slices of one merge on the workspace, until the last of them makes a whole of all.

    <workspace>/<search uid>/merges/.tmp-<candidate>-<request>-<n>slices/
        slice-3/                 shards of the slice, and its record
        .tmp-slice-4-<writer>/   being written

A slice that is there is not written again, so a process that was killed costs its own slice only. Whoever finds all of
them links their shards into a folder of its own and publishes that; the slices go when the merge has its name. So
nothing is lost where that fails at any line, and two that do it at once publish the same.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from mergesearch import files
from mergesearch.contract import Failure, MergeCandidate, MergeRequest, Model, Sha256
from mergesearch_merger.record import ShardRecord
from mergesearch_merger.settings import Settings

SLICE_RECORD = "slice.json"
GONE = (FileNotFoundError, NotADirectoryError)
CANNOT_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
"""What file systems answer that know no second name of a file: there a shard is moved."""


class SliceRecord(Model):
    """What one slice of a merge holds, or why the merge failed in it."""

    version: Literal[1] = 1
    request_hash: Sha256
    slice: int
    slices: int
    checkpoints: dict[str, Sha256]
    """Fingerprints of the checkpoints that were read, by name: slices of other contents do not belong together."""
    digest_chunk_bytes: int
    shards: tuple[ShardRecord, ...] = ()
    failure: Failure | None = None
    unequal_buffers: tuple[str, ...] = ()
    seconds: float
    bytes_read: int
    peak_bytes: int
    kernel: str
    """What summed."""


class Parts:
    """The slices of one candidate, as far as they were read from checkpoints with these fingerprints."""

    def __init__(
        self,
        root: Path,
        request: MergeRequest,
        candidate: MergeCandidate,
        checkpoints: Mapping[str, str],
        limits: Settings,
    ) -> None:
        self._request_hash = request.hash_of(candidate)
        self._checkpoints = dict(checkpoints)
        self._count = request.slices
        self._chunk_bytes = limits.chunk_bytes
        self._system = limits.system
        self.folder = root / files.slices_folder(request.search.uid, candidate.id, self._request_hash, request.slices)

    def place(self, index: int) -> Path:
        """The folder of one slice."""
        return self.folder / f"slice-{index}"

    def find(self, index: int) -> SliceRecord | None:
        """The record of a slice that is there with all its files. Raises OSError where nobody can tell."""
        found = self._record(index)
        folder = self.place(index)
        try:
            whole = found and all((folder / shard.file).stat().st_size == shard.bytes for shard in found.shards)
        except GONE:
            return None
        return found if whole else None

    def _record(self, index: int) -> SliceRecord | None:
        try:
            found = SliceRecord.model_validate_json((self.place(index) / SLICE_RECORD).read_bytes())
        except (*GONE, ValidationError):
            return None
        wanted = (self._request_hash, index, self._count, self._chunk_bytes, self._checkpoints)
        own = (found.request_hash, found.slice, found.slices, found.digest_chunk_bytes, found.checkpoints)
        return found if own == wanted else None

    def all(self) -> tuple[SliceRecord | None, ...]:
        """The records of all slices that are there, None for each that is missing."""
        return tuple(self.find(index) for index in range(self._count))

    def link(self, found: Sequence[SliceRecord], target: Path) -> None:
        """Give all shards a second name in the folder `target`. Raises OSError, also where a slice was replaced
        meanwhile by one of other checkpoints.
        """
        for record in found:
            for shard in record.shards:
                source, name = self.place(record.slice) / shard.file, target / shard.file
                try:
                    self._system.link(source, name)
                except OSError as error:
                    if error.errno not in CANNOT_LINK:
                        raise
                    source.rename(name)
        for record in found:
            if self._record(record.slice) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.place(record.slice)))

    def take_back(self, found: Sequence[SliceRecord], target: Path) -> None:
        """Undo a `link` that did not become a merge: what was moved to `target` is a slice's again."""
        for record in found:
            for shard in record.shards:
                with contextlib.suppress(*GONE):
                    source = self.place(record.slice) / shard.file
                    if not source.exists():
                        (target / shard.file).rename(source)

    def remove(self) -> None:
        """The merge is published, or has failed: the slices are no longer needed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def shard_records(found: Sequence[SliceRecord]) -> dict[str, ShardRecord]:
    """All shards of all slices, by file."""
    return {shard.file: shard for record in found for shard in record.shards}
