"""Settles the slices of merges that several processes write, and makes a whole of those that are complete."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from mergesearch.contract import Failure, MergeCandidate
from mergesearch.errors import TryAgainError
from mergesearch.reasons import Reason
from mergesearch_merger import digests, findings, slices
from mergesearch_merger import parts as all_parts
from mergesearch_merger.output import Output
from mergesearch_merger.parts import SLICE_RECORD, Parts, SliceRecord
from mergesearch_merger.prepared import Cost
from mergesearch_merger.record import ShardRecord
from mergesearch_merger.streaming import Outcome
from mergesearch_merger.whole import Assignment, Whole


class Sliced:
    """Settles each candidate with a folder for this process's slice of it. `prepared` is of all candidates that are
    not published, also of those whose slice is there already.
    """

    def __init__(self, assignment: Assignment, index: int) -> None:
        self._assignment = assignment
        self._request = assignment.request
        self._prepared = assignment.prepared
        self._root = assignment.root
        self._limits = assignment.limits
        self._say = assignment.say
        self._whole = Whole(assignment)
        self._index = index
        self.shards = slices.shards(self._prepared.layout, index, self._request.slices)

    def unwritten(self) -> tuple[MergeCandidate, ...]:
        """The candidates of which this process's slice is missing."""
        return tuple(one for one in self._prepared.candidates if self.parts(one).find(self._index) is None)

    def parts(self, candidate: MergeCandidate) -> Parts:
        """The slices of one candidate."""
        return Parts(self._root, self._request, candidate, self._prepared.fingerprints(candidate), self._limits)

    def output(self, candidate: MergeCandidate) -> Output:
        """The slice's folder, with its own shards."""
        return self._assignment.output(candidate, self.parts(candidate).place(self._index), self.shards)

    def succeed(self, candidate: MergeCandidate, output: Output, outcome: Outcome, cost: Cost) -> None:
        """Publish the slice. Raises MergeSearchError, OSError."""
        shards = tuple(
            ShardRecord(file=shard.name, bytes=shard.size, digest=outcome.shard_digests.get(number))
            for number, shard in enumerate(self._prepared.layout.shards)
            if number in self.shards
        )
        record = self._record(candidate, cost).model_copy(
            update={"shards": shards, "unequal_buffers": tuple(sorted(outcome.unequal_buffers))}
        )
        self._publish(candidate, output, record)

    def fail(self, candidate: MergeCandidate, output: Output, failure: Failure, cost: Cost) -> None:
        """Leave a slice without shards that says so. Raises MergeSearchError, OSError."""
        output.folder.mkdir(parents=True)
        self._publish(candidate, output, self._record(candidate, cost).model_copy(update={"failure": failure}))

    def _publish(self, candidate: MergeCandidate, output: Output, record: SliceRecord) -> None:
        """Another pod of the same slice may have been faster, or all of them: then there is nothing left to do."""
        parts = self.parts(candidate)
        try:
            output.publish(
                {SLICE_RECORD: (record.to_json() + "\n").encode()},
                {},
                already=lambda: parts.find(self._index) is not None,
            )
        except OSError:
            if not self.is_published(candidate):
                raise

    def complete(self, candidate: MergeCandidate) -> None:
        """Publish and report the whole merge, if all slices are there. Raises MergeSearchError, OSError; the slices
        stay where that fails.
        """
        parts = self.parts(candidate)
        there = parts.all()
        found = [record for record in there if record is not None]
        self._tell(candidate, there)
        if len(found) < len(there):
            if self.is_published(candidate):  # meanwhile, by another process
                parts.remove()
            return
        cost = Cost(
            seconds=max(record.seconds for record in found),
            bytes_read=sum(record.bytes_read for record in found),
            peak_bytes=max(record.peak_bytes for record in found),
            kernel=", ".join(sorted({record.kernel for record in found if record.shards})),
        )
        whole = self._whole.output(candidate)
        try:
            if any(record.failure is not None for record in found):
                self._whole.fail(candidate, whole, _failure(found), cost)
            else:
                if not self._link(candidate, parts, found, whole):
                    return
                self._whole.succeed(candidate, whole, self._outcome(candidate, found, whole.folder), cost)
        finally:
            parts.take_back(found, whole.folder)
            whole.discard()
        parts.remove()

    def _link(self, candidate: MergeCandidate, parts: Parts, found: Sequence[SliceRecord], whole: Output) -> bool:
        """Give the shards a second name in the folder of the whole; False if another process has published it."""
        whole.discard()
        whole.folder.mkdir(parents=True)
        try:
            parts.link(found, whole.folder)
        except OSError as error:
            if self.is_published(candidate):
                return False
            if error.errno not in (errno.ENOENT, errno.ESTALE):
                raise
            raise TryAgainError(
                f"candidate {candidate.id}: a slice was replaced by another process while the merge was put together: "
                f"{error.filename}",
                reason=Reason.WEIGHTS_LOST,
            ) from error
        return True

    def _outcome(self, candidate: MergeCandidate, found: Sequence[SliceRecord], folder: Path) -> Outcome:
        shards = all_parts.shard_records(found)
        digested: dict[int, str] = {}
        for number, shard in enumerate(self._prepared.layout.shards):
            digest = shards[shard.name].digest
            if digest is None and candidate.keep:  # written when nobody knew yet that it would stay
                os.utime(folder)  # who writes nothing for long is taken for dead
                digest = digests.of_file(folder / shard.name, self._limits.chunk_bytes)
            if digest is not None:
                digested[number] = digest
        return Outcome(
            unequal_buffers={name for record in found for name in record.unequal_buffers}, shard_digests=digested
        )

    def is_published(self, candidate: MergeCandidate) -> bool:
        """Whether the whole merge is there, by whatever process."""
        return self._whole.is_published(candidate)

    def _tell(self, candidate: MergeCandidate, there: Sequence[SliceRecord | None]) -> None:
        done = sum(record is not None for record in there)
        own = f"{findings.counted(len(self.shards), 'shard')} of {len(self._prepared.layout.shards)}"
        self._say(
            f"candidate {candidate.id}: slice {self._index} of {len(there)} holds {own}; {done} of {len(there)} slices "
            f"are there{': publishing' if done == len(there) else ''}"
        )

    def _record(self, candidate: MergeCandidate, cost: Cost) -> SliceRecord:
        return SliceRecord(
            request_hash=self._request.hash_of(candidate),
            slice=self._index,
            slices=self._request.slices,
            digest_chunk_bytes=self._limits.chunk_bytes,
            checkpoints=self._prepared.fingerprints(candidate),
            seconds=cost.seconds,
            bytes_read=cost.bytes_read,
            peak_bytes=cost.peak_bytes,
            kernel=cost.kernel,
        )


def _failure(found: Sequence[SliceRecord]) -> Failure:
    """That of the first slice that has failed, and in how many others there is one."""
    failures = [(record.slice, record.failure) for record in found if record.failure is not None]
    index, first = failures[0]
    others = f", and in {findings.counted(len(failures) - 1, 'other slice')}" if len(failures) > 1 else ""
    message = f"slice {index} of {len(found)}: {first.message}{others}"
    return first.model_copy(update={"message": message[: findings.MESSAGE_CHARACTERS]})
