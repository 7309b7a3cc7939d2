"""How a merge shares its memory: so many threads of each kind, and so many slots of one size between them. Pure.

A slot holds a unit of the plan on its way: the bytes of all inputs, then those of all outputs. With more inputs a unit
gets shorter, not the slot larger: so memory depends neither on the inputs' number nor on their size; on the number of
their tensors it does, since all headers are held.

    memory  = BASE_BYTES + tensors x TENSOR_BYTES + slots x slot + workers x scratch
    scratch = tile x (candidates + 3) as sums, and as indices where there is fp16; the compiled kernel needs none
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mergesearch_merger import dtypes, plan
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.layout import Layout

BASE_BYTES = 64 * 2**20
"""What the interpreter and numpy take."""
TENSOR_BYTES = 800
"""What a process holds for each tensor of each input and of the output: eight inputs of 40,000 tensors took 714 each,
and 790 where eight candidates were written; one such input 840, and 990.
"""
INDEX_BYTES = 8
"""Of an element that numpy looks up in a table."""
LARGEST_SLOT_BYTES = 16 * 2**20
"""More does not make a disk faster: with eight inputs it is read in pieces of 1.7 MiB."""
MOST_READERS = 8
WRITERS = 2
"""Each writes a whole unit at once; a file system takes that from the cache of two as fast as from more."""


class BudgetError(ValueError):
    """The memory is too small for the merge; the message says how much it needs."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Threads that read, merge and write, and the slots that go round between them."""

    readers: int
    workers: int
    writers: int
    slots: int
    slot_bytes: int
    scratch_bytes: int
    """Of each worker."""
    base_bytes: int
    """Whatever the threads and slots."""

    @property
    def memory_bytes(self) -> int:
        """What the process will hold at most, about."""
        return self.base_bytes + self.slots * self.slot_bytes + self.workers * self.scratch_bytes


@dataclass(frozen=True, slots=True)
class Work:
    """What a merge has to hold at once."""

    inputs: Sequence[Sequence[str]]
    """The dtypes of each input, as the format names them."""
    output: str
    """The float dtype of the outputs."""
    candidates: int
    chunk_bytes: int
    """The least that a unit may be, in one output."""
    chunk_runs: int
    """From how many tensors a chunk may come; each piece that is read for it may cost an alignment."""
    tile_bytes: int
    tensors: int
    """Of all inputs and the output together."""

    @property
    def base_bytes(self) -> int:
        """What is held whatever the threads and slots."""
        return BASE_BYTES + self.tensors * TENSOR_BYTES

    @property
    def least_memory_bytes(self) -> int:
        """With less, the merge is refused: one thread of each kind, and two slots."""
        return self.base_bytes + 2 * self.least_slot_bytes + self.scratch_bytes

    @property
    def least_slot_bytes(self) -> int:
        """Of a slot that takes one chunk of everything."""
        inputs = sum(self._chunk_of(dtypes_of_it) for dtypes_of_it in self.inputs)
        aligning = plan.ALIGNMENT * (self.chunk_runs * len(self.inputs) + self.candidates)
        return inputs + self.candidates * self.chunk_bytes + aligning

    @property
    def scratch_bytes(self) -> int:
        """Of the sums and other buffers of one worker."""
        wide = 4 if self.output in dtypes.HALVES else 8
        looked_up = INDEX_BYTES if any("F16" in held for held in self.inputs) else 0
        return self.tile_bytes // dtypes.width(self.output) * (wide * (self.candidates + 3) + looked_up)

    def _chunk_of(self, held: Sequence[str]) -> int:
        """Bytes of one input that become a chunk at most; buffers keep their width."""
        floats = [dtypes.width(name) for name in held if name in dtypes.FLOATS]
        merged = self.chunk_bytes * max(floats, default=0) // dtypes.width(self.output)
        return max(merged, self.chunk_bytes if dtypes.BUFFERS & set(held) else 0)


def of_checkpoints(
    read: Sequence[Checkpoint],
    others: Sequence[Checkpoint],
    layout: Layout,
    output: str,
    *,
    chunk_bytes: int,
    tile_bytes: int,
) -> Work:
    """What one merge of `read` into float dtype `output` holds; of `others` it holds the headers alone."""
    held = {checkpoint.name: checkpoint for checkpoint in (*read, *others)}
    return Work(
        inputs=[checkpoint.dtypes for checkpoint in read],
        output=output,
        candidates=1,
        chunk_bytes=chunk_bytes,
        chunk_runs=plan.most_runs(layout, chunk_bytes),
        tile_bytes=tile_bytes,
        tensors=plan.count_tensors(layout, held.values()),
    )


def choose(work: Work, cpus: int, memory_bytes: int, largest_slot_bytes: int = LARGEST_SLOT_BYTES) -> Budget:
    """The fastest budget within `memory_bytes`. Raises BudgetError where even the least does not fit."""
    for workers in range(cpus, 0, -1):
        readers, writers = max(1, min(workers, MOST_READERS)), min(workers, WRITERS)
        found = _budget(work, (readers, workers, writers), memory_bytes, largest_slot_bytes)
        if found is not None:
            return found
    raise BudgetError(
        f"{_mebibytes(memory_bytes)} of memory are too little: a merge of {len(work.inputs)} inputs with "
        f"{work.candidates} candidates at once, {work.tensors} tensors in all, takes at least "
        f"{_mebibytes(work.least_memory_bytes)}"
    )


def _budget(work: Work, threads: tuple[int, int, int], memory_bytes: int, largest_slot_bytes: int) -> Budget | None:
    """With a slot for every thread, or at least one that is read while another is merged."""
    readers, workers, writers = threads
    room = memory_bytes - work.base_bytes - workers * work.scratch_bytes
    for slots in (sum(threads), workers + 1):
        size = min(max(largest_slot_bytes, work.least_slot_bytes), room // slots)
        if size >= work.least_slot_bytes:
            return Budget(readers, workers, writers, slots, size, work.scratch_bytes, work.base_bytes)
    return None


def _mebibytes(count: int) -> str:
    return f"{-(-count // 2**20)} MiB"
