"""The arithmetic of a merge on a processor: the one module that imports numpy.

For every element, in spec order, with s the sum and w, x weight and input:

    s = w·x of the first input that is read,  then  s = s + w·x  of each further one,  then one rounding to the output

Sums are fp32 for bf16 and fp16 outputs, fp64 for fp32 outputs; the weights are fp64 until they are rounded to the
same. The product and the sum are two roundings, never a fused one, and no element meets another: so threads, tiles and
batches cannot change a bit, and neither can the processor. Rounding is to nearest, ties to even. Buffers are reused:
their size depends on the tile and on the number of candidates, not on the number of inputs.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mergesearch_merger import dtypes

Array = npt.NDArray[Any]

STORED: dict[str, type[np.generic]] = {"F64": np.float64, "F32": np.float32, "F16": np.uint16, "BF16": np.uint16}
"""How the bytes of a float dtype are looked at; numpy knows no bf16, and fp16 goes through a table."""

FP16_VALUES = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
"""The value of every fp16 number: looking up is faster than converting, and exact."""

BF16_OVERFLOW = 0x7F7F8000
"""Bits of the smallest positive fp32 number that rounds to infinity in bf16; infinity and NaN have larger ones."""

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
        elements = tile_bytes // dtypes.width(output)
        self._output_dtype = output
        self._input = np.empty(elements * 8, np.uint8)
        self._value = np.empty(elements, self._wide)
        self._scratch = np.empty(elements, self._wide)
        self._sums = [np.empty(elements, self._wide) for _ in range(candidates)]
        self._rounded = np.empty(tile_bytes, np.uint8)

    def input(self, size: int) -> memoryview:
        """Where the next input's `size` bytes are to be read to."""
        return self._input.data[:size]

    def load(self, dtype: str, elements: int) -> None:
        """Widen what was read: `elements` elements of float dtype `dtype`."""
        stored = self._input.view(STORED[dtype])[:elements]
        value = self._value[:elements]
        if dtype == "BF16":
            narrow = self._scratch.view(np.float32)[:elements] if self._wide is np.float64 else value
            bits = narrow.view(np.uint32)
            np.copyto(bits, stored)
            np.left_shift(bits, 16, out=bits)
            if narrow is not value:
                np.copyto(value, narrow)
        elif dtype == "F16":
            narrow = self._scratch.view(np.float32)[:elements] if self._wide is np.float64 else value
            np.take(FP16_VALUES, stored, out=narrow, mode="wrap")
            if narrow is not value:
                np.copyto(value, narrow)
        else:
            np.copyto(value, stored, casting="same_kind")

    def add(self, candidate: int, weight: float, elements: int, *, first: bool) -> None:
        """Add the loaded input, times `weight`, to the candidate's sum; the first input begins it."""
        scale = self._wide(weight)
        value, total = self._value[:elements], self._sums[candidate][:elements]
        if first:
            np.multiply(value, scale, out=total)
        else:
            product = self._scratch[:elements]
            np.multiply(value, scale, out=product)
            np.add(total, product, out=total)

    def round(self, candidate: int, elements: int) -> tuple[memoryview, int, int]:
        """The candidate's output bytes, valid until the next call, and how many elements are NaN and infinite."""
        total = self._sums[candidate][:elements]
        if self._output_dtype == "BF16":
            return self._round_to_bf16(total)
        out = self._rounded.view(np.float16 if self._output_dtype == "F16" else np.float32)[:elements]
        np.copyto(out, total, casting="same_kind")
        unsigned, mask = EXPONENTS[self._output_dtype]
        bits = self._scratch.view(unsigned)[:elements]
        np.bitwise_and(out.view(unsigned), unsigned(mask), out=bits)
        if int(bits.max(initial=0)) < mask:
            return _bytes(out), 0, 0
        nans = int(np.isnan(out).sum())
        return _bytes(out), nans, int(np.isinf(out).sum())

    def _round_to_bf16(self, total: Array) -> tuple[memoryview, int, int]:
        """Add half a unit of the last place, one bit less where the kept part is even, and cut: numpy knows no bf16."""
        bits, scratch = total.view(np.uint32), self._scratch.view(np.uint32)[: total.size]
        np.left_shift(bits, 1, out=scratch)
        nans = infinite = 0
        if int(scratch.max(initial=0)) >= BF16_OVERFLOW << 1:
            nans = int(np.isnan(total).sum())
            infinite = int((scratch >= BF16_OVERFLOW << 1).sum()) - nans
        np.right_shift(bits, 16, out=scratch)
        np.bitwise_and(scratch, 1, out=scratch)
        np.add(scratch, 0x7FFF, out=scratch)
        np.add(bits, scratch, out=bits)
        np.right_shift(bits, 16, out=bits)
        out = self._rounded.view(np.uint16)[: total.size]
        np.copyto(out, bits, casting="same_kind")
        return _bytes(out), nans, infinite

    def loaded_is_finite(self, elements: int) -> bool:
        """Whether all elements of the loaded input are numbers."""
        return bool(np.isfinite(self._value[:elements]).all())

    def copy(self, candidate: int, size: int) -> None:
        """Keep the bytes of a buffer that was read as the candidate's output."""
        self._sums[candidate].view(np.uint8)[:size] = self._input[:size]

    def equals(self, candidate: int, size: int) -> bool:
        """Whether the bytes that were read are those that the candidate keeps."""
        return bool(np.array_equal(self._sums[candidate].view(np.uint8)[:size], self._input[:size]))

    def copied(self, candidate: int, size: int) -> memoryview:
        """The bytes that the candidate keeps."""
        return self._sums[candidate].view(np.uint8).data[:size]


def _bytes(array: Array) -> memoryview:
    return array.view(np.uint8).data
