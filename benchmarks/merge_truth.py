"""How far a merge lies from the weighted sum in fp64, element by element. Reads a tensor at a time."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from unit.merger import torch_checkpoints

BLOCK_ELEMENTS = 2**22
"""Keeps the fp64 copies of a block small; what is measured does not depend on it."""


@dataclass(frozen=True)
class Error:
    """How far a merge lies from the fp64 sum."""

    elements: int
    largest: float
    """Largest absolute difference from the exact sum; at best half a unit of the last place."""
    not_correctly_rounded: int
    worst_ulps: int
    scale: float
    """By how much the merge is longer along the exact sum than the correctly rounded one is, relative to that."""

    @property
    def share(self) -> float:
        """Of the elements, those that are not the nearest number of the output's dtype."""
        return self.not_correctly_rounded / self.elements


class Weights:
    """The tensors of a folder, whatever file they lie in."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._places: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            file = stack.enter_context(safe_open(path, framework="pt"))
            self._places |= dict.fromkeys(file.keys(), file)

    @property
    def names(self) -> list[str]:
        """Of all tensors."""
        return sorted(self._places)

    def flat(self, name: str) -> torch.Tensor:
        """All elements of a tensor, in order."""
        found: torch.Tensor = self._places[name].get_tensor(name).reshape(-1)
        return found


def error(folders: Sequence[Path], weights: Sequence[float], merged: Path, dtype: torch.dtype) -> Error:
    """Compare all elements of `merged`. Raises ValueError if they are not of `dtype`."""
    elements = wrong = worst = 0
    largest = along = best = 0.0
    for exact, found in _blocks(folders, weights, merged):
        if found.dtype != dtype:
            raise ValueError(f"{merged}: {found.dtype}, expected {dtype}")
        rounded = torch_checkpoints.correctly_rounded(exact, dtype)
        ulps = torch_checkpoints.ulps(found, rounded)
        wide = found.double().numpy()
        largest = max(largest, float(np.abs(wide - exact).max()))
        elements += found.numel()
        wrong += int((ulps > 0).sum())
        worst = max(worst, int(ulps.max()))
        along += float(wide @ exact)
        best += float(rounded.double().numpy() @ exact)
    return Error(elements, largest, wrong, worst, along / best - 1.0)


def _blocks(folders: Sequence[Path], weights: Sequence[float], merged: Path) -> Iterator[tuple[Any, torch.Tensor]]:
    """Pairs of the exact sum and what was found in its place."""
    with ExitStack() as stack:
        inputs = [Weights(folder, stack) for folder in folders]
        outputs = Weights(merged, stack)
        for name in outputs.names:
            found = outputs.flat(name)
            parts = [model.flat(name) for model in inputs]
            for begin in range(0, found.numel(), BLOCK_ELEMENTS):
                block = slice(begin, begin + BLOCK_ELEMENTS)
                yield torch_checkpoints.exact_sum(weights, [part[block] for part in parts]), found[block]
