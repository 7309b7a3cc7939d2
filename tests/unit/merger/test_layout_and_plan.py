"""The layout and the plan of a merge: every byte of the output has its place, and is written exactly once."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch_merger import dtypes, header, layout, plan
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


@given(tensors, st.integers(1, 400), st.integers(1, 30).map(lambda n: n * plan.WIDEST), st.integers(8, 64))
def test_header_and_tiles_cover_every_byte_exactly_once(
    wanted: list[OutputTensor], max_shard_bytes: int, chunk_bytes: int, tile_bytes: int
) -> None:
    found = layout.lay_out(wanted, max_shard_bytes)
    written = [[0] * shard.size for shard in found.shards]
    elements: dict[str, list[int]] = {tensor.name: [0] * tensor.elements for tensor in wanted}

    for chunk in plan.chunks(found, chunk_bytes):
        shard = found.shards[chunk.shard]
        at = chunk.begin + len(plan.header_part(shard, chunk))
        for position in range(chunk.begin, at):
            written[chunk.shard][position] += 1
        for tile in plan.tiles(shard, chunk, tile_bytes):
            assert tile.offset == at, "from front to back, without a gap"
            assert tile.size <= max(tile_bytes, plan.WIDEST)
            begin = dict(zip((t.name for t in shard.tensors), shard.begins, strict=True))[tile.tensor.name]
            assert tile.offset == begin + tile.first * dtypes.width(tile.tensor.dtype)
            for position in range(tile.offset, tile.offset + tile.size):
                written[chunk.shard][position] += 1
            for element in range(tile.first, tile.first + tile.elements):
                elements[tile.tensor.name][element] += 1
            at += tile.size
        assert at == chunk.end

    assert all(set(counts) <= {1} for counts in written)
    assert all(set(counts) <= {1} for counts in elements.values())


@given(tensors, st.integers(1, 30).map(lambda n: n * plan.WIDEST))
def test_chunks_are_numbered_within_their_shard(wanted: list[OutputTensor], chunk_bytes: int) -> None:
    found = layout.lay_out(wanted, 100)
    chunks = list(plan.chunks(found, chunk_bytes))

    for number, shard in enumerate(found.shards):
        mine = [chunk for chunk in chunks if chunk.shard == number]
        assert [chunk.index for chunk in mine] == list(range(math.ceil(shard.size / chunk_bytes)))


@pytest.mark.parametrize("chunk_bytes", [0, -8, 4, 12])
def test_chunks_that_would_cut_an_element_in_two_are_refused(chunk_bytes: int) -> None:
    with pytest.raises(ValueError, match="in two"):
        next(plan.chunks(layout.lay_out([OutputTensor("x", "F64", (4,))], 100), chunk_bytes))
