"""The arithmetic of a merge on a processor: the one module that imports numpy.

For every element, in spec order, with s the sum and w, x weight and input:

    s = w·x of the first input that is read,  then  s = s + w·x  of each further one,  then one rounding to the output

Sums are fp32 for bf16 and fp16 outputs, fp64 for fp32 outputs; the weights are fp64 until they are rounded to the
same. The product and the sum are two roundings, never a fused one, and no element meets another: so threads, tiles and
batches cannot change a bit, and neither can the processor. Rounding is to nearest, ties to even. Buffers are reused:
their size depends on the tile and on the number of candidates, not on the number of inputs.

A sum of n inputs meets r = n + 1 roundings on its way: that of a weight, of a product, and of n - 1 additions; and
r = n + 2 where inputs are fp64 and the sums fp32, since x itself is rounded first. Its error is so at most (Higham,
Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), with u = 2^-24 for fp32 sums and 2^-53 for fp64
sums, and h, one half of the least subnormal (2^-150, 2^-1075), for each x and each product that underflows:

    |s - exact|  <=  r u / (1 - r u) · (|w1·x1| + ... + |wn·xn|)  +  n h  (of fp64 inputs in fp32: 3 n h)

That holds for weights from 0 to 1, unless one is so small that it is itself subnormal in the sums' precision.
The output is s rounded once more, correctly. So it is the correctly rounded exact sum, but where a tie lies within that
error of it; then it is the neighbour on the other side of the tie.

Where all that is read and written is bf16, two elements are widened at once, as the halves of one 32-bit word: the
buffers then hold the even elements, and after them the odd ones. Nobody but `load` and `round` knows of that.

There a compiled library takes the place of these buffers, if it is given: `kernel.c` does the same in one pass over
each input. What is here is its reference, and does all else.
"""

import functools
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mergesearch_merger import buffers, compiled, dtypes
from mergesearch_merger.plan import Run
from mergesearch_merger.slots import NotFinite, Place, Slot

Array = npt.NDArray[Any]

STORED: dict[str, type[np.generic]] = {"F64": np.float64, "F32": np.float32, "F16": np.uint16, "BF16": np.uint16}
"""How the bytes of a float dtype are looked at; numpy knows no bf16, and fp16 goes through a table."""

FP16_VALUES = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
"""The value of every fp16 number: looking up is faster than converting, and exact."""

BF16_OVERFLOW = np.uint32(0x7F7F8000).view(np.float32)
"""The smallest positive fp32 number that rounds to infinity in bf16."""
UPPER = np.uint32(0xFFFF0000)

EXPONENTS: dict[str, tuple[type[np.uint16] | type[np.uint32], int]] = {
    "F16": (np.uint16, 0x7C00),
    "F32": (np.uint32, 0x7F800000),
}
"""An output is not finite where all bits of its exponent are set."""


def silent() -> "np.errstate":
    """A context in which overflow is not a warning: it is counted."""
    return np.errstate(all="ignore")


