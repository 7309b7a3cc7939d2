"""What a merge will cost, before a byte of weights is read: bytes, memory, disk and seconds. Pure.

    seconds = max(read / read bandwidth, written / write bandwidth)
              + elements x inputs x candidates x seconds per term / processors

Reading and writing overlap, so the slower of the two counts; the sums are added, though they overlap in part, so that
the figure is rather too high. Of slices each reads and writes its share at bandwidths of its own, and the largest share
counts: slices on one disk, or behind one file server, save nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_merger import budget, compiled, dtypes, layout, settings, slices
from mergesearch_merger.checkpoint import Checkpoint

COMPILED_SECONDS_PER_TERM = 0.12e-9
"""Of one processor, for one element of one input of one candidate, where all is bf16: by the compiled kernel 0.8 to
0.9 ms for 2^20 elements of eight inputs. A merger that was built without it takes what numpy takes.
"""
NUMPY_SECONDS_PER_TERM = 0.5e-9
"""The same by numpy: the 1.6 to 2.1 ns with four inputs that settled `settings.TILE_BYTES`."""

MOST_FILES = 10_000
"""Of one merge; of files of the usual size that is fifty terabytes."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What has to be known of checkpoints and output."""

    input_bytes: tuple[int, ...]
    """To be read of each checkpoint: all tensors that the output holds."""
    elements: int
    """Of one merge."""
    layout: layout.Layout
    work: budget.Work
    """What one merge has to hold at once."""
    other_bytes: int = 0
    """Of config, tokenizer and records beside the weights of one merge."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a process has for itself."""

    processors: int
    memory_bytes: int
    """That it may take."""
    read_bandwidth: float
    """Bytes per second."""
    write_bandwidth: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What to expect of one pass over the checkpoints."""

    candidates: int
    """Merges that are written in this pass."""
    slices: int
    """Processes that share it."""
    read_bytes: int
    """By all processes."""
    written_bytes: int
    disk_bytes: int
    """What all merges of the pass take in the end; nothing else is written on the way."""
    memory_bytes: int | None
    """Of each process; None where it has too little."""
    least_memory_bytes: int
    seconds: float


def estimate(sizes: Sizes, machine: Machine, candidates: int = 1, processes: int = 1) -> Estimate:
    """The cost of writing `candidates` merges in one pass that `processes` slices share."""
    wanted = replace(sizes.work, candidates=candidates)
    try:
        memory: int | None = budget.choose(wanted, machine.processors, machine.memory_bytes).memory_bytes
    except budget.BudgetError:
        memory = None
    read, written = sum(sizes.input_bytes), candidates * sizes.layout.size
    fast = compiled.suits(wanted.output, wanted.inputs)
    per_term = COMPILED_SECONDS_PER_TERM if fast else NUMPY_SECONDS_PER_TERM
    summing = sizes.elements * len(sizes.input_bytes) * candidates * per_term / machine.processors
    moving = max(read / machine.read_bandwidth, written / machine.write_bandwidth)
    return Estimate(
        candidates=candidates,
        slices=processes,
        read_bytes=read,
        written_bytes=written,
        disk_bytes=written + candidates * sizes.other_bytes,
        memory_bytes=memory,
        least_memory_bytes=wanted.least_memory_bytes,
        seconds=largest_share(sizes.layout, processes) * (moving + summing),
    )


def largest_share(planned: layout.Layout, processes: int) -> float:
    """The part of the output that the slice with most to do writes: slices take whole shards."""
    shares = (slices.shards(planned, index, processes) for index in range(processes))
    return max(sum(planned.shards[number].size for number in share) for share in shares) / planned.size


def of_numbers(parameters: int, checkpoints: int, dtype: str, output: str, max_shard_bytes: int) -> Sizes:
    """Sizes of checkpoints that nobody has looked at: all of float dtype `dtype`, in tensors of any size. Raises
    InvalidRequestError where the output takes more than MOST_FILES.
    """
    total = parameters * dtypes.width(output)
    full, rest = divmod(total, max_shard_bytes)
    if full + (rest > 0) > MOST_FILES:
        raise InvalidRequestError(
            f"{parameters} parameters make {full + (rest > 0)} files of {max_shard_bytes} bytes, more than "
            f"{MOST_FILES}: is the number right? Otherwise give a larger --max-shard-size",
            reason=Reason.MALFORMED_REQUEST,
        )
    return Sizes(
        input_bytes=(parameters * dtypes.width(dtype),) * checkpoints,
        elements=parameters,
        layout=layout.Layout(tuple(map(_shard, [max_shard_bytes] * full + [rest] * (rest > 0)))),
        work=budget.Work(
            inputs=((dtype,),) * checkpoints,
            output=output,
            candidates=1,
            chunk_bytes=settings.DIGEST_CHUNK_BYTES,
            chunk_runs=1,
            tile_bytes=settings.TILE_BYTES,
            tensors=0,
        ),
    )


def _shard(size: int) -> layout.Shard:
    return layout.Shard(name="", header=b"", tensors=(), begins=(), size=size)


def of_checkpoints(
    inputs: Sequence[Checkpoint],
    planned: layout.Layout,
    output: str,
    *,
    other_bytes: int = 0,
    tile_bytes: int = settings.TILE_BYTES,
) -> Sizes:
    """Sizes of checkpoints whose headers have been read, and that can be merged into `planned`; with tiles as large as
    they get, unless it is said.
    """
    tensors = [tensor for shard in planned.shards for tensor in shard.tensors]
    return Sizes(
        input_bytes=tuple(sum(_stored_bytes(one, tensor.name) for tensor in tensors) for one in inputs),
        elements=sum(tensor.elements for tensor in tensors),
        layout=planned,
        work=budget.of_checkpoints(
            inputs, (), planned, output, chunk_bytes=settings.DIGEST_CHUNK_BYTES, tile_bytes=tile_bytes
        ),
        other_bytes=other_bytes,
    )


def _stored_bytes(checkpoint: Checkpoint, name: str) -> int:
    tensor = checkpoint.places[name].tensor
    return tensor.end - tensor.begin
