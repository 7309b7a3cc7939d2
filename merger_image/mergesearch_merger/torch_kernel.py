"""The arithmetic of a merge by torch, for a GPU: the one module that imports torch.

The steps are those of `kernel.py`, each a kernel of its own, so that no product and sum are fused: the bytes are the
same. Slots lie in pinned memory; every worker has a stream of its own, so that what is copied for one overlaps with
what is computed for another.
"""

import contextlib
from collections.abc import Sequence

import torch

from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_merger import buffers, dtypes
from mergesearch_merger.plan import Run
from mergesearch_merger.slots import NotFinite, Place, Slot

TORCH = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def on_cuda(weights: Sequence[Sequence[float]], output: str) -> "Arithmetic":
    """For the first GPU. Raises InvalidRequestError where there is none."""
    if not torch.cuda.is_available():
        raise InvalidRequestError(
            f"device 'cuda': torch {torch.__version__} finds no GPU here; ask for one in spec.merger.resources, or "
            "leave the device out",
            reason=Reason.MALFORMED_REQUEST,
        )
    return Arithmetic(weights, output, torch.device("cuda"))


class Arithmetic:
    """Merges units on a device of torch; one for all threads, each of which has a `worker`."""

    def __init__(self, weights: Sequence[Sequence[float]], output: str, device: torch.device) -> None:
        """`weights` of every candidate, one for each input of the plan."""
        self._output = output
        self._device = device
        self._wide = torch.float32 if output in dtypes.HALVES else torch.float64
        self._weights = weights
        self._scales = [[torch.tensor(w, dtype=self._wide, device=device) for w in row] for row in weights]

    def allocate(self, size: int) -> memoryview:
        """Memory for a slot; pinned where it is copied to a GPU."""
        memory = torch.empty(size, dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        return memory.numpy().data.cast("B")

    def worker(self) -> "Worker":
        """For one thread."""
        return Worker(self._weights, self._scales, self._output, self._wide, self._device)


class Worker:
    """Merges units in one thread and one stream."""

    def __init__(
        self,
        weights: Sequence[Sequence[float]],
        scales: Sequence[Sequence[torch.Tensor]],
        output: str,
        wide: torch.dtype,
        device: torch.device,
    ) -> None:
        self._weights = weights
        self._scales = scales
        self._output = output
        self._wide = wide
        self._device = device
        # torch leaves this constructor without types.
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def merge(self, slot: Slot) -> None:
        """Fill the slot's outputs from what was read into it, and note what is not finite or not equal."""
        outputs = [slot.output(candidate) for candidate in range(len(self._weights))]
        for output in outputs:
            output[: len(slot.held.head)] = slot.held.head
        counted: list[tuple[int, Run, torch.Tensor]] = []
        with torch.inference_mode(), torch.cuda.stream(self._stream) if self._stream else contextlib.nullcontext():
            inputs = _bytes(slot.memory[: slot.held.input_bytes]).to(self._device, non_blocking=True)
            for run in slot.held.runs:
                if run.tensor.dtype in dtypes.BUFFERS:
                    buffers.copy(slot, run, self._weights, outputs)
                else:
                    counted.extend(self._run(slot, run, inputs, outputs))
            if self._stream is not None:
                self._stream.synchronize()
        for candidate, run, counts in counted:
            nans, infinite = counts.tolist()
            if nans or infinite:
                place = Place(slot.held.shard, run.offset, run.tensor, run.first, run.elements)
                slot.not_finite.append(NotFinite(candidate, place, nans, infinite))

    def _run(
        self, slot: Slot, run: Run, inputs: torch.Tensor, outputs: Sequence[memoryview]
    ) -> list[tuple[int, Run, torch.Tensor]]:
        sums: list[torch.Tensor | None] = [None] * len(outputs)
        for number, (at, dtype) in enumerate(run.sources):
            value = inputs[at : at + run.elements * dtypes.width(dtype)].view(TORCH[dtype]).to(self._wide)
            for candidate, weights in enumerate(self._weights):
                if weights[number] != 0.0:
                    product = value * self._scales[candidate][number]
                    total = sums[candidate]
                    sums[candidate] = product if total is None else total.add_(product)
        begin = run.offset - slot.held.begin
        found = []
        for candidate, total in enumerate(sums):
            assert total is not None
            rounded = total.to(TORCH[self._output])
            into = _bytes(outputs[candidate][begin : begin + run.size])
            into.copy_(rounded.view(torch.uint8), non_blocking=True)
            found.append((candidate, run, torch.stack((rounded.isnan().sum(), rounded.isinf().sum()))))
        return found


def _bytes(memory: memoryview) -> torch.Tensor:
    return torch.frombuffer(memory, dtype=torch.uint8)
