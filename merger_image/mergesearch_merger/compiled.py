"""The arithmetic of a merge by a compiled library, `kernel.c`, for tiles of which all is bf16: the one module that
calls it. The library need not be there; who has none takes numpy, which gives the same bytes.

Nothing outside of the memory that is given is read or written: all sizes are compared here.
"""

import ctypes
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from mergesearch_merger import dtypes
from mergesearch_merger.plan import Run

LIBRARY = Path(__file__).with_name("libkernel.so")
"""Where a build leaves it; `hatch_build.py` knows it by this name."""
ABI = 1
"""Of the library that this module can call; `kernel.c` holds the same number."""
DTYPE = "BF16"
WIDTH = dtypes.width(DTYPE)
FUNCTION = "merge_bf16"

Tile = Callable[[int, int], Sequence[tuple[int, int]]]
"""Merges so many elements from a first one on; returns for each candidate how many are NaN and infinite, or nothing if
all are finite.
"""


class UnavailableError(Exception):
    """There is no library that this merger can call; the message says why."""


def suits(output: str, inputs: Sequence[Collection[str]]) -> bool:
    """Whether anything can be for the library in a merge of inputs of these dtypes into `output`."""
    return output == DTYPE and all(DTYPE in held for held in inputs)


class Library:
    """A loaded library."""

    def __init__(self, path: Path = LIBRARY, function: str = FUNCTION) -> None:
        """`function` is one of those that do the same. Raises UnavailableError."""
        if not path.is_file():
            raise UnavailableError(f"no {path.name} was compiled when this package was built")
        try:
            found = ctypes.CDLL(str(path))
            abi = int(found.merge_abi())
            if abi != ABI:
                raise UnavailableError(f"{path.name} is of another version of this package: ABI {abi} and not {ABI}")
            self.merge = found[function]
        except (OSError, AttributeError) as error:
            raise UnavailableError(f"{path.name} cannot be loaded: {error}") from error
        self.merge.argtypes = [ctypes.c_int64] * 4 + [ctypes.c_void_p] * 5
        self.merge.restype = ctypes.c_int64


class Sums:
    """The sums of candidates with these weights, one for each input; of one thread."""

    def __init__(self, library: Library, weights: Sequence[Sequence[float]]) -> None:
        flat = [weight for row in weights for weight in row]
        self._library = library
        self._sources, self._candidates = len(weights[0]), len(weights)
        self._weights = (ctypes.c_float * len(flat))(*flat)
        # By the weight as it was given: one that rounds to zero in fp32 is not left out.
        self._taken = (ctypes.c_ubyte * len(flat))(*(weight != 0.0 for weight in flat))
        self._not_finite = (ctypes.c_int64 * (2 * len(weights)))()

    @staticmethod
    def suit(run: Run) -> bool:
        """Whether all that is read and written of it is bf16."""
        return run.tensor.dtype == DTYPE and all(dtype == DTYPE for _, dtype in run.sources)

    def tiles(self, inputs: Sequence[memoryview], outputs: Sequence[memoryview]) -> Tile:
        """How tiles of one run are merged: the bytes of all its elements, of each input and each candidate."""
        size = inputs[0].nbytes
        if (len(inputs), len(outputs)) != (self._sources, self._candidates):
            wanted = f"{self._sources} inputs and {self._candidates} outputs"
            raise ValueError(f"{len(inputs)} inputs and {len(outputs)} outputs, where the weights are of {wanted}")
        if size % WIDTH or any(memory.nbytes != size for memory in (*inputs, *outputs)):
            raise ValueError(f"not all of {size} bytes, or half an element")
        held = [*inputs, *outputs]  # as long as their addresses are
        read, written = _addresses(inputs), _addresses(outputs)

        def tile(first: int, elements: int) -> Sequence[tuple[int, int]]:
            if not 0 <= first <= first + elements <= held[0].nbytes // WIDTH:
                raise ValueError(f"elements {first} to {first + elements} of {size // WIDTH}")
            counts = self._not_finite
            bad = self._library.merge(
                first, elements, self._sources, self._candidates, read, self._weights, self._taken, written, counts
            )
            return list(zip(counts[::2], counts[1::2], strict=True)) if bad else ()

        return tile


def _addresses(memories: Sequence[memoryview]) -> "ctypes.Array[ctypes.c_void_p]":
    """Raises TypeError for memory that is not in one piece."""
    found = (ctypes.addressof(ctypes.c_char.from_buffer(memory)) if memory.nbytes else None for memory in memories)
    return (ctypes.c_void_p * len(memories))(*found)
