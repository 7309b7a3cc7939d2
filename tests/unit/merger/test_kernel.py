"""The arithmetic: exact conversions, fp32 sums in order, one rounding, and numbers that are none are counted."""

import math
import struct
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mergesearch_merger import budget
from mergesearch_merger.kernel import Kernel, silent
from unit.merger import torch_checkpoints

DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}
INF = math.inf
OUTPUTS = ["BF16", "F16", "F32"]


def merged(weights: list[float], inputs: list[torch.Tensor], output: str) -> tuple[torch.Tensor, int, int]:
    """What the kernel makes of one tile."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    elements = inputs[0].numel()
    kernel = Kernel(elements * DTYPES[output].itemsize, 1, output)
    content = bytearray(elements * DTYPES[output].itemsize)
    kernel.begin(elements, [names[tensor.dtype] for tensor in inputs])
    with silent():
        for number, (weight, tensor) in enumerate(zip(weights, inputs, strict=True)):
            data = tensor.contiguous().view(torch.uint8).numpy().tobytes()
            kernel.load(memoryview(data), names[tensor.dtype])
            kernel.add(0, weight, first=number == 0)
        nans, infinite = kernel.round(0, memoryview(content))
    return torch.frombuffer(content, dtype=DTYPES[output]), nans, infinite


def all_numbers(dtype: torch.dtype) -> torch.Tensor:
    """Every value that a 16-bit dtype has."""
    return torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(dtype)


def finite(tensor: torch.Tensor) -> torch.Tensor:
    return tensor[torch.isfinite(tensor)]


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.uint8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_every_finite_number_of_a_16_bit_dtype_survives_a_merge_with_itself(dtype: torch.dtype) -> None:
    values = finite(all_numbers(dtype))
    output = {torch.bfloat16: "BF16", torch.float16: "F16"}[dtype]

    alone, nans, infinite = merged([1.0], [values], output)
    halves, _, _ = merged([0.5, 0.5], [values, values], output)

    assert (nans, infinite) == (0, 0)
    assert torch.equal(bits(alone), bits(values)), "subnormals and the sign of zero included"
    assert torch.equal(bits(halves), bits(values))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_widened_exactly_and_rounded_as_torch_does(dtype: str, output: str) -> None:
    values = torch.randn(5000, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(DTYPES[dtype])

    found, _, _ = merged([1.0], [values], output)

    wide = values if output == "F32" else values.float()
    assert torch.equal(bits(found), bits(wide.to(DTYPES[output])))


weight_lists = st.lists(st.floats(0, 1), min_size=2, max_size=5)
patterns = st.integers(0, 2**16 - 1)


@given(st.data(), weight_lists, st.sampled_from(OUTPUTS))
def test_sums_equal_those_of_torch_bit_by_bit(data: st.DataObject, weights: list[float], output: str) -> None:
    size = data.draw(st.sampled_from((7, 8)), label="an odd number of elements, and an even one")
    inputs = []
    for _ in weights:
        words = data.draw(st.lists(patterns, min_size=size, max_size=size))
        tensor = torch.tensor(words, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
        inputs.append(torch.where(torch.isfinite(tensor), tensor, torch.zeros_like(tensor)))

    found, nans, infinite = merged(weights, inputs, output)

    wide = torch.float64 if output == "F32" else torch.float32
    total = inputs[0].to(wide) * torch.tensor(weights[0], dtype=wide)
    for weight, tensor in zip(weights[1:], inputs[1:], strict=True):
        total = total + tensor.to(wide) * torch.tensor(weight, dtype=wide)
    expected = total.to(DTYPES[output])
    assert nans == int(torch.isnan(expected).sum())
    assert infinite == int(torch.isinf(expected).sum())
    if not nans:
        assert torch.equal(bits(found), bits(expected))


UNIT = {"BF16": (Fraction(1, 2**24), Fraction(1, 2**150)), "F16": (Fraction(1, 2**24), Fraction(1, 2**150))}
UNIT["F32"] = (Fraction(1, 2**53), Fraction(1, 2**1075))
"""By output dtype: the unit roundoff of its sums, and half of their least subnormal."""


def exact(tensor: torch.Tensor) -> list[Fraction]:
    return [Fraction(value) for value in tensor.double().tolist()]


def bound(terms: list[Fraction], output: str, dtype: str) -> Fraction:
    """How far a sum may be from that of the exact terms."""
    unit, least = UNIT[output]
    narrowed = dtype == "F64" and output != "F32"
    roundings = (len(terms) + (2 if narrowed else 1)) * unit
    return roundings / (1 - roundings) * sum(map(abs, terms)) + len(terms) * least * (3 if narrowed else 1)


def rounds_to(value: torch.Tensor) -> tuple[Fraction | int, Fraction | int]:
    """The least and the largest number that `value`, a scalar, is the nearest to."""
    neighbours = [value, *(torch.nextafter(value, torch.tensor(end, dtype=value.dtype)) for end in (-INF, INF))]
    below, above = min(neighbours), max(neighbours)
    lowest = (exact(value[None])[0] + exact(below[None])[0]) / 2 if torch.isfinite(below) else -(2**200)
    highest = (exact(value[None])[0] + exact(above[None])[0]) / 2 if torch.isfinite(above) else 2**200
    return lowest, highest


def drawn_tensor(data: st.DataObject, dtype: str) -> torch.Tensor:
    """Six finite numbers of any size; those of fp64 lie beside such of fp32, so that few are too large for its sums."""
    width = 16 if dtype in ("BF16", "F16") else 32
    words = data.draw(st.lists(st.integers(0, 2**width - 1), min_size=6, max_size=6))
    narrow = "F32" if dtype == "F64" else dtype
    drawn = torch.tensor(words, dtype=torch.int64).to(torch.uint16 if width == 16 else torch.uint32)
    tensor = drawn.view(DTYPES[narrow])
    tensor = torch.where(torch.isfinite(tensor), tensor, torch.zeros_like(tensor))
    if dtype != "F64":
        return tensor
    beside = data.draw(st.lists(st.integers(0, 127), min_size=6, max_size=6))
    return tensor.double() * (1 + torch.tensor(beside, dtype=torch.float64) * 2.0**-30)


normal_weights = st.lists(st.floats(0, 1).map(lambda w: w if w >= 2.0**-126 else 0.0), min_size=1, max_size=5)


@given(st.data(), normal_weights, st.sampled_from(OUTPUTS), st.sampled_from(sorted(DTYPES)))
def test_no_output_is_further_from_the_exact_sum_than_the_bound_says(
    data: st.DataObject, weights: list[float], output: str, dtype: str
) -> None:
    inputs = [drawn_tensor(data, dtype) for _ in weights]

    found, _, _ = merged(weights, inputs, output)

    for number, value in enumerate(found):
        if not torch.isfinite(value):
            continue
        terms = [Fraction(weight) * exact(tensor)[number] for weight, tensor in zip(weights, inputs, strict=True)]
        lowest, highest = rounds_to(value)
        error = bound(terms, output, dtype)
        assert lowest - error <= sum(terms) <= highest + error


def test_an_input_in_fp64_meets_one_rounding_more_on_its_way_to_fp16() -> None:
    """Weight, input and product are all rounded to the same side, and the sum lands on the other side of a tie."""
    weight, number = float.fromhex("0x1.000e70ff7ced9p-1"), float.fromhex("0x1.001190ff7ced9p+0")

    found, _, _ = merged([weight], [torch.tensor([number], dtype=torch.float64)], "F16")

    term = Fraction(weight) * Fraction(number)
    lowest, highest = rounds_to(found[0])
    beyond = max(lowest - term, term - highest)
    assert bound([term], "F16", "F32") < beyond <= bound([term], "F16", "F64")


TIES = {
    "to the even neighbour below": (0x3F80_8000, 0x3F80),
    "to the even neighbour above": (0x3F81_8000, 0x3F82),
    "just above a tie": (0x3F80_8001, 0x3F81),
    "just below a tie": (0x3F81_7FFF, 0x3F81),
    "a negative tie": (0xBF80_8000, 0xBF80),
    "the smallest subnormal of fp32": (0x0000_0001, 0x0000),
    "a subnormal tie": (0x0001_8000, 0x0002),
    "minus zero": (0x8000_0000, 0x8000),
    "the largest that does not overflow": (0x7F7F_7FFF, 0x7F7F),
}


@pytest.mark.parametrize(("word", "expected"), TIES.values(), ids=TIES)
def test_bf16_rounds_to_nearest_and_ties_to_even(word: int, expected: int) -> None:
    value = torch.frombuffer(bytearray(struct.pack("<I", word)), dtype=torch.float32)

    found, nans, infinite = merged([1.0], [value], "BF16")

    assert int(found.view(torch.uint16).item()) == expected
    assert (nans, infinite) == (0, 0)


NOT_NUMBERS = {
    "NaN": ("F32", [float("nan"), 1.0], "BF16", (1, 0)),
    "infinity": ("F32", [float("inf"), float("-inf")], "BF16", (0, 2)),
    "bf16 overflows one bit above its largest": ("F32", [3.4e38, -3.4e38, 1.0], "BF16", (0, 2)),
    "fp16 overflows": ("F32", [65520.0, -65520.0, 65519.0], "F16", (0, 2)),
    "NaN in fp16": ("F16", [float("nan"), float("inf")], "F16", (1, 1)),
    "fp32 overflows": ("F64", [1e39, float("nan")], "F32", (1, 1)),
}


@pytest.mark.parametrize(("dtype", "values", "output", "counts"), NOT_NUMBERS.values(), ids=NOT_NUMBERS)
def test_what_is_not_a_number_is_counted(dtype: str, values: list[float], output: str, counts: tuple[int, int]) -> None:
    _, nans, infinite = merged([1.0], [torch.tensor(values, dtype=torch.float64).to(DTYPES[dtype])], output)

    assert (nans, infinite) == counts


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tile_takes_no_more_memory_than_the_budget_counts(dtype: str) -> None:
    elements = 2**15
    work = budget.Work([[dtype]], "F16", 1, chunk_bytes=8, chunk_runs=1, tile_bytes=elements * 2, tensors=0)
    stored, content = memoryview(bytes(elements * DTYPES[dtype].itemsize)), memoryview(bytearray(elements * 2))

    tracemalloc.start()
    try:
        kernel = Kernel(work.tile_bytes, 1, work.output)
        kernel.begin(elements, [dtype])
        kernel.load(stored, dtype)
        kernel.add(0, 0.5, first=True)
        kernel.add(0, 0.5, first=False)
        kernel.round(0, content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak <= work.scratch_bytes + 4096


def test_infinities_of_opposite_sign_make_a_nan() -> None:
    up, down = torch.tensor([float("inf")]), torch.tensor([float("-inf")])

    assert merged([0.5, 0.5], [up, down], "BF16")[1:] == (1, 0)


def test_the_tool_that_judges_rounding_rounds_once() -> None:
    # Over fp32 this value, 1 + 2^-8 + 2^-40, would become a tie and fall to 1.
    just_above_a_tie = np.array([1 + 2.0**-8 + 2.0**-40])

    assert torch_checkpoints.correctly_rounded(just_above_a_tie, torch.bfloat16).item() == 1 + 2.0**-7
    assert torch.from_numpy(just_above_a_tie).float().bfloat16().item() == 1.0
