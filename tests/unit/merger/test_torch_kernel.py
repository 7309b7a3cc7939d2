"""Merges by torch have the bytes of those by numpy: on a processor here, on a GPU where there is one (`-m gpu`)."""

from pathlib import Path

import pytest
import torch

from mergesearch.errors import ExitCode
from mergesearch_merger import kernel, layout, plan, reader, torch_kernel
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.inputs import Inputs
from mergesearch_merger.layout import OutputTensor
from mergesearch_merger.settings import Settings
from mergesearch_merger.slots import Slot
from mergesearch_merger.streaming import Arithmetic
from unit.merger import scenes, torch_checkpoints
from unit.merger.torch_checkpoints import random_tensors

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
SLOT_BYTES = 2**15
"""So small that the model takes several units."""
WEIGHTS = ((0.37, 0.22, 0.41), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0))
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
MIXTURES = {"bf16": (BF16, BF16, BF16), "bf16, fp16 and fp32": (BF16, F16, F32)}


def checkpoints(root: Path, mixture: tuple[torch.dtype, ...], **extra: torch.Tensor) -> list[Checkpoint]:
    scene = scenes.a_scene(root)
    found = []
    for seed, (name, dtype) in enumerate(zip("abc", mixture, strict=True)):
        torch_checkpoints.write(scene.checkpoints / name, random_tensors(seed, dtype) | extra)
        checkpoint, problems = reader.read(scenes.a_checkpoint(name), scene.volumes())
        assert checkpoint is not None, problems
        found.append(checkpoint)
    return found


def merged(inputs: list[Checkpoint], arithmetic: Arithmetic, output: str) -> list[tuple[bytes, list[object]]]:
    """The outputs of all units, one after the other, and what was found in each."""
    wanted = [
        OutputTensor(
            name, output if place.tensor.dtype.startswith(("F", "BF")) else place.tensor.dtype, place.tensor.shape
        )
        for name, place in inputs[0].places.items()
    ]
    work = plan.Plan(layout.lay_out(wanted, 2**20), inputs, len(WEIGHTS), SLOT_BYTES, 1024)
    worker = arithmetic.worker()
    found: list[tuple[bytes, list[object]]] = []
    with Inputs(inputs) as files:
        for unit in work.units():
            slot = Slot(arithmetic.allocate(SLOT_BYTES))
            slot.take(unit)
            for read in unit.reads:
                files.read(read, slot.read_into(read))
            worker.merge(slot)
            written = b"".join(bytes(slot.output(candidate)) for candidate in range(len(WEIGHTS)))
            bad = sorted((n.candidate, n.place.tensor.name, n.nans, n.infinite) for n in slot.not_finite)
            found.append((written, [*bad, *sorted(slot.unequal)]))
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("output", ["BF16", "F16", "F32"])
@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_torch_and_numpy_write_the_same_bytes(
    tmp_path: Path, device: str, output: str, mixture: tuple[torch.dtype, ...]
) -> None:
    inputs = checkpoints(tmp_path, mixture, steps=torch.arange(7), scale=torch.tensor(1.5))

    ours = merged(inputs, kernel.Arithmetic(WEIGHTS, output, 4096), output)
    theirs = merged(inputs, torch_kernel.Arithmetic(WEIGHTS, output, torch.device(device)), output)

    assert ours == theirs
    assert len(ours) > 1


@pytest.mark.parametrize("device", DEVICES)
def test_torch_counts_what_is_no_number(tmp_path: Path, device: str) -> None:
    broken = torch.tensor([1.0, float("nan"), float("inf"), 3.4e38])
    inputs = checkpoints(tmp_path, MIXTURES["bf16"], broken=broken)

    found = merged(inputs, torch_kernel.Arithmetic(WEIGHTS, "BF16", torch.device(device)), "BF16")

    bad = [one for _, notes in found for one in notes]
    assert bad == [(0, "broken", 1, 2), (1, "broken", 1, 2), (2, "broken", 1, 2)]


@pytest.mark.gpu
def test_a_request_is_met_on_a_gpu_with_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for device in ("cpu", "cuda"):
        scene = scenes.a_scene(tmp_path / device)
        assert scene.ask(scene.request(), Settings(threads=2, device=device)).exit.code == ExitCode.DONE
        written.append((scene.merged() / "model.safetensors").read_bytes())

    assert written[0] == written[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)

    answered = scene.ask(scene.request(), Settings(device="cuda"))

    assert answered.exit.code == ExitCode.INVALID_REQUEST
    assert "finds no GPU here" in answered.exit.message
    assert scene.leftovers() == []
