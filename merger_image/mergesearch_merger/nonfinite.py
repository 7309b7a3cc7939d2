"""Says where weights that are not finite come from: a person must know which checkpoint is broken."""

from collections.abc import Sequence

from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from mergesearch_merger import dtypes, findings
from mergesearch_merger.inputs import Inputs
from mergesearch_merger.kernel import Kernel
from mergesearch_merger.plan import Tile
from mergesearch_merger.prepared import Prepared
from mergesearch_merger.streaming import Outcome


def failure(weights: Sequence[float], outcome: Outcome, prepared: Prepared, inputs: Inputs) -> Failure:
    """The failure of a candidate with these weights; the first bad tile of its inputs is read again. Raises OSError."""
    assert outcome.first_bad is not None
    tile = outcome.first_bad[2]
    broken = [
        checkpoint.label
        for number, (checkpoint, weight) in enumerate(zip(prepared.read, weights, strict=True))
        if weight != 0.0 and not _finite(inputs, number, tile)
    ]
    cause = (
        f"not finite already in {findings.names(broken)}"
        if broken
        else f"all inputs are finite there: the sum does not fit into {tile.tensor.dtype}"
    )
    return Failure(
        reason=Reason.NON_FINITE_WEIGHTS,
        message=(
            f"{outcome.nans} NaN and {outcome.infinite} infinite weights in "
            f"{findings.counted(len(outcome.bad_tensors), 'tensor')}, the first in {tile.tensor.name!r} "
            f"(elements {tile.first} to {tile.first + tile.elements - 1}): {cause}"
        ),
    )


def _finite(inputs: Inputs, number: int, tile: Tile) -> bool:
    source = inputs.source(number, tile.tensor.name)
    width = dtypes.width(source.tensor.dtype)
    kernel = Kernel(tile.elements * width, 0, source.tensor.dtype)
    source.read(tile.first, kernel.input(tile.elements * width))
    kernel.load(source.tensor.dtype, tile.elements)
    return kernel.loaded_is_finite(tile.elements)
