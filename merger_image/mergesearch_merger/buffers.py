"""What a merge does with integer and bool tensors: they are never averaged."""

from collections.abc import Sequence

from mergesearch_merger.plan import Run
from mergesearch_merger.slots import Slot


def copy(slot: Slot, run: Run, weights: Sequence[Sequence[float]], outputs: Sequence[memoryview]) -> None:
    """Copy a run from the first input that each candidate reads; where another differs, the slot takes note."""
    begin = run.offset - slot.held.begin
    for candidate, own in enumerate(weights):
        read = [slot.memory[at : at + run.size] for (at, _), w in zip(run.sources, own, strict=True) if w != 0.0]
        outputs[candidate][begin : begin + run.size] = read[0]
        if any(other != read[0] for other in read[1:]):
            slot.unequal.append((candidate, run.tensor.name))
