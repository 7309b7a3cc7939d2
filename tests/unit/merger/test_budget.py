"""Memory is shared between slots and threads: never more than allowed, and as many threads as fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch_merger import budget
from mergesearch_merger.budget import Work

MIB = 2**20


def some_work(inputs: int, candidates: int = 1, dtype: str = "BF16", output: str = "BF16", tensors: int = 0) -> Work:
    return Work(
        inputs=[[dtype]] * inputs,
        output=output,
        candidates=candidates,
        chunk_bytes=256 * 2**10,
        chunk_runs=20,
        tile_bytes=128 * 2**10,
        tensors=tensors,
    )


works = st.builds(
    some_work,
    st.integers(1, 64),
    st.integers(1, 64),
    st.sampled_from(["BF16", "F16", "F32", "F64", "I64"]),
    st.sampled_from(["BF16", "F16", "F32"]),
    st.integers(0, 10**6),
)


@given(works, st.integers(1, 128), st.integers(64 * MIB, 8192 * MIB))
def test_a_budget_keeps_to_the_memory_and_every_slot_holds_a_chunk(work: Work, cpus: int, memory: int) -> None:
    try:
        found = budget.choose(work, cpus, memory)
    except budget.BudgetError:
        return

    assert found.memory_bytes <= memory
    assert found.slot_bytes >= work.least_slot_bytes
    assert found.slots > found.workers
    assert min(found.readers, found.workers, found.writers) >= 1


@given(works, st.integers(1, 128))
def test_what_is_refused_says_how_much_is_enough(work: Work, cpus: int) -> None:
    with pytest.raises(budget.BudgetError) as raised:
        budget.choose(work, cpus, budget.BASE_BYTES)

    enough = int(str(raised.value).rpartition("at least ")[2].removesuffix(" MiB")) * MIB
    assert budget.choose(work, cpus, enough).memory_bytes <= enough


def test_more_inputs_take_no_more_memory() -> None:
    few, many = (budget.choose(some_work(count), 8, 4096 * MIB) for count in (2, 16))

    assert few == many


def test_the_headers_of_all_inputs_take_from_what_is_left_for_slots() -> None:
    few, many = (budget.choose(some_work(8, tensors=count), 4, 256 * MIB) for count in (0, 9 * 10_000))

    assert many.base_bytes - few.base_bytes == 9 * 10_000 * budget.TENSOR_BYTES
    assert many.slots * many.slot_bytes < few.slots * few.slot_bytes
    with pytest.raises(budget.BudgetError, match="8 inputs with 1 candidates at once, 360000 tensors in all, takes at"):
        budget.choose(some_work(8, tensors=9 * 40_000), 4, 256 * MIB)


def test_numpy_looks_fp16_up_by_wider_numbers() -> None:
    assert some_work(2, dtype="F16").scratch_bytes - some_work(2).scratch_bytes == 64 * 2**10 * budget.INDEX_BYTES


def test_with_less_memory_slots_get_smaller_before_threads_get_fewer() -> None:
    plenty = budget.choose(some_work(4), 8, 4096 * MIB)
    less = budget.choose(some_work(4), 8, 160 * MIB)
    least = budget.choose(some_work(4), 8, 72 * MIB)

    assert plenty.slot_bytes == budget.LARGEST_SLOT_BYTES
    assert less.workers == plenty.workers == 8
    assert less.slot_bytes < plenty.slot_bytes
    assert least.workers < 8
