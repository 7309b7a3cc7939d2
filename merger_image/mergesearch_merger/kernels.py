"""Which arithmetic a merge takes. All give the same bytes, so this decides on time alone; it is said in the log and in
merge.json all the same.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_merger import compiled
from mergesearch_merger.settings import Settings
from mergesearch_merger.streaming import Arithmetic


@dataclass(frozen=True, slots=True)
class Choice:
    """What sums."""

    name: str
    """`compiled`, with numpy for what the library does not do; `numpy`; or `torch`."""
    library: compiled.Library | None = None
    reason: str = ""
    """Why it is not the library, where it could have been."""


def choose(inputs: Sequence[Collection[str]], output: str, limits: Settings) -> Choice:
    """For a merge of inputs of these dtypes into float dtype `output`."""
    if limits.device != "cpu":
        return Choice("torch")
    if not compiled.suits(output, inputs):
        return Choice("numpy")
    try:
        return Choice("compiled", compiled.Library(limits.library))
    except compiled.UnavailableError as error:
        return Choice("numpy", reason=str(error))


def arithmetic(choice: Choice, weights: Sequence[Sequence[float]], output: str, limits: Settings) -> Arithmetic:
    """Imported late, since each brings a framework that the other does not need. Raises InvalidRequestError."""
    if choice.name != "torch":
        from mergesearch_merger import kernel

        return kernel.Arithmetic(weights, output, limits.tile_bytes, choice.library)
    try:
        from mergesearch_merger import torch_kernel
    except ModuleNotFoundError as error:
        raise InvalidRequestError(
            f"device {limits.device!r}: this image holds no {error.name}; docs/operations.md says how one is built "
            "that does",
            reason=Reason.MALFORMED_REQUEST,
        ) from error
    return torch_kernel.on_cuda(weights, output)
