"""The slices of one merge on the workspace, until the last of them makes a whole of all.

    <workspace>/<search uid>/merges/.tmp-<candidate>-<request>-<n>slices/
        slice-3/                 shards of the slice, and its record
        .tmp-slice-4-<writer>/   being written

Whoever finds all slices there takes the folder by renaming it: of several, one succeeds. A slice that is there is never
written again, so a process that was killed costs its own slice only.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from mergesearch import files
from mergesearch.contract import Failure, MergeCandidate, MergeRequest, Model, Sha256
from mergesearch_merger.record import ShardRecord

SLICE_RECORD = "slice.json"
HASH_CHARACTERS = 12


class SliceRecord(Model):
    """What one slice of a merge holds, or why the merge failed in it."""

    version: Literal[1] = 1
    request_hash: Sha256
    slice: int
    slices: int
    shards: tuple[ShardRecord, ...] = ()
    failure: Failure | None = None
    unequal_buffers: tuple[str, ...] = ()
    seconds: float
    bytes_read: int
    peak_bytes: int


class Parts:
    """The slices of one candidate."""

    def __init__(self, root: Path, request: MergeRequest, candidate: MergeCandidate) -> None:
        self._request_hash = request.hash_of(candidate)
        self._count = request.slices
        merges = root / files.merges_folder(request.search.uid)
        short = self._request_hash[:HASH_CHARACTERS]
        self.folder = merges / f"{files.TEMPORARY_PREFIX}{candidate.id}-{short}-{request.slices}{files.SLICES_SUFFIX}"

    def place(self, index: int) -> Path:
        """The folder of one slice."""
        return self.folder / f"slice-{index}"

    def find(self, index: int) -> SliceRecord | None:
        """The record of a slice that is there with all its files."""
        folder = self.place(index)
        try:
            found = SliceRecord.model_validate_json((folder / SLICE_RECORD).read_bytes())
            whole = all((folder / shard.file).stat().st_size == shard.bytes for shard in found.shards)
        except (OSError, ValidationError):
            return None
        answers = (found.request_hash, found.slice, found.slices) == (self._request_hash, index, self._count)
        return found if whole and answers else None

    def all(self) -> tuple[SliceRecord, ...] | None:
        """The records of all slices, or None while one is missing."""
        found = []
        for index in range(self._count):
            record = self.find(index)
            if record is None:
                return None
            found.append(record)
        return tuple(found)

    def take(self, target: Path) -> bool:
        """Make all shards the content of the new folder `target`; False if another process was faster.

        Raises OSError.
        """
        shutil.rmtree(target, ignore_errors=True)
        try:
            self.folder.rename(target)
        except FileNotFoundError:
            return False
        for entry in sorted(target.iterdir()):
            if not entry.name.startswith(files.TEMPORARY_PREFIX):
                _move_shards(entry, target)
            shutil.rmtree(entry, ignore_errors=True)
        return True


def shard_records(found: Sequence[SliceRecord]) -> dict[str, ShardRecord]:
    """All shards of all slices, by file."""
    return {shard.file: shard for record in found for shard in record.shards}


def _move_shards(folder: Path, target: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.name != SLICE_RECORD:
            path.rename(target / path.name)
