"""Real checkpoints: the quickstart's family with a second run of each fine-tune, trained from a seed, in memory.

A merge is computed by the product's own arithmetic, its merger's kernel, over all tensors of a model laid end to end.
"""

import dataclasses
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors
import torch

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
sys.path.insert(0, str(QUICKSTART))

from family import build, progress, recipe
from mergesearch_merger.kernel import Kernel

Flat = npt.NDArray[np.uint16]
"""All tensors of a model, in the order of their names, as the bits of bf16 numbers."""
BF16_BYTES = 2


@dataclass(frozen=True)
class Family:
    """The checkpoints of one seed. `layout` names the tensors in the order in which they lie in `inputs`."""

    folder: Path
    names: tuple[str, ...]
    inputs: tuple[Flat, ...]
    layout: tuple[tuple[str, tuple[int, ...]], ...]
    digests: tuple[str, ...]
    """SHA-256 of each checkpoint's numbers."""

    def first(self, count: int) -> "Family":
        """The family of its first `count` checkpoints."""
        return dataclasses.replace(
            self, names=self.names[:count], inputs=self.inputs[:count], digests=self.digests[:count]
        )


def sixteen() -> recipe.Recipe:
    """The quickstart's eight fine-tunes, and each of them once more, longer and at two thirds of its learning rate."""
    family = recipe.default()
    again = tuple(
        dataclasses.replace(
            run, name=f"{run.name}-again", steps=round(1.3 * run.steps), learning_rate=run.learning_rate / 1.5
        )
        for run in family.tunes
    )
    return dataclasses.replace(family, tunes=(*family.tunes, *again))


def train(folder: Path, seed: int, count: int, scale: float = 1.0, workers: int = 1) -> Family:
    """The first `count` checkpoints of a seed; trains those that are not there."""
    wanted = sixteen().scaled(scale) if scale != 1.0 else sixteen()
    wanted = dataclasses.replace(wanted, tunes=wanted.tunes[:count])
    display = progress.choose([wanted.base, *wanted.tunes])
    build.build(wanted, folder, seed=seed, workers=workers, display=display)
    return load(folder, [run.name for run in wanted.tunes])


def load(folder: Path, names: Sequence[str]) -> Family:
    """Checkpoints of a family's folder."""
    read = [_read(folder / name / "model.safetensors") for name in names]
    flats = tuple(flat for flat, _ in read)
    return Family(
        folder=folder,
        names=tuple(names),
        inputs=flats,
        layout=read[0][1],
        digests=tuple(hashlib.sha256(flat.tobytes()).hexdigest() for flat in flats),
    )


def merge(family: Family, weights: Sequence[float]) -> Flat:
    """The weighted sum in fp32, in the family's order, rounded once to bf16; what has weight 0 is not read."""
    elements = family.inputs[0].size
    kernel = Kernel(elements * BF16_BYTES, 1, "BF16")
    kernel.begin(elements, ["BF16"] * len(weights))
    first = True
    for flat, weight in zip(family.inputs, weights, strict=True):
        if weight != 0.0:
            kernel.load(flat.data.cast("B"), "BF16")
            kernel.add(0, weight, first=first)
            first = False
    merged = np.empty(elements, np.uint16)
    kernel.round(0, merged.data.cast("B"))
    return merged


def _read(path: Path) -> tuple[Flat, tuple[tuple[str, tuple[int, ...]], ...]]:
    with safetensors.safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    flat = np.concatenate([tensor.view(torch.uint16).numpy().ravel() for tensor in tensors.values()])
    return flat, tuple((name, tuple(tensor.shape)) for name, tensor in tensors.items())
