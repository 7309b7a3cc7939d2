"""The layout and the plan of a merge: every byte of the output has its place, and is written exactly once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch_merger import budget, dtypes, header, layout, plan
from mergesearch_merger.checkpoint import Checkpoint, Place, WeightFile
from mergesearch_merger.layout import OutputTensor

tensors = st.lists(
    st.builds(
        OutputTensor,
        name=st.integers(0, 10**6).map(str),
        dtype=st.sampled_from(sorted(dtypes.FLOATS | dtypes.BUFFERS)),
        shape=st.lists(st.integers(0, 7), max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda tensor: tensor.name,
)


@given(tensors, st.integers(1, 400))
def test_every_tensor_lies_in_exactly_one_shard_where_the_header_says(
    wanted: list[OutputTensor], max_shard_bytes: int
) -> None:
    found = layout.lay_out(wanted, max_shard_bytes)

    assert sorted(t.name for shard in found.shards for t in shard.tensors) == sorted(t.name for t in wanted)
    for shard in found.shards:
        parsed = header.parse(shard.header[header.LENGTH_BYTES :], shard.size)
        said = {t.name: (t.dtype, t.shape, t.begin) for t in parsed}
        assert said == {
            tensor.name: (tensor.dtype, tensor.shape, begin)
            for tensor, begin in zip(shard.tensors, shard.begins, strict=True)
        }
        assert all(begin % dtypes.width(t.dtype) == 0 for t, begin in zip(shard.tensors, shard.begins, strict=True))


@given(tensors, st.integers(1, 400))
def test_a_shard_is_larger_than_the_limit_only_if_it_holds_one_tensor(
    wanted: list[OutputTensor], max_shard_bytes: int
) -> None:
    for shard in layout.lay_out(wanted, max_shard_bytes).shards:
        filled = [tensor for tensor in shard.tensors if tensor.size]
        assert sum(tensor.size for tensor in filled) <= max_shard_bytes or len(filled) == 1


@given(tensors, st.integers(1, 400))
def test_shards_and_index_are_named_as_transformers_expects(wanted: list[OutputTensor], max_shard_bytes: int) -> None:
    found = layout.lay_out(wanted, max_shard_bytes)

    count = len(found.shards)
    if count == 1:
        assert found.shards[0].name == "model.safetensors"
        assert found.index() is None
        return
    index = json.loads(found.index() or b"")
    assert [shard.name for shard in found.shards] == [
        f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)
    ]
    assert index["weight_map"] == {t.name: shard.name for shard in found.shards for t in shard.tensors}
    assert index["metadata"]["total_size"] == sum(t.size for t in wanted)


def test_tensors_keep_the_order_in_which_the_reference_stores_them() -> None:
    wanted = [OutputTensor(name, "BF16", (4,)) for name in ("z", "b", "a")]

    (shard,) = layout.lay_out(wanted, 10**6).shards

    assert [tensor.name for tensor in shard.tensors] == ["z", "b", "a"]


def test_buffers_are_no_parameters() -> None:
    wanted = [OutputTensor("w", "BF16", (4, 2)), OutputTensor("ids", "I64", (5,)), OutputTensor("s", "F32", ())]

    assert layout.lay_out(wanted, 10**6).parameters == 9


def a_checkpoint(draw: st.DrawFn, wanted: list[OutputTensor], seed: int) -> Checkpoint:
    """A checkpoint with these tensors: floats of any width, in any order, in one file or two."""
    order = draw(st.permutations(wanted))
    cut = draw(st.integers(0, len(order)))
    groups = [group for group in (order[:cut], order[cut:]) if group]
    files, places = [], {}
    for number, group in enumerate(groups):
        at = draw(st.integers(8, 40))
        held = []
        for tensor in group:
            floats = tensor.dtype in dtypes.FLOATS
            dtype = draw(st.sampled_from(sorted(dtypes.FLOATS))) if floats else tensor.dtype
            size = tensor.elements * dtypes.width(dtype)
            held.append(header.Tensor(tensor.name, dtype, tensor.shape, at, at + size))
            places[tensor.name] = Place(number, held[-1])
            at += size
        files.append(WeightFile(f"c{seed}/{number}", Path(f"{number}"), at, 0, "", tuple(held)))
    return Checkpoint(f"c{seed}", f"c{seed}", Path(), tuple(files), places, {}, {}, ())


@st.composite
def works(draw: st.DrawFn) -> tuple[layout.Layout, list[Checkpoint]]:
    """The layout of an output, and inputs for it."""
    wanted = [OutputTensor(t.name, "BF16" if t.dtype in dtypes.FLOATS else t.dtype, t.shape) for t in draw(tensors)]
    found = layout.lay_out(wanted, draw(st.integers(1, 400)))
    return found, [a_checkpoint(draw, wanted, seed) for seed in range(draw(st.integers(1, 3)))]


chunk_sizes = st.integers(1, 30).map(lambda n: n * plan.WIDEST)


def a_budget(found: layout.Layout, inputs: list[Checkpoint], chunk_bytes: int, outputs: int) -> budget.Work:
    one = budget.of_checkpoints(inputs, (), found, "BF16", chunk_bytes=chunk_bytes, tile_bytes=64)
    return replace(one, candidates=outputs)


@given(works(), chunk_sizes, st.integers(1, 3), st.integers(0, 2000))
def test_header_and_runs_cover_every_byte_exactly_once_and_the_reads_their_elements(
    work: tuple[layout.Layout, list[Checkpoint]], chunk_bytes: int, outputs: int, more: int
) -> None:
    found, inputs = work
    slot_bytes = a_budget(found, inputs, chunk_bytes, outputs).least_slot_bytes + more
    at = [0] * len(found.shards)
    elements: dict[str, list[int]] = {t.name: [0] * t.elements for shard in found.shards for t in shard.tensors}

    for unit in plan.Plan(found, inputs, outputs, slot_bytes, chunk_bytes).units():
        shard = found.shards[unit.shard]
        begins = dict(zip((t.name for t in shard.tensors), shard.begins, strict=True))
        assert unit.slot_bytes(outputs) <= slot_bytes
        assert unit.begin == at[unit.shard], "from front to back, without a gap"
        assert unit.begin % chunk_bytes == 0
        assert unit.end % chunk_bytes == 0 or unit.end == shard.size
        position = unit.begin + len(unit.head)
        assert unit.head == shard.header[unit.begin : position]
        for run in unit.runs:
            width = dtypes.width(run.tensor.dtype)
            assert run.offset == position == begins[run.tensor.name] + run.first * width
            for element in range(run.first, run.first + run.elements):
                elements[run.tensor.name][element] += 1
            position += run.size
        assert position == unit.end
        at[unit.shard] = unit.end
        check_reads(unit, inputs)

    assert at == [shard.size for shard in found.shards]
    assert all(set(counts) <= {1} for counts in elements.values())


def check_reads(unit: plan.Unit, inputs: list[Checkpoint]) -> None:
    """Every run finds its elements of every input in the slot, aligned; nothing else is read, and nothing twice."""
    slot: dict[int, tuple[int, int, int]] = {}
    for read in unit.reads:
        assert read.at % plan.ALIGNMENT == 0
        for step in range(read.size):
            assert read.at + step not in slot, "two reads of the same byte of the slot"
            slot[read.at + step] = (read.input, read.file, read.begin + step)
    assert len(set(slot.values())) == len(slot), "a byte of a file is read twice"
    assert all(at < unit.input_bytes for at in slot)
    used = 0
    for run in unit.runs:
        for number, (at, dtype) in enumerate(run.sources):
            place = inputs[number].places[run.tensor.name]
            width = dtypes.width(dtype)
            assert dtype == place.tensor.dtype
            assert at % width == 0
            for step in range(run.elements * width):
                assert slot[at + step] == (number, place.file, place.tensor.begin + run.first * width + step)
            used += run.elements * width
    assert used == len(slot)


def a_plan(slot_bytes: int, chunk_bytes: int) -> plan.Plan:
    """Of one tensor of 100 elements in bf16, merged from two inputs in fp32."""
    tensor = header.Tensor("x", "F32", (100,), 8, 408)
    inputs = [
        Checkpoint(
            name,
            name,
            Path(),
            (WeightFile(name, Path(name), 408, 0, "", (tensor,)),),
            {"x": Place(0, tensor)},
            {},
            {},
            (),
        )
        for name in "ab"
    ]
    return plan.Plan(layout.lay_out([OutputTensor("x", "BF16", (100,))], 1000), inputs, 1, slot_bytes, chunk_bytes)


def test_what_follows_on_in_a_file_is_read_at_once() -> None:
    (unit,) = a_plan(10_000, 4096).units()

    assert [(read.input, read.begin, read.size) for read in unit.reads] == [(0, 8, 400), (1, 8, 400)]


HARD_TO_READ = {
    "a tensor that the inputs hold in fp32": ([("wide", "F32", 20_000)], 13),
    "many tensors that lie elsewhere in the inputs": ([(f"tiny-{n}", "BF16", 1) for n in range(300)], 7),
}


@pytest.mark.parametrize(("first", "cost"), HARD_TO_READ.values(), ids=HARD_TO_READ)
def test_units_grow_again_after_what_takes_more_of_a_slot(first: list[tuple[str, str, int]], cost: int) -> None:
    first, last = [*first], [("narrow", "BF16", 100_000)]

    alone, before, both = (units_of(found) for found in (last, first, [*first, *last]))

    assert len(before) <= cost
    assert len(both) <= len(before) + len(alone) + 2


def units_of(tensors: list[tuple[str, str, int]]) -> list[plan.Unit]:
    """The units of tensors (name, dtype in the inputs, elements) in bf16, which both inputs hold from last to first."""
    at, places = 8, {}
    for name, dtype, elements in reversed(tensors):
        size = elements * dtypes.width(dtype)
        places[name] = Place(0, header.Tensor(name, dtype, (elements,), at, at + size))
        at += size
    files = (WeightFile("x", Path("x"), at, 0, "", tuple(place.tensor for place in places.values())),)
    inputs = [Checkpoint(name, name, Path(), files, places, {}, {}, ()) for name in "ab"]
    found = layout.lay_out([OutputTensor(name, "BF16", (elements,)) for name, _, elements in tensors], 10**6)
    return list(plan.Plan(found, inputs, 1, 16_384, 64).units())


def test_units_of_some_shards_only_can_be_asked_for() -> None:
    assert list(a_plan(10_000, 4096).units([1])) == []


def test_a_slot_that_cannot_hold_a_chunk_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="a slot of 100 bytes cannot hold a chunk, which takes 8"):
        list(a_plan(100, 256).units())


@pytest.mark.parametrize("chunk_bytes", [0, -8, 4, 12])
def test_chunks_that_would_cut_an_element_in_two_are_refused(chunk_bytes: int) -> None:
    with pytest.raises(ValueError, match="in two"):
        next(a_plan(10_000, chunk_bytes).units())
