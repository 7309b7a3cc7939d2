"""One pass over the inputs for all candidates of a merge: what readers, workers and writers do to each slot.

Every byte of every input is read once, whatever the number of candidates, and every byte of an output is written once.
What the threads find is gathered here under one lock.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mergesearch_merger import digests
from mergesearch_merger.budget import Budget
from mergesearch_merger.inputs import Inputs
from mergesearch_merger.output import Output
from mergesearch_merger.pipeline import Pipeline, Stage
from mergesearch_merger.plan import Plan
from mergesearch_merger.slots import Place, Slot


class Worker(Protocol):
    """Merges units in one thread."""

    def merge(self, slot: Slot) -> None:
        """Fill the slot's outputs from what was read into it, and note what is not finite or not equal."""


class Arithmetic(Protocol):
    """Where and how units are merged."""

    def allocate(self, size: int) -> memoryview:
        """Memory for a slot."""

    def worker(self) -> Worker:
        """For one thread."""


@dataclass(frozen=True, slots=True)
class Job:
    """One candidate of the pass."""

    weights: tuple[float, ...]
    """Of the inputs of the pass, in order; 0 leaves an input out."""
    output: Output
    digested: bool


@dataclass(slots=True)
class Outcome:
    """What the pass did for one candidate."""

    nans: int = 0
    infinite: int = 0
    bad_tensors: set[str] = field(default_factory=set)
    first_bad: Place | None = None
    """The first place in the output with a bad element."""
    unequal_buffers: set[str] = field(default_factory=set)
    """Integer or bool tensors that differ between the candidate's inputs; the first was taken."""
    shard_digests: dict[int, str] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether all weights are numbers."""
        return self.nans + self.infinite == 0


class Pass:
    """One pass over the inputs for all jobs; `shards` are the numbers of those that are written."""

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        jobs: Sequence[Job],
        arithmetic: Arithmetic,
        budget: Budget,
        shards: Collection[int],
    ) -> None:
        self._plan = plan
        self._inputs = inputs
        self.jobs = jobs
        self._arithmetic = arithmetic
        self._budget = budget
        self._shards = shards
        self._lock = threading.Lock()
        self._left = {number: plan.layout.shards[number].size for number in shards}
        self._chunk_digests: list[dict[int, bytearray]] = [{} for _ in jobs]
        self.outcomes = tuple(Outcome() for _ in jobs)
        self.bytes_read = 0
        self.bytes_merged = 0
        """Of one output."""

    def run(self, watch: Callable[[], None]) -> None:
        """Do all the work; `watch` is called now and then. Raises what a thread raised."""
        slots = [Slot(self._arithmetic.allocate(self._budget.slot_bytes)) for _ in range(self._budget.slots)]
        stages = [
            Stage("read", self._budget.readers, lambda: self._read),
            Stage("merge", self._budget.workers, self._worker),
            Stage("write", self._budget.writers, lambda: self._write),
        ]
        Pipeline(self._plan.units(self._shards), slots, stages).run(watch)

    def _read(self, slot: Slot) -> None:
        for read in slot.held.reads:
            self._inputs.read(read, slot.read_into(read))
        with self._lock:
            self.bytes_read += sum(read.size for read in slot.held.reads)

    def _worker(self) -> Callable[[Slot], None]:
        worker = self._arithmetic.worker()

        def merge(slot: Slot) -> None:
            worker.merge(slot)
            if slot.not_finite or slot.unequal:
                with self._lock:
                    self._gather(slot)

        return merge

    def _gather(self, slot: Slot) -> None:
        for found in slot.not_finite:
            outcome = self.outcomes[found.candidate]
            outcome.nans += found.nans
            outcome.infinite += found.infinite
            outcome.bad_tensors.add(found.place.tensor.name)
            first, place = outcome.first_bad, found.place
            if first is None or (place.shard, place.offset) < (first.shard, first.offset):
                outcome.first_bad = place
        for candidate, tensor in slot.unequal:
            self.outcomes[candidate].unequal_buffers.add(tensor)

    def _write(self, slot: Slot) -> None:
        """Write and digest what belongs to candidates that are still finite; the others will never be published."""
        unit = slot.held
        for candidate, job in enumerate(self.jobs):
            if self.outcomes[candidate].finite:
                content = slot.output(candidate)
                job.output.write(unit.shard, unit.begin, content)
                if job.digested:
                    self._digest(candidate, unit.shard, unit.begin, content)
        with self._lock:
            self.bytes_merged += unit.end - unit.begin
            self._left[unit.shard] -= unit.end - unit.begin
            last = self._left[unit.shard] == 0
        if last:
            self._finish_shard(unit.shard)

    def _digest(self, candidate: int, shard: int, begin: int, content: memoryview) -> None:
        step = self._plan.chunk_bytes
        found = digests.chunks(content, step)
        with self._lock:
            shards = self._chunk_digests[candidate]
            if shard not in shards:
                shards[shard] = bytearray(digests.BYTES * -(-self._plan.layout.shards[shard].size // step))
            whole = shards[shard]
            at = begin // step * digests.BYTES
            whole[at : at + len(found)] = found

    def _finish_shard(self, shard: int) -> None:
        for candidate, job in enumerate(self.jobs):
            if self.outcomes[candidate].finite:
                job.output.finish_shard(shard)
                if job.digested:
                    found = self._chunk_digests[candidate].pop(shard)
                    self.outcomes[candidate].shard_digests[shard] = digests.of_chunks(found)
