"""The same weights, stored in every way in which checkpoints are stored, give the same merge: what fp64 says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.contract import Dtype, MergeReport
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger import dtypes, header
from unit.merger import scenes
from unit.merger.scenes import EMBEDDING, HEAD, NORM

Floats = npt.NDArray[np.float64]
WEIGHTS = (0.37, 0.22, 0.41)
OUTPUTS: tuple[Dtype, ...] = ("bfloat16", "float16", "float32")
HALF_ULP = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
"""Half a unit of the last place of a normal number, relative to it."""
SMALLEST = {"bfloat16": 2.0**-134, "float16": 2.0**-25, "float32": 2.0**-150}
"""Half of the smallest number."""
SUM_ERROR = {"bfloat16": 2.0**-24, "float16": 2.0**-24, "float32": 2.0**-53}
"""Of one product or sum, relative to the sum of all magnitudes."""

SHAPES: dict[str, tuple[int, ...]] = {
    EMBEDDING: (4, 2),
    "model.up.weight": (3, 5),
    "model.long.weight": (1031,),
    "model.scale": (),
    "model.one.weight": (1,),
    "model.nothing.weight": (0, 3),
    NORM: (2,),
    HEAD: (4, 2),
}
BUFFERS: dict[str, scenes.Entry] = {
    "model.flag": ("BOOL", (1,), b"\1"),
    "model.byte": ("U8", (1,), b"\x7f"),
    "model.other_byte": ("I8", (), b"\x80"),
    "model.short": ("I16", (1,), b"\1\2"),
    "model.numbers": ("I64", (3,), bytes(range(24))),
    "model.no_numbers": ("I32", (0,), b""),
}
NAMES = (*SHAPES, *BUFFERS)


@dataclass(frozen=True)
class Stored:
    """How one checkpoint lies on the disk."""

    dtype: str | Mapping[str, str] = "BF16"
    """Of all its weights, or by name where it is not BF16."""
    order: tuple[str, ...] = NAMES
    files: tuple[int, ...] = ()
    """Number of the file for each name of `order`; none: all in one."""
    shift: int = 0
    """Data begin so many bytes after a multiple of 8."""

    def dtype_of(self, name: str) -> str:
        return self.dtype if isinstance(self.dtype, str) else self.dtype.get(name, "BF16")


def encode(values: Floats, dtype: str) -> bytes:
    if dtype == "BF16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return values.astype({"F16": np.float16, "F32": np.float32, "F64": np.float64}[dtype]).tobytes()


def decode(data: bytes, dtype: str) -> Floats:
    if dtype == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    kind = {"F16": np.float16, "F32": np.float32, "F64": np.float64}[dtype]
    return np.frombuffer(data, kind).astype(np.float64)


def entries_of(seed: int, stored: Stored) -> dict[str, scenes.Entry]:
    """All tensors of checkpoint number `seed` as they are stored."""
    random = np.random.default_rng(seed)
    found = {
        name: (stored.dtype_of(name), shape, encode(random.normal(0, 0.02, int(np.prod(shape))), stored.dtype_of(name)))
        for name, shape in SHAPES.items()
    }
    return found | BUFFERS


def content(entries: Mapping[str, scenes.Entry], shift: int) -> bytes:
    """A file whose data begin `shift` bytes after a multiple of 8, as some tools write it."""
    document: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape, data) in entries.items():
        document[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(document).encode()
    text += b" " * ((shift - len(text)) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(data for _, _, data in entries.values())


def write(folder: Path, entries: Mapping[str, scenes.Entry], stored: Stored) -> None:
    scenes.write_checkpoint(folder, scenes.tensors())
    (folder / "model.safetensors").unlink()
    if not stored.files:
        (folder / "model.safetensors").write_bytes(
            content({name: entries[name] for name in stored.order}, stored.shift)
        )
        return
    places: dict[str, str] = {}
    for number in sorted(set(stored.files)):
        members = [name for name, file in zip(stored.order, stored.files, strict=True) if file == number]
        file = f"model-{number + 1:05d}-of-{max(stored.files) + 1:05d}.safetensors"
        (folder / file).write_bytes(content({name: entries[name] for name in members}, stored.shift))
        places |= dict.fromkeys(members, file)
    scenes.write_json(folder / "model.safetensors.index.json", {"weight_map": places})


def merged_tensors(folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    found = {}
    for path in folder.glob("*.safetensors"):
        whole = path.read_bytes()
        length = header.parse_length(whole[:8], len(whole))
        for tensor in header.parse(whole[8 : 8 + length], len(whole)):
            assert tensor.begin % dtypes.width(tensor.dtype) == 0
            found[tensor.name] = (tensor.dtype, tensor.shape, whole[tensor.begin : tensor.end])
    return found


def require_merge_of(stored: Sequence[Stored], output: Dtype, root: Path) -> None:
    """Merge checkpoints that are stored like this, and compare every element with the sum in fp64."""
    scene = scenes.a_scene(root)
    inputs = [entries_of(seed, how) for seed, how in enumerate(stored)]
    for name, entries, how in zip("abc", inputs, stored, strict=True):
        write(scene.checkpoints / name, entries, how)

    answered = scene.ask(scenes.a_request("abc", WEIGHTS, dtype=output, max_shard_bytes=2048))

    assert answered.exit.code == ExitCode.DONE, answered.exit.message
    assert answered.warnings == ()
    found = merged_tensors(scene.merged())
    assert found.keys() == set(NAMES)
    assert {name: found[name] for name in BUFFERS} == BUFFERS
    for name, shape in SHAPES.items():
        parts = [
            weight * decode(entries[name][2], entries[name][0]) for weight, entries in zip(WEIGHTS, inputs, strict=True)
        ]
        exact, magnitude = sum(parts, np.zeros(1)), sum((np.abs(part) for part in parts), np.zeros(1))
        allowed = np.maximum(np.abs(exact) * HALF_ULP[output], SMALLEST[output])
        dtype, merged_shape, data = found[name]
        assert (dtype, merged_shape) == (dtypes.OUTPUTS[output], shape)
        difference = np.abs(decode(data, dtype) - exact)
        assert difference.size == int(np.prod(shape)), name
        assert (difference <= allowed * 1.001 + 6 * SUM_ERROR[output] * magnitude).all(), name


BACKWARDS = tuple(reversed(NAMES))
BY_SIZE = tuple(sorted(NAMES, key=lambda name: (name in SHAPES, name)))
EACH_ALONE = tuple(range(len(NAMES)))
LAYOUTS: dict[str, tuple[Stored, Stored, Stored]] = {
    "one file against two and many": (
        Stored(),
        Stored(files=EACH_ALONE),
        Stored(files=tuple(n % 2 for n in EACH_ALONE)),
    ),
    "the reference in many files": (Stored(files=EACH_ALONE), Stored(), Stored()),
    "another order in each": (Stored(), Stored(order=BACKWARDS), Stored(order=BY_SIZE)),
    "another order in the shards of each": (
        Stored(files=tuple(n % 3 for n in EACH_ALONE)),
        Stored(order=BACKWARDS, files=tuple(n % 3 for n in EACH_ALONE)),
        Stored(order=BY_SIZE, files=tuple(n // 3 for n in EACH_ALONE)),
    ),
    "bf16, fp16 and fp32": (Stored("BF16"), Stored("F16"), Stored("F32")),
    "fp64 first": (Stored("F64"), Stored("BF16"), Stored("F16")),
    "mixed within each": (Stored({NORM: "F32"}), Stored({HEAD: "F16", NORM: "F64"}), Stored({EMBEDDING: "F32"})),
    "fp32 at odd bytes": (Stored("F32", shift=1), Stored("F32", shift=3), Stored("F32", shift=7)),
    "fp64 at odd bytes": (Stored("F64", shift=5), Stored("F64", shift=2), Stored("F64", shift=4)),
    "bf16 at odd bytes": (Stored(shift=1), Stored(shift=0), Stored(shift=7)),
    "at odd bytes in the shards of one": (
        Stored("F32", files=EACH_ALONE, shift=3),
        Stored("F16"),
        Stored("F32", shift=6),
    ),
    "wide ones after bytes": (Stored("F32", order=BY_SIZE), Stored("F16", order=BY_SIZE), Stored(order=BY_SIZE)),
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("stored", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_is_merged_to_what_fp64_says(
    stored: tuple[Stored, Stored, Stored], output: Dtype, tmp_path: Path
) -> None:
    require_merge_of(stored, output, tmp_path)


ways = st.builds(
    Stored,
    dtype=st.dictionaries(st.sampled_from(sorted(SHAPES)), st.sampled_from(sorted(dtypes.FLOATS))),
    order=st.permutations(NAMES).map(tuple),
    files=st.just(()) | st.lists(st.integers(0, 3), min_size=len(NAMES), max_size=len(NAMES)).map(tuple),
    shift=st.integers(0, 7),
)


@settings(max_examples=25)
@given(st.tuples(ways, ways, ways), st.sampled_from(OUTPUTS))
def test_all_of_that_at_once(
    tmp_path_factory: pytest.TempPathFactory, stored: tuple[Stored, Stored, Stored], output: Dtype
) -> None:
    require_merge_of(stored, output, tmp_path_factory.mktemp("layouts"))


def test_a_checkpoint_of_symlinks_into_its_own_volume_is_read_as_one_of_files(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    folder, blobs = scene.checkpoints / "b", scene.checkpoints / "blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / str(number))
        path.symlink_to(f"../blobs/{number}")

    answered = scene.ask(scene.request())

    assert answered.exit.code == ExitCode.DONE, answered.exit.message
    found = decode(merged_tensors(scene.merged())[NORM][2], "BF16")
    assert found.tolist() == [0.5 * 1 + 0.25 * 2 + 0.25 * 3, -(0.5 * 1 + 0.25 * 2 + 0.25 * 3)]


NOT_AVERAGED = {name: bits for name, bits in dtypes.BITS.items() if name not in dtypes.FLOATS | dtypes.BUFFERS}


@pytest.mark.parametrize("dtype", NOT_AVERAGED)
def test_numbers_that_have_no_average_here_are_refused_by_name(dtype: str, tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    entries = {**scenes.tensors(2.0), "model.odd.weight": (dtype, (8,), bytes(NOT_AVERAGED[dtype]))}
    for name in "abc":
        (scene.checkpoints / name / "model.safetensors").write_bytes(scenes.file_content(entries))

    answered = scene.ask(scene.request())

    assert (answered.exit.code, answered.exit.reason) == (ExitCode.INVALID_REQUEST, Reason.UNSUPPORTED_FORMAT)
    assert f"checkpoints/b: 1 tensor of dtype {dtype}, which cannot be averaged: 'model.odd.weight'" in (
        answered.exit.message
    )


def test_a_buffer_that_one_checkpoint_stores_wider_is_refused(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    for name in "abc":
        kind = ("I32", (2,), bytes(8)) if name == "b" else ("I64", (2,), bytes(16))
        entries: dict[str, scenes.Entry] = {**scenes.tensors(), "model.positions": kind}
        (scene.checkpoints / name / "model.safetensors").write_bytes(scenes.file_content(entries))

    answered = scene.ask(scene.request())

    assert answered.exit.reason == Reason.CHECKPOINTS_INCOMPATIBLE
    assert "'model.positions' is I32, there I64" in answered.exit.message


def test_weights_of_every_width_are_counted_as_read(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    stored = (Stored("F64"), Stored("BF16", shift=3), Stored("F32", files=EACH_ALONE))
    for name, how in zip("abc", stored, strict=True):
        write(scene.checkpoints / name, entries_of(0, how), how)

    (report,) = scene.ask(scenes.a_request("abc", WEIGHTS)).reports

    assert isinstance(report, MergeReport)
    elements = sum(int(np.prod(shape)) for shape in SHAPES.values())
    buffers = sum(len(data) for _, _, data in BUFFERS.values())
    assert report.bytes_read == elements * (8 + 2 + 4) + 3 * buffers
    assert report.parameters == elements
