"""Merges by the compiled kernel have the bytes and counts of those by numpy, and without it a merge goes on."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.errors import ExitCode
from mergesearch_merger import compiled, kernel
from mergesearch_merger import record as records
from mergesearch_merger.layout import OutputTensor
from mergesearch_merger.plan import Run, Unit
from mergesearch_merger.settings import Settings
from mergesearch_merger.slots import Slot
from unit.merger import scenes, torch_checkpoints

Words = npt.NDArray[np.uint16]

COMPILER = shutil.which((os.environ.get("CC") or "cc").split()[0])
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler here, and so no compiled kernel")


def here() -> Sequence[str]:
    """The functions of the library that this processor can run."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        flags = set()
    found = [compiled.FUNCTION, f"{compiled.FUNCTION}_plain"]
    needed = {"avx2": {"avx2"}, "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}
    return found + [f"{compiled.FUNCTION}_{name}" for name, parts in needed.items() if parts <= flags]


def test_where_there_is_a_compiler_merges_take_the_compiled_kernel(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)
    for seed, name in enumerate("abc"):
        torch_checkpoints.write(scene.checkpoints / name, torch_checkpoints.random_tensors(seed, torch.bfloat16))

    answered = scene.ask(scene.request())

    record = records.find_finished(scene.merged(), scene.request().hash_of(scene.request().candidates[0]))
    assert record is not None, answered
    if record.versions["kernel"] == "numpy":
        assert COMPILER is None, "make dev compiles it"
    else:
        assert record.versions["kernel"] == "compiled"
        assert answered.progress[0] == "merging kernel=compiled candidates=1 inputs=3 threads=2"


# --- The same bytes ---

SPECIAL = np.array(
    [0x0000, 0x8000, 0x0001, 0x8001, 0x007F, 0x0080, 0x7F7F, 0xFF7F, 0x7F80, 0xFF80, 0x7F81, 0x7FFF, 0xFFC0], np.uint16
)
"""Zeros, subnormals, the least normal number, the largest, infinities and NaN."""
KINDS: dict[str, Callable[[np.random.Generator, int], Words]] = {
    "all patterns": lambda random, size: random.integers(0, 2**16, size, np.uint16),
    "near one": lambda random, size: (
        random.integers(0x3F00, 0x4000, size, np.uint16) ^ random.choice(np.array([0, 0x8000], np.uint16), size)
    ),
    "subnormal": lambda random, size: random.integers(0, 0x0100, size, np.uint16),
    "huge": lambda random, size: random.integers(0x7F00, 0x7F80, size, np.uint16),
    "special": lambda random, size: random.choice(SPECIAL, size),
}
SIZES = (1, 2, 3, 7, 8, 15, 33, 64, 1023, 1024, 1025, 2050)
"""Of a run in elements: about those of registers and of the kernel's blocks."""
weight = st.sampled_from((0.0, 0.0, 1.0, 0.5, 1e-60, 1e-40)) | st.floats(0, 1)


@st.composite
def rows(draw: st.DrawFn) -> list[list[float]]:
    """Weights of 1 to 9 candidates for 1 to 17 inputs; each takes one at least."""
    inputs, candidates = draw(st.integers(1, 17)), draw(st.integers(1, 9))
    row = st.lists(weight, min_size=inputs, max_size=inputs).filter(any)
    return draw(st.lists(row, min_size=candidates, max_size=candidates))


def a_slot(inputs: Sequence[Words], candidates: int, *, gap: int) -> Slot:
    """A unit of one tensor; `gap` bytes before each input, so that none is aligned where that is odd."""
    elements = inputs[0].size
    size = elements * 2
    sources = tuple((number * (size + gap) + gap, "BF16") for number in range(len(inputs)))
    run = Run(OutputTensor("tensor", "BF16", (elements,)), 0, elements, 0, sources)
    unit = Unit(0, 0, size, b"", (run,), (), len(inputs) * (size + gap) + gap)
    slot = Slot(memoryview(bytearray(b"\xa5" * (unit.slot_bytes(candidates) + 64))))
    slot.take(unit)
    for (at, _), words in zip(sources, inputs, strict=True):
        slot.memory[at : at + size] = words.tobytes()
    return slot


def merged(slot: Slot, weights: list[list[float]], tile_bytes: int, library: compiled.Library | None) -> Words:
    """All of the slot after the merge, but its NaNs alike."""
    kernel.Arithmetic(weights, "BF16", tile_bytes, library).worker().merge(slot)
    outputs = [np.frombuffer(slot.output(candidate), np.uint16) for candidate in range(len(weights))]
    for words in outputs:
        words[(words & 0x7FFF) > 0x7F80] = 0x7FC0
    return np.frombuffer(slot.memory, np.uint8).astype(np.uint16)


@needs_compiler
@pytest.mark.parametrize("function", here())
@settings(max_examples=50)
@given(
    weights=rows(),
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=17, max_size=17),
    seed=st.integers(0, 2**32),
    size=st.sampled_from(SIZES),
    tile_bytes=st.sampled_from((66, 2048, 2**17)),
    gap=st.integers(0, 3),
)
def test_the_bytes_and_counts_are_those_of_numpy(
    function: str, weights: list[list[float]], kinds: list[str], seed: int, size: int, tile_bytes: int, gap: int
) -> None:
    random = np.random.default_rng(seed)
    inputs = [KINDS[kind](random, size).astype(np.uint16) for kind in kinds[: len(weights[0])]]
    ours, reference = (a_slot(inputs, len(weights), gap=gap) for _ in range(2))

    found = merged(ours, weights, tile_bytes, compiled.Library(function=function))
    expected = merged(reference, weights, tile_bytes, None)

    assert np.array_equal(found, expected), "outputs, and all that is not to be written"
    assert ours.not_finite == reference.not_finite