class Kernel:
    """The buffers of one thread, for tiles of at most `tile_bytes` in the output, of `candidates` candidates."""

    def __init__(self, tile_bytes: int, candidates: int, output: str) -> None:
        self._wide: type[np.float32] | type[np.float64] = np.float32 if output in dtypes.HALVES else np.float64
        self.tile_elements = max(tile_bytes // dtypes.width(output), 1)
        self._output = output
        self._value = np.empty(self.tile_elements, self._wide)
        self._scratch = np.empty(self.tile_elements, self._wide)
        self._sums = [np.empty(self.tile_elements, self._wide) for _ in range(candidates)]
        self._elements = 0
        self._in_pairs = False

    def begin(self, elements: int, sources: Sequence[str]) -> None:
        """The next tile has so many elements, in inputs of these dtypes."""
        self._elements = elements
        self._in_pairs = elements % 2 == 0 and self._output == "BF16" and set(sources) == {"BF16"}

    def load(self, stored: memoryview, dtype: str) -> None:
        """Widen the bytes of one input's tile, elements of float dtype `dtype`."""
        value = self._value[: self._elements]
        if self._in_pairs:
            words = np.frombuffer(stored, np.uint32)
            bits, half = value.view(np.uint32), self._elements // 2
            np.left_shift(words, 16, out=bits[:half])
            np.bitwise_and(words, UPPER, out=bits[half:])
            return
        array = np.frombuffer(stored, STORED[dtype])
        if dtype in dtypes.HALVES:
            narrow = self._scratch.view(np.float32)[: self._elements] if self._wide is np.float64 else value
            if dtype == "BF16":
                bits = narrow.view(np.uint32)
                np.copyto(bits, array)
                np.left_shift(bits, 16, out=bits)
            else:
                np.take(FP16_VALUES, array, out=narrow, mode="wrap")
            if narrow is not value:
                np.copyto(value, narrow)
        else:
            np.copyto(value, array, casting="same_kind")

    def add(self, candidate: int, weight: float, *, first: bool) -> None:
        """Add the loaded input, times `weight`, to the candidate's sum; the first input begins it."""
        scale = self._wide(weight)
        value, total = self._value[: self._elements], self._sums[candidate][: self._elements]
        if first:
            np.multiply(value, scale, out=total)
        else:
            product = self._scratch[: self._elements]
            np.multiply(value, scale, out=product)
            np.add(total, product, out=total)

    def round(self, candidate: int, into: memoryview) -> tuple[int, int]:
        """Write the candidate's elements to `into`; returns how many of them are NaN and infinite. Its sum is lost."""
        total = self._sums[candidate][: self._elements]
        if self._output == "BF16":
            return self._round_to_bf16(total, into)
        out = np.frombuffer(into, np.float16 if self._output == "F16" else np.float32)
        np.copyto(out, total, casting="same_kind")
        unsigned, mask = EXPONENTS[self._output]
        bits = self._scratch.view(unsigned)[: self._elements]
        np.bitwise_and(out.view(unsigned), unsigned(mask), out=bits)
        if int(bits.max(initial=0)) < mask:
            return 0, 0
        return int(np.isnan(out).sum()), int(np.isinf(out).sum())

    def _round_to_bf16(self, total: Array, into: memoryview) -> tuple[int, int]:
        """Add half a unit of the last place, one bit less where the kept part is even, and cut: numpy knows no bf16."""
        nans = infinite = 0
        if not (total.max() < BF16_OVERFLOW and total.min() > -BF16_OVERFLOW):  # so written that NaN is caught
            nans = int(np.isnan(total).sum())
            infinite = int((np.abs(total) >= BF16_OVERFLOW).sum())
        bits, scratch = total.view(np.uint32), self._scratch.view(np.uint32)[: total.size]
        np.right_shift(bits, 16, out=scratch)
        np.bitwise_and(scratch, 1, out=scratch)
        np.add(scratch, 0x7FFF, out=scratch)
        np.add(bits, scratch, out=bits)
        if self._in_pairs:
            half = total.size // 2
            np.right_shift(bits[:half], 16, out=bits[:half])
            np.bitwise_and(bits[half:], UPPER, out=bits[half:])
            np.bitwise_or(bits[:half], bits[half:], out=np.frombuffer(into, np.uint32))
        else:
            np.right_shift(bits, 16, out=bits)
            np.copyto(np.frombuffer(into, np.uint16), bits, casting="same_kind")
        return nans, infinite

    def loaded_is_finite(self) -> bool:
        """Whether all elements of the loaded input are numbers."""
        return bool(np.isfinite(self._value[: self._elements]).all())


class Arithmetic:
    """Merges units on a processor; one for all threads, each of which has a `worker`."""

    def __init__(
        self,
        weights: Sequence[Sequence[float]],
        output: str,
        tile_bytes: int,
        library: compiled.Library | None = None,
    ) -> None:
        """`weights` of every candidate, one for each input of the plan; without `library` numpy does all."""
        self._weights = weights
        self._library = library
        self._output = output
        self._tile_bytes = tile_bytes

    def allocate(self, size: int) -> memoryview:
        """Memory for a slot, untouched: pages that no unit reaches cost nothing."""
        return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    def worker(self) -> "Worker":
        """For one thread."""
        kernel = Kernel(self._tile_bytes, len(self._weights), self._output)
        return Worker(self._weights, kernel, compiled.Sums(self._library, self._weights) if self._library else None)


class Worker:
    """Merges units in one thread."""

    def __init__(self, weights: Sequence[Sequence[float]], kernel: Kernel, sums: compiled.Sums | None) -> None:
        self._weights = weights
        self._kernel = kernel
        self._sums = sums

    def merge(self, slot: Slot) -> None:
        """Fill the slot's outputs from what was read into it, and note what is not finite or not equal."""
        outputs = [slot.output(candidate) for candidate in range(len(self._weights))]
        for output in outputs:
            output[: len(slot.held.head)] = slot.held.head
        with silent():
            for run in slot.held.runs:
                if run.tensor.dtype in dtypes.BUFFERS:
                    buffers.copy(slot, run, self._weights, outputs)
                else:
                    self._run(slot, run, outputs)

    def _run(self, slot: Slot, run: Run, outputs: Sequence[memoryview]) -> None:
        inputs = [slot.memory[at : at + run.elements * dtypes.width(dtype)] for at, dtype in run.sources]
        begin = run.offset - slot.held.begin
        into = [output[begin : begin + run.size] for output in outputs]
        if self._sums is not None and self._sums.suit(run):
            tile = self._sums.tiles(inputs, into)
        else:
            tile = functools.partial(self._tile, run, inputs, into)
        for first in range(0, run.elements, self._kernel.tile_elements):
            elements = min(self._kernel.tile_elements, run.elements - first)
            for candidate, (nans, infinite) in enumerate(tile(first, elements)):
                if nans or infinite:
                    offset = run.offset + first * dtypes.width(run.tensor.dtype)
                    place = Place(slot.held.shard, offset, run.tensor, run.first + first, elements)
                    slot.not_finite.append(NotFinite(candidate, place, nans, infinite))

    def _tile(
        self, run: Run, inputs: Sequence[memoryview], into: Sequence[memoryview], first: int, elements: int
    ) -> list[tuple[int, int]]:
        """A `compiled.Tile`, by numpy."""
        self._kernel.begin(elements, [dtype for _, dtype in run.sources])
        begun = [False] * len(into)
        for number, (stored, (_, dtype)) in enumerate(zip(inputs, run.sources, strict=True)):
            self._kernel.load(_part(stored, first, elements, dtype), dtype)
            for candidate, weights in enumerate(self._weights):
                if weights[number] != 0.0:
                    self._kernel.add(candidate, weights[number], first=not begun[candidate])
                    begun[candidate] = True
        return [
            self._kernel.round(candidate, _part(output, first, elements, run.tensor.dtype))
            for candidate, output in enumerate(into)
        ]


def _part(memory: memoryview, first: int, elements: int, dtype: str) -> memoryview:
    width = dtypes.width(dtype)
    return memory[first * width : (first + elements) * width]
