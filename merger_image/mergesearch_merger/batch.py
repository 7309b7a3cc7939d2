"""Writes the weights of the candidates of a request in one pass over the inputs; what becomes of each is settled by
whoever knows where it belongs: a whole merge, or a slice of one.
"""

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

from mergesearch import memory
from mergesearch.contract import Failure, MergeCandidate
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Progress
from mergesearch_merger import budget as budgets
from mergesearch_merger import (
    compatibility,
    dtypes,
    findings,
    kernels,
    machine,
    nonfinite,
    progress,
    reader,
    settings,
    verification,
)
from mergesearch_merger import plan as plans
from mergesearch_merger.inputs import Inputs
from mergesearch_merger.output import Output
from mergesearch_merger.prepared import Cost, Prepared
from mergesearch_merger.settings import Settings
from mergesearch_merger.streaming import Job, Outcome, Pass

SPARE_FILES = 64
"""That a process opens besides those of the merge."""


class Settle(Protocol):
    """What to do with a candidate once its weights are written, or have failed."""

    def output(self, candidate: MergeCandidate) -> Output:
        """Where its weights go."""

    def succeed(self, candidate: MergeCandidate, output: Output, outcome: Outcome, cost: Cost) -> None:
        """Its weights are written. Raises MergeSearchError, OSError."""

    def fail(self, candidate: MergeCandidate, output: Output, failure: Failure, cost: Cost) -> None:
        """Its weights are no numbers; nothing of them stays. Raises OSError."""


class Batch:
    """The candidates of one request that are not there yet, as far as this process writes them."""

    def __init__(
        self, prepared: Prepared, shards: Collection[int], settle: Settle, limits: Settings, dtype: str
    ) -> None:
        """`dtype` is the request's name of it. Raises InvalidRequestError where memory is too small."""
        self._prepared = prepared
        self._shards = shards
        self._settle = settle
        self._limits = limits
        self._dtype = dtypes.OUTPUTS[dtype]
        self._budget = choose_budget(prepared, limits, self._dtype)
        self._outputs = [settle.output(candidate) for candidate in prepared.candidates]

    def write(self, say: Progress) -> None:
        """Merge and settle all candidates. Raises MergeSearchError, OSError; whatever happens, nothing half-written
        stays.
        """
        began = time.monotonic()
        try:
            kernel = kernels.choose([one.dtypes for one in self._prepared.read], self._dtype, self._limits)
            work, failures = self._merge(kernel, say)
            merges = len(self._outputs)
            cost = Cost(
                seconds=(time.monotonic() - began) / merges,
                bytes_read=work.bytes_read // merges,
                peak_bytes=memory.peak_bytes(),
                kernel=kernel.name,
            )
            for candidate, output, outcome, failure in zip(
                self._prepared.candidates, self._outputs, work.outcomes, failures, strict=True
            ):
                if failure is None:
                    self._settle.succeed(candidate, output, outcome, cost)
                else:
                    output.discard()
                    self._settle.fail(candidate, output, failure, cost)
        finally:
            for output in self._outputs:
                output.discard()

    def _merge(self, kernel: kernels.Choice, say: Progress) -> tuple[Pass, list[Failure | None]]:
        prepared, limits = self._prepared, self._limits
        self._allow_files()
        with Inputs(prepared.read, drop_cache=limits.drop_cache, system=limits.system) as inputs:
            tied = compatibility.tied_head(prepared.reference)
            # Of several slices one compares heads: the one that writes the embedding.
            compared = inputs.check_tied(tied) if tied is not None and self._writes(tied.embedding) else 0
            for output in self._outputs:
                output.create()
            work = self._pass(inputs, kernel)
            say(progress.start(kernel.name, kernel.reason, len(work.jobs), len(prepared.read), self._budget.workers))
            self._run(work, say)
            work.bytes_read += compared
            failures = [
                None if outcome.finite else nonfinite.failure(job.weights, outcome, prepared, inputs)
                for job, outcome in zip(work.jobs, work.outcomes, strict=True)
            ]
        self._require_unchanged()
        if limits.verify:
            for output, outcome in zip(self._outputs, work.outcomes, strict=True):
                if outcome.finite:
                    verification.check(output.folder, prepared.layout, outcome.shard_digests, limits)
        return work, failures

    def _allow_files(self) -> None:
        """All files of inputs and outputs are open at once. Raises InvalidRequestError where that is too many."""
        read = sum(len(checkpoint.files) for checkpoint in self._prepared.read)
        needed = read + len(self._outputs) * len(self._shards) + SPARE_FILES
        allowed = machine.allow_files(needed)
        if allowed < needed:
            written = findings.counted(len(self._shards), "file")
            raise InvalidRequestError(
                f"this process may open {allowed} files; {read} of the checkpoints and "
                f"{findings.counted(len(self._outputs), 'merge')} of {written} each take {needed}, with {SPARE_FILES} "
                "for all else: choose a larger merge.maxShardSize or a smaller merger.batch, or raise the limit",
                reason=Reason.MALFORMED_REQUEST,
            )

    def _run(self, work: Pass, say: Progress) -> None:
        merges = len(self._outputs)
        total = merges * sum(self._prepared.layout.shards[number].size for number in self._shards)
        meter = progress.Meter(total, lambda: merges * work.bytes_merged, say, bar=self._limits.bar)
        try:
            work.run(meter.watch)
        finally:
            meter.end()

    def _writes(self, tensor: str) -> bool:
        shards = (self._prepared.layout.shards[number] for number in self._shards)
        return any(held.name == tensor for shard in shards for held in shard.tensors)

    def _pass(self, inputs: Inputs, kernel: kernels.Choice) -> Pass:
        prepared, limits = self._prepared, self._limits
        jobs = [
            Job(
                weights=prepared.weights(candidate),
                output=output,
                digested=candidate.keep or limits.verify or settings.DIGEST_TRANSIENT,
            )
            for candidate, output in zip(prepared.candidates, self._outputs, strict=True)
        ]
        plan = plans.Plan(prepared.layout, prepared.read, len(jobs), self._budget.slot_bytes, limits.chunk_bytes)
        arithmetic = kernels.arithmetic(kernel, [job.weights for job in jobs], self._dtype, limits)
        return Pass(plan, inputs, jobs, arithmetic, self._budget, self._shards)

    def _require_unchanged(self) -> None:
        """A checkpoint that is written while it is read makes a mixture of two."""
        stale = [label for checkpoint in self._prepared.read for label in reader.stale_files(checkpoint.files)]
        if stale:
            raise InvalidRequestError(
                f"{findings.names(stale)}: changed while being merged", reason=Reason.CHECKPOINT_CHANGED
            )


def choose_budget(prepared: Prepared, limits: Settings, dtype: str) -> budgets.Budget:
    """The memory of a merge into float dtype `dtype`. Raises InvalidRequestError where it is too small."""
    one = budgets.of_checkpoints(
        prepared.read,
        [prepared.reference],
        prepared.layout,
        dtype,
        chunk_bytes=limits.chunk_bytes,
        tile_bytes=limits.tile_bytes,
    )
    work = replace(one, candidates=len(prepared.candidates))
    try:
        return budgets.choose(work, limits.threads, limits.memory_bytes, limits.slot_bytes)
    except budgets.BudgetError as error:
        raise InvalidRequestError(f"{error}; give the merger more memory", reason=Reason.OUT_OF_MEMORY) from error
