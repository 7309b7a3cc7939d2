"""Checkpoints with random weights, written by safetensors and torch as a training run would, and what their merge must
hold.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from unit.merger import scenes

Tensors = dict[str, torch.Tensor]
TORCH = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def random_tensors(seed: int, dtype: torch.dtype, rows: int = 60, columns: int = 50) -> Tensors:
    """A small model whose weights are distributed as in a trained one."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator) * 0.02).to(dtype)

    return {
        scenes.EMBEDDING: normal(4, columns),
        "model.layers.0.mlp.up_proj.weight": normal(rows, columns),
        "model.layers.0.mlp.down_proj.weight": normal(columns, rows),
        scenes.NORM: normal(columns) + 1,
        scenes.HEAD: normal(4, columns),
    }


def write(folder: Path, tensors: Tensors, shards: int = 1) -> None:
    """Write weights as safetensors does it; the other files as in every scene. Tensors go to the shards in turn."""
    scenes.write_checkpoint(folder, scenes.tensors())
    (folder / "model.safetensors").unlink()
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    places: dict[str, str] = {}
    for number in range(shards):
        part = dict(list(tensors.items())[number::shards])
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        save_file(part, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    scenes.write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def load(folder: Path) -> Tensors:
    """All tensors of a folder, as the library reads them."""
    found: Tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def exact_sum(weights: Sequence[float], inputs: Sequence[torch.Tensor]) -> npt.NDArray[np.float64]:
    """The weighted sum in fp64: for the dtypes and numbers here, as good as exact."""
    total = np.zeros(tuple(inputs[0].shape))
    for weight, tensor in zip(weights, inputs, strict=True):
        total = total + weight * tensor.double().numpy()
    return total


def correctly_rounded(exact: npt.NDArray[np.float64], dtype: torch.dtype) -> torch.Tensor:
    """`exact` in `dtype`, to nearest even in a single rounding.

    A step over fp32 would round twice, so it rounds to odd there: an inexact fp32 value gets an odd last bit, which no
    tie of a narrower dtype has.
    """
    nearest = exact.astype(np.float32)
    if dtype == torch.float32:
        return torch.from_numpy(nearest)
    bits = nearest.reshape(-1).view(np.int32)
    exact_flat, nearest_flat = exact.reshape(-1), nearest.reshape(-1).astype(np.float64)
    inexact_even = (nearest_flat != exact_flat) & (bits % 2 == 0)
    outwards = np.abs(exact_flat) > np.abs(nearest_flat)
    odd = np.where(inexact_even, np.where(outwards, bits + 1, bits - 1), bits).astype(np.int32)
    return torch.from_numpy(odd.view(np.float32).reshape(exact.shape)).to(dtype)


def fp32_sum(weights: Sequence[float], inputs: Sequence[torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    """What the merger promises, by torch: products and sums in fp32 (fp64 for fp32), in order, rounded once."""
    wide = torch.float64 if dtype == torch.float32 else torch.float32
    total = None
    for weight, tensor in zip(weights, inputs, strict=True):
        if weight == 0.0:
            continue
        product = tensor.to(wide) * torch.tensor(weight, dtype=wide)
        total = product if total is None else total + product
    assert total is not None
    return total.to(dtype)


def ulps(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """How many representable numbers lie between the elements; 0 between +0 and -0."""

    def ordered(tensor: torch.Tensor) -> torch.Tensor:
        signed = {2: torch.int16, 4: torch.int32}[tensor.element_size()]
        bits = tensor.contiguous().view(signed).long()
        lowest = torch.iinfo(signed).min
        return torch.where(bits < 0, lowest - bits, bits)

    return (ordered(one) - ordered(other)).abs()


def same_bits(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether two models are equal to the last bit."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and torch.equal(one[name].contiguous().view(torch.uint8), other[name].contiguous().view(torch.uint8))
        for name in one
        if one[name].dim()
    )