@needs_compiler
@pytest.mark.parametrize("function", here())
def test_no_bit_depends_on_tiles_or_on_the_other_candidates(function: str) -> None:
    random = np.random.default_rng(7)
    inputs = [KINDS["near one"](random, 5001) for _ in range(5)]
    weights = random.dirichlet(np.ones(5), 3).tolist()
    library = compiled.Library(function=function)

    whole = merged(a_slot(inputs, 3, gap=0), weights, 2**17, library)
    cut = merged(a_slot(inputs, 3, gap=0), weights, 2 * 77, library)

    assert np.array_equal(whole, cut)
    for candidate, row in enumerate(weights):
        alone, among = a_slot(inputs, 1, gap=0), a_slot(inputs, 3, gap=0)
        merged(alone, [row], 2**17, library)
        merged(among, weights, 2**17, library)
        assert alone.output(0) == among.output(candidate)


@needs_compiler
def test_an_input_without_weight_is_not_read_even_where_it_is_infinite() -> None:
    inputs = [np.full(40, 0x7F80, np.uint16), np.full(40, 0x3F80, np.uint16)]
    slot = a_slot(inputs, 2, gap=0)

    kernel.Arithmetic([[0.0, 0.5], [0.5, 0.0]], "BF16", 2**17, compiled.Library()).worker().merge(slot)

    assert bytes(slot.output(0)) == b"\x00\x3f" * 40
    assert [(found.candidate, found.nans, found.infinite) for found in slot.not_finite] == [(1, 0, 40)]


BOUNDS = {
    "the smallest sum that becomes infinite": (0x7F7F, 0x7B00, 0x7F80, (0, 1)),
    "its negative": (0xFF7F, 0xFB00, 0xFF80, (0, 1)),
    "the largest that does not": (0x7F7F, 0x7AFF, 0x7F7F, (0, 0)),
    "infinities of opposite sign": (0x7F80, 0xFF80, None, (1, 0)),
    "a tie, to the even neighbour below": (0x3F80, 0x3B80, 0x3F80, (0, 0)),
    "a tie, to the even neighbour above": (0x3F81, 0x3B80, 0x3F82, (0, 0)),
}
"""Two inputs of weight 1, their sum, and how many of it are NaN and infinite."""


@needs_compiler
@pytest.mark.parametrize("function", here())
@pytest.mark.parametrize(("one", "other", "expected", "counts"), BOUNDS.values(), ids=BOUNDS)
def test_sums_at_the_bounds_are_rounded_and_counted_in_each_tile_anew(
    one: int, other: int, expected: int | None, counts: tuple[int, int], function: str
) -> None:
    slot = a_slot([np.full(80, word, np.uint16) for word in (one, other)], 1, gap=0)

    kernel.Arithmetic([[1.0, 1.0]], "BF16", 2 * 40, compiled.Library(function=function)).worker().merge(slot)

    assert expected is None or set(np.frombuffer(slot.output(0), np.uint16).tolist()) == {expected}
    found = [(found.place.first, found.nans, found.infinite) for found in slot.not_finite]
    assert found == ([(first, counts[0] * 40, counts[1] * 40) for first in (0, 40)] if any(counts) else [])


