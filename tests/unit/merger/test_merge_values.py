"""The weights of a merge, against fp64, and against themselves under other threads, tiles, batches and shards."""

from pathlib import Path

import pytest
import torch

from mergesearch.contract import MergeReport
from mergesearch.errors import ExitCode
from mergesearch_merger.settings import Settings
from unit.merger import scenes, torch_checkpoints
from unit.merger.torch_checkpoints import TORCH, random_tensors

WEIGHTS = (0.37, 0.22, 0.41)
SHARE_NOT_CORRECTLY_ROUNDED = 0.003
"""Of the elements of a 16-bit output: fp32 sums may fall on the other side of a tie."""


def a_family(root: Path, dtypes: tuple[torch.dtype, ...], shards: tuple[int, ...] = (1, 1, 1)) -> scenes.Scene:
    """Checkpoints a, b, c of the given dtypes and numbers of files, in a scene."""
    scene = scenes.a_scene(root)
    for seed, (name, dtype, count) in enumerate(zip("abc", dtypes, shards, strict=True)):
        torch_checkpoints.write(scene.checkpoints / name, random_tensors(seed, dtype), count)
    return scene


BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
MIXTURES = {
    "bf16": (BF16, BF16, BF16),
    "fp16": (F16, F16, F16),
    "fp32": (F32, F32, F32),
    "bf16, fp16 and fp32": (BF16, F16, F32),
}


@pytest.mark.parametrize("output", TORCH)
@pytest.mark.parametrize("dtypes", MIXTURES.values(), ids=MIXTURES)
def test_a_merge_is_the_fp32_sum_rounded_once_and_nearly_always_correct(
    dtypes: tuple[torch.dtype, ...], output: str, tmp_path: Path
) -> None:
    scene = a_family(tmp_path, dtypes)
    inputs = [torch_checkpoints.load(scene.checkpoints / name) for name in "abc"]

    answered = scene.ask(scenes.a_request("abc", WEIGHTS, dtype=output))

    assert answered.exit.code == ExitCode.DONE
    found = torch_checkpoints.load(scene.merged())
    assert found.keys() == inputs[0].keys()
    elements = wrong = 0
    for name, tensor in found.items():
        parts = [model[name] for model in inputs]
        expected = torch_checkpoints.fp32_sum(WEIGHTS, parts, TORCH[output])
        assert torch.equal(tensor.view(torch.uint8), expected.view(torch.uint8)), name
        best = torch_checkpoints.correctly_rounded(torch_checkpoints.exact_sum(WEIGHTS, parts), TORCH[output])
        distance = torch_checkpoints.ulps(tensor, best)
        assert int(distance.max()) <= 1
        wrong += int((distance > 0).sum())
        elements += tensor.numel()
    assert wrong / elements <= (0 if output == "float32" else SHARE_NOT_CORRECTLY_ROUNDED)


ONE_THREAD = Settings(threads=1)
LIMITS = {
    "three threads": Settings(threads=3),
    "small tiles": Settings(threads=2, tile_bytes=24),
    "small tiles and chunks": Settings(threads=2, tile_bytes=16, chunk_bytes=4096),
    "a tile for each element": Settings(threads=1, tile_bytes=8, chunk_bytes=1024),
    "a slot for each chunk": Settings(threads=3, slot_bytes=1, chunk_bytes=1024),
    "odd tiles": Settings(threads=2, tile_bytes=14, slot_bytes=1, chunk_bytes=1024),
    "verified, and dropped from the cache": Settings(threads=2, verify=True, drop_cache=True),
}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_threads_tiles_and_chunks_cannot_change_a_bit(limits: Settings, tmp_path: Path) -> None:
    files = []
    for name, used in (("one", ONE_THREAD), ("other", limits)):
        scene = a_family(tmp_path / name, MIXTURES["bf16, fp16 and fp32"], (1, 2, 1))
        assert scene.ask(scenes.a_request("abc", WEIGHTS), used).exit.code == ExitCode.DONE
        files.append((scene.merged() / "model.safetensors").read_bytes())

    assert files[0] == files[1]


