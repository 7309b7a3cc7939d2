"""Writes the candidates of a merge request: one pass over the inputs, then each candidate is published with its
report, or reported as failed.
"""

import time
from pathlib import Path

from mergesearch import files, memory
from mergesearch.contract import Failure, MergeCandidate, MergeReport, MergeRequest
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress, publish_report
from mergesearch_merger import compatibility, dtypes, findings, nonfinite, publication, reader, settings
from mergesearch_merger.inputs import Inputs
from mergesearch_merger.output import Output
from mergesearch_merger.prepared import Prepared
from mergesearch_merger.settings import Settings
from mergesearch_merger.streaming import Job, Outcome, Pass


class Batch:
    """The candidates of one request that are not there yet."""

    def __init__(self, request: MergeRequest, prepared: Prepared, root: Path, limits: Settings) -> None:
        self._request = request
        self._prepared = prepared
        self._root = root
        self._limits = limits
        self._outputs = [self._output(candidate) for candidate in prepared.candidates]

    def write(self, emit: Emit, progress: Progress) -> None:
        """Merge, publish and report all candidates. Raises MergeSearchError, OSError; whatever happens, nothing
        half-written stays.
        """
        began = time.monotonic()
        try:
            work, failures = self._merge(progress)
            share = (time.monotonic() - began) / len(self._outputs)
            for candidate, output, outcome, failure in zip(
                self._prepared.candidates, self._outputs, work.outcomes, failures, strict=True
            ):
                if failure is None:
                    digest = self._publish(candidate, output, outcome, progress)
                    report = self._report(candidate, share, work.bytes_read, digest)
                else:
                    self._withdraw(candidate, output)
                    report = self._failed(candidate, share, work.bytes_read, failure)
                publish_report(self._root / files.merge_report(self._request.search.uid, candidate.id), report)
                emit(report)
        finally:
            for output in self._outputs:
                output.discard()

    def _output(self, candidate: MergeCandidate) -> Output:
        final = self._root / files.merge_folder(self._request.search.uid, candidate.id)
        return Output(final, self._prepared.layout, durable=candidate.keep or settings.SYNC_TRANSIENT)

    def _merge(self, progress: Progress) -> tuple[Pass, list[Failure | None]]:
        with Inputs(self._prepared.read) as inputs:
            tied = compatibility.tied_head(self._prepared.reference)
            if tied is not None:
                inputs.check_tied(tied)
            for output in self._outputs:
                output.create()
            work = Pass(self._prepared.layout, inputs, self._jobs(), dtypes.OUTPUTS[self._request.dtype], self._limits)
            work.run(progress)
            failures = [
                None if outcome.finite else nonfinite.failure(job.weights, outcome, self._prepared, inputs)
                for job, outcome in zip(work.jobs, work.outcomes, strict=True)
            ]
        self._require_unchanged()
        return work, failures

    def _jobs(self) -> list[Job]:
        return [
            Job(
                weights=tuple(candidate.weights[column] for column in self._prepared.columns),
                output=output,
                digested=candidate.keep or settings.DIGEST_TRANSIENT,
            )
            for candidate, output in zip(self._prepared.candidates, self._outputs, strict=True)
        ]

    def _require_unchanged(self) -> None:
        """A checkpoint that is written while it is read makes a mixture of two."""
        stale = [label for checkpoint in self._prepared.read for label in reader.stale_files(checkpoint.files)]
        if stale:
            raise InvalidRequestError(
                f"{findings.names(stale)}: changed while being merged", reason=Reason.CHECKPOINT_CHANGED
            )

    def _publish(self, candidate: MergeCandidate, output: Output, outcome: Outcome, progress: Progress) -> str | None:
        warnings = list(self._prepared.warnings)
        if outcome.unequal_buffers:
            differing = sorted(outcome.unequal_buffers)
            first = next(c.label for c, w in zip(self._prepared.read, self._used(candidate), strict=True) if w != 0.0)
            warnings.append(
                f"candidate {candidate.id}: {findings.counted(len(differing), 'buffer')} not equal in all "
                f"checkpoints, taken from {first}: {findings.names(differing)}"
            )
            progress(f"warning: {warnings[-1]}")
        record = publication.record_of(
            self._request, candidate, self._prepared, outcome.shard_digests, tuple(warnings), self._limits.chunk_bytes
        )
        output.publish(
            publication.documents(self._request, self._prepared, record), self._prepared.reference.companions
        )
        return record.weights_digest

    def _used(self, candidate: MergeCandidate) -> tuple[float, ...]:
        return tuple(candidate.weights[column] for column in self._prepared.columns)

    def _withdraw(self, candidate: MergeCandidate, output: Output) -> None:
        """A candidate that has failed leaves nothing, not even the weights of an older request."""
        output.discard()
        files.remove_folder(self._root / files.merge_folder(self._request.search.uid, candidate.id))

    def _report(self, candidate: MergeCandidate, seconds: float, bytes_read: int, digest: str | None) -> MergeReport:
        return MergeReport(
            version=1,
            candidate=candidate.id,
            request_hash=self._request.hash_of(candidate),
            seconds=seconds,
            bytes_read=bytes_read // len(self._outputs),
            bytes_written=self._prepared.layout.size,
            parameters=self._prepared.layout.parameters,
            weights_digest=digest,
            peak_bytes=memory.peak_bytes(),
        )

    def _failed(self, candidate: MergeCandidate, seconds: float, bytes_read: int, failure: Failure) -> MergeReport:
        report = self._report(candidate, seconds, bytes_read, None)
        return report.model_copy(update={"bytes_written": 0, "failure": failure})