# --- Nothing beyond the memory that is given ---

WRONG_SIZES = {
    "an input is shorter": ((8, 6), (8,)),
    "an output is shorter": ((8, 8), (6,)),
    "an output is longer": ((8, 8), (10,)),
    "half an element": ((7, 7), (7,)),
    "an input too few": ((8,), (8,)),
    "an output too many": ((8, 8), (8, 8)),
}


def memories(sizes: Sequence[int]) -> list[memoryview]:
    return [memoryview(bytearray(size)) for size in sizes]


@needs_compiler
@pytest.mark.parametrize(("inputs", "outputs"), WRONG_SIZES.values(), ids=WRONG_SIZES)
def test_memory_of_other_sizes_is_refused(inputs: Sequence[int], outputs: Sequence[int]) -> None:
    sums = compiled.Sums(compiled.Library(), [[0.5, 0.5]])

    with pytest.raises(ValueError, match=r"inputs and|half an element"):
        sums.tiles(memories(inputs), memories(outputs))


@needs_compiler
@pytest.mark.parametrize(("first", "elements"), [(0, 5), (4, 1), (-1, 2), (2, -1)])
def test_elements_beyond_the_memory_are_refused(first: int, elements: int) -> None:
    tile = compiled.Sums(compiled.Library(), [[0.5, 0.5]]).tiles(memories((8, 8)), memories((8,)))

    with pytest.raises(ValueError, match="of 4"):
        tile(first, elements)


@needs_compiler
def test_memory_that_cannot_be_written_or_is_in_pieces_is_refused() -> None:
    sums = compiled.Sums(compiled.Library(), [[1.0]])

    with pytest.raises(TypeError):
        sums.tiles(memories((8,)), [memoryview(bytes(8))])
    with pytest.raises(TypeError):
        sums.tiles(memories((8,)), [memoryview(bytearray(16))[::2]])


# --- Without it ---


def missing(folder: Path) -> Path:
    return folder / "libkernel.so"


def rubbish(folder: Path) -> Path:
    path = missing(folder)
    path.write_bytes(b"\x7fELF and no more")
    return path


def of_source(folder: Path, source: str) -> Path:
    assert COMPILER is not None
    text = folder / "library.c"
    text.write_text(source)
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", str(missing(folder)), str(text)], check=True)
    return missing(folder)


def of_another_version(folder: Path) -> Path:
    return of_source(folder, f"int merge_abi(void) {{ return {compiled.ABI + 1}; }}")


def without_the_function(folder: Path) -> Path:
    return of_source(folder, f"int merge_abi(void) {{ return {compiled.ABI}; }}")


def of_something_else(folder: Path) -> Path:
    return of_source(folder, "int something_else(void) { return 0; }")


BROKEN = [
    pytest.param(missing, "no libkernel.so was compiled", id="missing"),
    pytest.param(rubbish, "cannot be loaded", id="rubbish"),
    pytest.param(of_another_version, "ABI 2 and not 1", id="another-version", marks=needs_compiler),
    pytest.param(without_the_function, "merge_bf16", id="without-the-function", marks=needs_compiler),
    pytest.param(of_something_else, "merge_abi", id="something-else", marks=needs_compiler),
]


@pytest.mark.parametrize(("make", "says"), BROKEN)
def test_without_a_library_that_can_be_called_numpy_writes_the_same_and_the_log_says_why(
    make: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    written, progress = [], []
    for name, library in {"usual": Settings().library, "broken": make(folder)}.items():
        scene = scenes.a_scene(tmp_path / name)
        for seed, checkpoint in enumerate("abc"):
            torch_checkpoints.write(
                scene.checkpoints / checkpoint, torch_checkpoints.random_tensors(seed, torch.bfloat16)
            )
        answered = scene.ask(scene.request(), Settings(threads=2, library=library))
        assert answered.exit.code == ExitCode.DONE, answered
        progress.append(answered.progress[0])
        written.append({path.name: path.read_bytes() for path in scene.merged().glob("*.safetensors")})

    assert written[0] == written[1] != {}
    assert progress[1].startswith("merging kernel=numpy ")
    assert says in progress[1]


def test_what_the_library_cannot_do_is_no_reason_to_say_anything(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)

    answered = scene.ask(scene.request().model_copy(update={"dtype": "float32"}), Settings(threads=2))

    assert answered.progress == ("merging kernel=numpy candidates=1 inputs=3 threads=2",)
