"""Settles the slices of merges that several processes write, and makes a whole of those that are complete."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mergesearch.contract import Failure, MergeCandidate, MergeRequest
from mergesearch.errors import TryAgainError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress
from mergesearch_merger import parts as all_parts
from mergesearch_merger import settings, slices
from mergesearch_merger.output import Output
from mergesearch_merger.parts import SLICE_RECORD, Parts, SliceRecord
from mergesearch_merger.prepared import Cost, Prepared
from mergesearch_merger.record import ShardRecord
from mergesearch_merger.settings import Settings
from mergesearch_merger.streaming import Outcome
from mergesearch_merger.whole import Whole


class Sliced:
    """Settles each candidate with a folder for this process's slice of it."""

    def __init__(
        self,
        request: MergeRequest,
        prepared: Prepared,
        root: Path,
        limits: Settings,
        emit: Emit,
        say: Progress,
        index: int,
        parts: Callable[[Path, MergeRequest, MergeCandidate], Parts] = Parts,
    ) -> None:
        self._request = request
        self._prepared = prepared
        self._root = root
        self._limits = limits
        self._whole = Whole(request, prepared, root, limits, emit, say)
        self._index = index
        self._all_parts = parts
        self._shards = slices.shards(prepared.layout, index, request.slices)

    def output(self, candidate: MergeCandidate) -> Output:
        """The slice's folder, with its own shards."""
        return Output(
            self._parts(candidate).place(self._index),
            self._prepared.layout,
            durable=candidate.keep or settings.SYNC_TRANSIENT,
            drop_cache=self._limits.drop_cache,
            shards=self._shards,
        )

    def succeed(self, candidate: MergeCandidate, output: Output, outcome: Outcome, cost: Cost) -> None:
        """Publish the slice, unless another pod of it was faster. Raises OSError."""
        if self._parts(candidate).find(self._index) is not None:
            return
        shards = tuple(
            ShardRecord(file=shard.name, bytes=shard.size, digest=outcome.shard_digests.get(number))
            for number, shard in enumerate(self._prepared.layout.shards)
            if number in self._shards
        )
        record = self._record(candidate, cost).model_copy(
            update={"shards": shards, "unequal_buffers": tuple(sorted(outcome.unequal_buffers))}
        )
        output.publish({SLICE_RECORD: (record.to_json() + "\n").encode()}, {})

    def fail(self, candidate: MergeCandidate, output: Output, failure: Failure, cost: Cost) -> None:
        """Leave a slice without shards that says so. Raises OSError."""
        output.folder.mkdir(parents=True)
        record = self._record(candidate, cost).model_copy(update={"failure": failure})
        output.publish({SLICE_RECORD: (record.to_json() + "\n").encode()}, {})

    def complete(self, candidate: MergeCandidate) -> None:
        """Publish and report the whole merge, if all slices are there and no other process does. Raises OSError."""
        parts = self._parts(candidate)
        found = parts.all()
        if found is None:
            return
        cost = Cost(
            seconds=max(record.seconds for record in found),
            bytes_read=sum(record.bytes_read for record in found),
            peak_bytes=max(record.peak_bytes for record in found),
        )
        whole = self._whole.output(candidate)
        try:
            if not parts.take(whole.folder):
                return
            failure = next((record.failure for record in found if record.failure is not None), None)
            if failure is not None:
                self._whole.fail(candidate, whole, failure, cost)
            else:
                self._require_whole(whole.folder)
                self._whole.succeed(candidate, whole, self._outcome(found), cost)
        finally:
            whole.discard()

    def _require_whole(self, folder: Path) -> None:
        """Another pod of the same slice, as after a lost node, may have put its own in that place just now."""
        for shard in self._prepared.layout.shards:
            path = folder / shard.name
            size = path.stat().st_size if path.is_file() else 0
            if size != shard.size:
                raise TryAgainError(
                    f"{shard.name}: {size} of {shard.size} bytes are there; a slice was replaced while the merge was "
                    "put together",
                    reason=Reason.WEIGHTS_LOST,
                )

    def _outcome(self, found: Sequence[SliceRecord]) -> Outcome:
        records = all_parts.shard_records(found)
        shards = self._prepared.layout.shards
        digested = {number: records[shard.name].digest for number, shard in enumerate(shards)}
        return Outcome(
            unequal_buffers={name for record in found for name in record.unequal_buffers},
            shard_digests={number: digest for number, digest in digested.items() if digest is not None},
        )

    def _parts(self, candidate: MergeCandidate) -> Parts:
        return self._all_parts(self._root, self._request, candidate)

    def _record(self, candidate: MergeCandidate, cost: Cost) -> SliceRecord:
        return SliceRecord(
            request_hash=self._request.hash_of(candidate),
            slice=self._index,
            slices=self._request.slices,
            seconds=cost.seconds,
            bytes_read=cost.bytes_read,
            peak_bytes=cost.peak_bytes,
        )
