"""Publishes merges that one process has written whole, and reports them."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mergesearch import files
from mergesearch.contract import Failure, MergeCandidate, MergeReport, MergeRequest
from mergesearch.worker import Emit, Progress, publish_report
from mergesearch_merger import publication, settings
from mergesearch_merger import record as records
from mergesearch_merger.output import Output
from mergesearch_merger.prepared import Cost, Prepared
from mergesearch_merger.settings import Settings
from mergesearch_merger.streaming import Outcome


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process is to merge, and for whom."""

    request: MergeRequest
    prepared: Prepared
    root: Path
    """Of the workspace."""
    limits: Settings
    emit: Emit
    say: Progress

    def output(self, candidate: MergeCandidate, final: Path, shards: Collection[int]) -> Output:
        """Where these shards of a candidate go, below `final` in the end."""
        return Output(
            final,
            self.prepared.layout,
            durable=candidate.keep or settings.SYNC_TRANSIENT,
            drop_cache=self.limits.drop_cache,
            shards=shards,
            system=self.limits.system,
        )


class Whole:
    """Settles each candidate with its own folder and report."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._request = assignment.request
        self._prepared = assignment.prepared
        self._root = assignment.root
        self._limits = assignment.limits
        self._emit = assignment.emit
        self._say = assignment.say

    def output(self, candidate: MergeCandidate) -> Output:
        """The candidate's folder, with all shards."""
        return self._assignment.output(candidate, self._final(candidate), range(len(self._prepared.layout.shards)))

    def succeed(self, candidate: MergeCandidate, output: Output, outcome: Outcome, cost: Cost) -> None:
        """Publish and report it. Raises OSError."""
        warnings = publication.warnings(candidate, self._prepared, outcome.unequal_buffers, self._say)
        record = publication.record_of(
            self._request, candidate, self._prepared, outcome.shard_digests, warnings, self._limits, cost.kernel
        )
        output.publish(
            publication.documents(self._request, self._prepared, record),
            self._prepared.reference.companions,
            already=lambda: self.is_published(candidate),
        )
        report = publication.report(self._request, candidate, self._prepared, cost)
        self._report(report.model_copy(update={"weights_digest": record.weights_digest}))

    def fail(self, candidate: MergeCandidate, output: Output, failure: Failure, cost: Cost) -> None:
        """Report it, and remove the weights of an older request as well. Raises OSError."""
        del output
        files.remove_folder(self._final(candidate))
        report = publication.report(self._request, candidate, self._prepared, cost)
        self._report(report.model_copy(update={"bytes_written": 0, "failure": failure}))

    def is_published(self, candidate: MergeCandidate) -> bool:
        """Whether the whole merge is there, by whatever process."""
        return records.find_finished(self._final(candidate), self._request.hash_of(candidate)) is not None

    def _final(self, candidate: MergeCandidate) -> Path:
        return self._root / files.merge_folder(self._request.search.uid, candidate.id)

    def _report(self, report: MergeReport) -> None:
        publish_report(self._root / files.merge_report(self._request.search.uid, report.candidate), report)
        self._emit(report)