def test_a_batch_writes_the_same_bytes_as_single_merges(tmp_path: Path) -> None:
    many = (WEIGHTS, (1.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.2, 0.0, 0.8))
    together = a_family(tmp_path / "together", MIXTURES["bf16, fp16 and fp32"])

    assert together.ask(scenes.a_request("abc", *many, max_shard_bytes=4096)).exit.code == ExitCode.DONE

    for number, weights in enumerate(many):
        alone = a_family(tmp_path / str(number), MIXTURES["bf16, fp16 and fp32"])
        alone.ask(scenes.a_request("abc", weights, max_shard_bytes=4096))
        ours = {path.name: path.read_bytes() for path in alone.merged().glob("*.safetensors")}
        theirs = {path.name: path.read_bytes() for path in together.merged(f"g0-{number}").glob("*.safetensors")}
        assert ours == theirs
        assert len(ours) > 1


@pytest.mark.parametrize("shards", [(1, 3, 2), (5, 1, 1)], ids=str)
def test_it_does_not_matter_how_the_inputs_are_cut_into_files(shards: tuple[int, int, int], tmp_path: Path) -> None:
    whole = a_family(tmp_path / "whole", MIXTURES["bf16"])
    cut = a_family(tmp_path / "cut", MIXTURES["bf16"], shards)

    for scene in (whole, cut):
        assert scene.ask(scenes.a_request("abc", WEIGHTS)).exit.code == ExitCode.DONE

    assert torch_checkpoints.same_bits(torch_checkpoints.load(whole.merged()), torch_checkpoints.load(cut.merged()))


def test_output_shards_are_loaded_by_their_index(tmp_path: Path) -> None:
    scene = a_family(tmp_path, MIXTURES["bf16"])
    scene.ask(scenes.a_request("abc", WEIGHTS))
    whole = torch_checkpoints.load(scene.merged())

    scene.ask(scenes.a_request("abc", WEIGHTS, max_shard_bytes=7000))

    index = (scene.merged() / "model.safetensors.index.json").read_text()
    assert len(list(scene.merged().glob("model-0000?-of-0000?.safetensors"))) == 2
    assert all(name in index for name in whole)
    assert torch_checkpoints.same_bits(whole, torch_checkpoints.load(scene.merged()))


def test_a_checkpoint_of_weight_zero_is_neither_read_nor_needed(tmp_path: Path) -> None:
    scene = a_family(tmp_path, MIXTURES["bf16"])
    size = scenes_size(scene, "a") + scenes_size(scene, "c")
    (scene.checkpoints / "b" / "model.safetensors").unlink()

    answered = scene.ask(scenes.a_request("abc", (0.5, 0.0, 0.5)))

    (report,) = answered.reports
    assert isinstance(report, MergeReport)
    assert report.bytes_read == size


def scenes_size(scene: scenes.Scene, name: str) -> int:
    return sum(t.numel() * t.element_size() for t in torch_checkpoints.load(scene.checkpoints / name).values())


def test_each_input_is_read_once_for_a_whole_batch(tmp_path: Path) -> None:
    scene = a_family(tmp_path, MIXTURES["bf16"])

    answered = scene.ask(scenes.a_request("abc", *[WEIGHTS] * 4))

    total = sum(report.bytes_read for report in answered.reports if isinstance(report, MergeReport))
    assert total == sum(scenes_size(scene, name) for name in "abc") // 4 * 4


def odd_family(scene: scenes.Scene, **changes: torch.Tensor) -> None:
    """Three checkpoints with a scalar, an empty tensor, buffers of several kinds; c has `changes`."""
    for seed, name in enumerate("abc"):
        extra = {
            "scale": torch.tensor(float(seed)),
            "nothing": torch.zeros(0, 3),
            "flags": torch.tensor([True, False, True]),
            "positions": torch.arange(5),
            "bytes": torch.arange(7, dtype=torch.uint8),
        }
        if name == "c":
            extra |= changes
        torch_checkpoints.write(scene.checkpoints / name, random_tensors(seed, BF16) | extra)


