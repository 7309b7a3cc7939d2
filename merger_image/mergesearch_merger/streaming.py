"""Carries out the plan of a merge: threads that read, sum, round, write and digest, tile by tile.

Every tile of every input is read once, whatever the number of candidates. Each thread takes a chunk of an output file
at a time and goes through it from front to back; memory is threads x tile x (candidates + a few).
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mergesearch_merger import digests, dtypes, plan
from mergesearch_merger import kernel as kernels
from mergesearch_merger.inputs import Inputs, Source
from mergesearch_merger.layout import Layout
from mergesearch_merger.output import Output
from mergesearch_merger.settings import Settings

PROGRESS_SECONDS = 2.0


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
    first_bad: tuple[int, int, plan.Tile] | None = None
    """The first tile in the output with a bad element: shard, offset, tile."""
    unequal_buffers: set[str] = field(default_factory=set)
    """Integer or bool tensors that differ between the candidate's inputs; the first was taken."""
    shard_digests: dict[int, str] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether all weights are numbers."""
        return self.nans + self.infinite == 0


class Pass:
    """One pass over the inputs for all jobs. `dtype` is the output's float dtype, as the format names it."""

    def __init__(self, layout: Layout, inputs: Inputs, jobs: Sequence[Job], dtype: str, settings: Settings) -> None:
        self._layout = layout
        self._inputs = inputs
        self.jobs = jobs
        self._dtype = dtype
        self._settings = settings
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._chunks = plan.chunks(layout, settings.chunk_bytes)
        self._open_chunks = [-(-shard.size // settings.chunk_bytes) for shard in layout.shards]
        self._chunk_digests: list[dict[tuple[int, int], bytes]] = [{} for _ in jobs]
        self._errors: list[BaseException] = []
        self._bytes_done = 0
        self.outcomes = tuple(Outcome() for _ in jobs)
        self.bytes_read = 0

    def run(self, progress: Callable[[str], None]) -> None:
        """Do all the work. Raises what a thread raised; when this thread is interrupted, the others stop soon."""
        threads = [threading.Thread(target=self._work) for _ in range(self._settings.threads)]
        try:
            for thread in threads:
                thread.start()
            self._watch(threads, progress)
        finally:
            self._stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._errors:
            raise self._errors[0]

    def _watch(self, threads: Sequence[threading.Thread], progress: Callable[[str], None]) -> None:
        said = time.monotonic()
        for thread in threads:
            while thread.is_alive():
                thread.join(timeout=PROGRESS_SECONDS / 4)
                if thread.is_alive() and time.monotonic() - said >= PROGRESS_SECONDS:
                    said = time.monotonic()
                    progress(f"merged {self._bytes_done / 2**30:.1f} of {self._layout.size / 2**30:.1f} GiB")

    def _work(self) -> None:
        try:
            with kernels.silent():
                kernel = kernels.Kernel(self._settings.tile_bytes, len(self.jobs), self._dtype)
                while not self._stop.is_set() and (chunk := self._next_chunk()) is not None:
                    self._do_chunk(kernel, chunk)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that started this one
            with self._lock:
                self._errors.append(error)
            self._stop.set()

    def _next_chunk(self) -> plan.Chunk | None:
        with self._lock:
            return next(self._chunks, None)

    def _do_chunk(self, kernel: kernels.Kernel, chunk: plan.Chunk) -> None:
        shard = self._layout.shards[chunk.shard]
        head = plan.header_part(shard, chunk)
        hashers = [hashlib.sha256(head) if job.digested else None for job in self.jobs]
        sources: tuple[Source, ...] = ()
        name = None
        read = 0
        for tile in plan.tiles(shard, chunk, self._settings.tile_bytes):
            if self._stop.is_set():
                return
            if tile.tensor.name != name:
                name = tile.tensor.name
                sources = self._inputs.sources(name)
            read += self._read(kernel, tile, sources)
            self._write(kernel, chunk, tile, hashers)
        self._finish_chunk(chunk, hashers, read)

    def _read(self, kernel: kernels.Kernel, tile: plan.Tile, sources: Sequence[Source]) -> int:
        """Take in one tile of every input; returns how many bytes were read."""
        begun = [False] * len(self.jobs)
        is_buffer = tile.tensor.dtype in dtypes.BUFFERS
        read = 0
        for number, source in enumerate(sources):
            size = tile.elements * dtypes.width(source.tensor.dtype)
            source.read(tile.first, kernel.input(size))
            read += size
            if not is_buffer:
                kernel.load(source.tensor.dtype, tile.elements)
            for candidate, job in enumerate(self.jobs):
                if job.weights[number] == 0.0:
                    continue
                if not is_buffer:
                    kernel.add(candidate, job.weights[number], tile.elements, first=not begun[candidate])
                elif not begun[candidate]:
                    kernel.copy(candidate, size)
                elif not kernel.equals(candidate, size):
                    self._note_unequal(candidate, tile)
                begun[candidate] = True
        return read

    def _note_unequal(self, candidate: int, tile: plan.Tile) -> None:
        with self._lock:
            self.outcomes[candidate].unequal_buffers.add(tile.tensor.name)

    def _write(
        self, kernel: kernels.Kernel, chunk: plan.Chunk, tile: plan.Tile, hashers: "Sequence[hashlib._Hash | None]"
    ) -> None:
        """Round, write and digest one tile of every candidate; one that is not finite is counted, not written."""
        for candidate, (job, hasher) in enumerate(zip(self.jobs, hashers, strict=True)):
            if tile.tensor.dtype in dtypes.BUFFERS:
                content, nans, infinite = kernel.copied(candidate, tile.size), 0, 0
            else:
                content, nans, infinite = kernel.round(candidate, tile.elements)
            if nans or infinite:
                self._note_bad(candidate, (chunk.shard, tile.offset, tile), nans, infinite)
            if not self.outcomes[candidate].finite:
                continue
            job.output.write(chunk.shard, tile.offset, content)
            if hasher is not None:
                hasher.update(content)

    def _note_bad(self, candidate: int, found: tuple[int, int, plan.Tile], nans: int, infinite: int) -> None:
        with self._lock:
            outcome = self.outcomes[candidate]
            outcome.nans += nans
            outcome.infinite += infinite
            outcome.bad_tensors.add(found[2].tensor.name)
            if outcome.first_bad is None or found[:2] < outcome.first_bad[:2]:
                outcome.first_bad = found

    def _finish_chunk(self, chunk: plan.Chunk, hashers: "Sequence[hashlib._Hash | None]", read: int) -> None:
        with self._lock:
            self.bytes_read += read
            self._bytes_done += chunk.end - chunk.begin
            self._open_chunks[chunk.shard] -= 1
            last = self._open_chunks[chunk.shard] == 0
            for candidate, hasher in enumerate(hashers):
                if hasher is not None:
                    self._chunk_digests[candidate][chunk.shard, chunk.index] = hasher.digest()
        if last:
            self._finish_shard(chunk.shard)

    def _finish_shard(self, shard: int) -> None:
        count = -(-self._layout.shards[shard].size // self._settings.chunk_bytes)
        for candidate, job in enumerate(self.jobs):
            if self.outcomes[candidate].finite:
                job.output.finish_shard(shard)
            if job.digested:
                found = self._chunk_digests[candidate]
                self.outcomes[candidate].shard_digests[shard] = digests.of_chunks(
                    found.pop((shard, index)) for index in range(count)
                )
