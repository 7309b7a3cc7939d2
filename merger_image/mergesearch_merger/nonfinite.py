"""Says where weights that are not finite come from: a person must know which checkpoint is broken."""

from collections.abc import Sequence

from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from mergesearch_merger import dtypes, findings
from mergesearch_merger.inputs import Inputs
from mergesearch_merger.kernel import Kernel
from mergesearch_merger.prepared import Prepared
from mergesearch_merger.slots import Place
from mergesearch_merger.streaming import Outcome


def failure(weights: Sequence[float], outcome: Outcome, prepared: Prepared, inputs: Inputs) -> Failure:
    """The failure of a candidate with these weights; the first bad place is read again. Raises OSError."""
    assert outcome.first_bad is not None
    place = outcome.first_bad
    broken = [
        checkpoint.label
        for number, (checkpoint, weight) in enumerate(zip(prepared.read, weights, strict=True))
        if weight != 0.0 and not _finite(inputs, number, place)
    ]
    cause = (
        f"not finite already in {findings.names(broken)}"
        if broken
        else f"all inputs are finite there: the sum does not fit into {place.tensor.dtype}"
    )
    return Failure(
        reason=Reason.NON_FINITE_WEIGHTS,
        message=(
            f"{outcome.nans} NaN and {outcome.infinite} infinite weights in "
            f"{findings.counted(len(outcome.bad_tensors), 'tensor')}, the first in {place.tensor.name!r} "
            f"(elements {place.first} to {place.first + place.elements - 1}): {cause}"
        ),
    )


def _finite(inputs: Inputs, number: int, place: Place) -> bool:
    source = inputs.source(number, place.tensor.name)
    dtype = source.tensor.dtype
    content = memoryview(bytearray(place.elements * dtypes.width(dtype)))
    source.read(place.first, content)
    # Widening to fp64 keeps every value of every dtype.
    kernel = Kernel(place.elements * dtypes.width("F64"), 0, "F64")
    kernel.begin(place.elements, [dtype])
    kernel.load(content, dtype)
    return kernel.loaded_is_finite()