def test_scalars_empty_tensors_and_equal_buffers_are_merged(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    odd_family(scene)

    answered = scene.ask(scenes.a_request("abc", (0.25, 0.5, 0.25)), Settings(threads=2, tile_bytes=16))

    found = torch_checkpoints.load(scene.merged())
    assert answered.exit.code == ExitCode.DONE
    assert answered.warnings == ()
    assert found["scale"].item() == 1.0
    assert found["scale"].shape == ()
    assert found["nothing"].shape == (0, 3)
    assert found["flags"].tolist() == [True, False, True]
    assert found["positions"].tolist() == list(range(5))
    assert found["bytes"].tolist() == list(range(7))
    assert found["positions"].dtype == torch.int64


def test_buffers_that_differ_are_taken_from_the_first_checkpoint_that_is_read_with_a_warning(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    odd_family(scene, positions=torch.arange(5) * 2)

    answered = scene.ask(scenes.a_request("abc", (0.5, 0.0, 0.5), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0)))

    first, second, third = (torch_checkpoints.load(scene.merged(f"g0-{n}"))["positions"].tolist() for n in range(3))
    assert (first, second, third) == ([0, 1, 2, 3, 4], [0, 2, 4, 6, 8], [0, 1, 2, 3, 4])
    (warning,) = answered.warnings
    assert "candidate g0-0: 1 buffer not equal in all checkpoints" in warning
    assert "taken from checkpoints/a: 'positions'" in warning


def tie(scene: scenes.Scene, without_head: str, *, said: bool | None = True) -> None:
    """Tie the head to the embedding in all checkpoints; those in `without_head` do not store it."""
    for seed, name in enumerate("abc"):
        tensors = random_tensors(seed, BF16)
        tensors[scenes.HEAD] = tensors[scenes.EMBEDDING].clone()
        if name in without_head:
            del tensors[scenes.HEAD]
        torch_checkpoints.write(scene.checkpoints / name, tensors)
        config = scene.checkpoints / name / "config.json"
        if said is None:
            document = {key: value for key, value in scenes.CONFIG.items() if key != "tie_word_embeddings"}
            scenes.write_json(config, document)
        else:
            scenes.edit_json(config, tie_word_embeddings=said)


TIED = {"absent everywhere": "abc", "stored in one": "ab", "stored in the reference": "bc", "stored in all": ""}


@pytest.mark.parametrize("without_head", TIED.values(), ids=TIED)
def test_tied_embeddings_are_merged_once_whether_the_head_is_stored_or_not(without_head: str, tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    tie(scene, without_head)

    answered = scene.ask(scenes.a_request("abc", WEIGHTS))

    assert answered.exit.code == ExitCode.DONE, answered.exit.message
    found = torch_checkpoints.load(scene.merged())
    inputs = [random_tensors(seed, BF16)[scenes.EMBEDDING] for seed in range(3)]
    assert scenes.HEAD not in found
    assert torch.equal(found[scenes.EMBEDDING], torch_checkpoints.fp32_sum(WEIGHTS, inputs, BF16))


def test_a_config_that_does_not_say_is_tied_where_the_reference_stores_no_head(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    tie(scene, "ac", said=None)

    assert scene.ask(scenes.a_request("abc", WEIGHTS)).exit.code == ExitCode.DONE
    assert scenes.HEAD not in torch_checkpoints.load(scene.merged())


def test_an_untied_head_is_a_weight_of_its_own(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    tie(scene, "b", said=False)

    answered = scene.ask(scenes.a_request("abc", WEIGHTS))

    assert "checkpoints/b: lacks 1 tensor" in answered.exit.message
    assert scene.ask(scenes.a_request("abc", (0.5, 0.0, 0.5))).exit.code == ExitCode.DONE
    assert scenes.HEAD in torch_checkpoints.load(scene.merged())
