"""Headers of safetensors files: what the library writes is read, what lies is refused, nothing else ever escapes."""

import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from mergesearch_merger import dtypes, header

LENGTH = header.LENGTH_BYTES
names = st.text(min_size=1, max_size=12).filter(lambda name: name != header.METADATA)
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
whole_dtypes = st.sampled_from(sorted(dtypes.FLOATS | dtypes.BUFFERS))


@st.composite
def entry_lists(draw: st.DrawFn) -> list[tuple[str, str, tuple[int, ...], int]]:
    found = []
    for name in draw(st.lists(names, max_size=6, unique=True)):
        dtype, shape = draw(whole_dtypes), draw(shapes)
        size = dtypes.width(dtype)
        for length in shape:
            size *= length
        found.append((name, dtype, shape, size))
    return found


@given(entry_lists())
def test_what_is_serialized_is_parsed_again(entries: list[tuple[str, str, tuple[int, ...], int]]) -> None:
    head = header.serialize(entries)
    size = len(head) + sum(entry[3] for entry in entries)

    assert header.parse_length(head[:LENGTH], size) == len(head) - LENGTH
    found = header.parse(head[LENGTH:], size)

    assert {(t.name, t.dtype, t.shape, t.end - t.begin) for t in found} == set(entries)
    assert len(head) % header.ALIGNMENT == 0


@given(entry_lists(), st.integers(-40, 40).filter(bool))
def test_a_file_of_any_other_length_is_refused(
    entries: list[tuple[str, str, tuple[int, ...], int]], difference: int
) -> None:
    head = header.serialize(entries)
    size = max(len(head) + sum(entry[3] for entry in entries) + difference, 0)

    with pytest.raises(header.HeaderError):
        header.parse(head[LENGTH : LENGTH + header.parse_length(head[:LENGTH][:size], size)], size)


@given(st.binary(max_size=300), st.integers(0, 2**40))
def test_arbitrary_bytes_are_refused_by_the_one_error(document: bytes, size: int) -> None:
    try:
        found = header.parse(document, size)
    except header.HeaderError:
        return
    assert all(LENGTH + len(document) <= tensor.begin <= tensor.end <= size for tensor in found)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("BF16"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_json_of_any_form_is_refused_or_lies_inside_the_file(document: object) -> None:
    text = json.dumps(document).encode()
    try:
        found = header.parse(text, 4096)
    except header.HeaderError:
        return
    assert all(LENGTH + len(text) <= tensor.begin <= tensor.end <= 4096 for tensor in found)


def test_the_library_and_we_agree_on_each_others_files(tmp_path: Path) -> None:
    values = {
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 4, dtype=torch.bfloat16),
        "half": torch.randn(3, 5, dtype=torch.float16),
        "flags": torch.tensor([True, False]),
        "positions": torch.arange(4),
    }
    save_file(values, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    content = (tmp_path / "theirs.safetensors").read_bytes()

    length = header.parse_length(content[:LENGTH], len(content))
    found = header.parse(content[LENGTH : LENGTH + length], len(content))

    assert {t.name: (t.dtype, t.shape) for t in found} == {
        "scalar": ("F32", ()),
        "empty": ("BF16", (0, 4)),
        "half": ("F16", (3, 5)),
        "flags": ("BOOL", (2,)),
        "positions": ("I64", (4,)),
    }
    head = header.serialize([(t.name, t.dtype, t.shape, t.end - t.begin) for t in found])
    (tmp_path / "ours.safetensors").write_bytes(head + content[LENGTH + length :])
    with safe_open(tmp_path / "ours.safetensors", "pt") as ours:
        assert ours.metadata() == {"format": "pt"}
        assert all(torch.equal(ours.get_tensor(name), value) for name, value in values.items())


def entry(dtype: object = "BF16", shape: object = (4,), offsets: object = (0, 8)) -> dict[str, object]:
    listed = [list(value) if isinstance(value, tuple) else value for value in (shape, offsets)]
    return {"dtype": dtype, "shape": listed[0], "data_offsets": listed[1]}


LIES = {
    "not an object": ([1], "not a JSON object"),
    "an entry that is no object": ({"x": 3}, "its entry is not an object"),
    "no dtype": ({"x": {"shape": [4], "data_offsets": [0, 8]}}, "dtype None"),
    "a negative size": ({"x": entry(shape=(-4,))}, "not a list of sizes"),
    "a size of true": ({"x": entry(shape=[True])}, "not a list of sizes"),
    "a size past 63 bits": ({"x": entry(shape=[2**63])}, "not a list of sizes"),
    "a fractional size": ({"x": entry(shape=[4.0])}, "not a list of sizes"),
    "too many dimensions": ({"x": entry(shape=[1] * 65)}, "not a list of sizes"),
    "one offset": ({"x": entry(offsets=(0,))}, "not [begin, end]"),
    "offsets that run backwards": ({"x": entry(offsets=(8, 0))}, "not [begin, end]"),
    "metadata that are no texts": ({"__metadata__": {"format": 1}}, "__metadata__ is not an object of texts"),
    "metadata that are no object": ({"__metadata__": "pt"}, "__metadata__ is not an object of texts"),
    "half a character": ({"\ud800": entry()}, "half a character"),
    "a shape of many brackets": ({"x": entry(shape=[[[[[[[[[]]]]]]]]])}, "[[[[[[...]]]]]]"),
    "a product that overflows 64 bits": ({"x": entry(shape=(2**62, 2**62))}, "more than 63 bits"),
    "the same before a zero": ({"x": entry(shape=(2**62, 2**62, 0), offsets=(0, 0))}, "more than 63 bits"),
}


@pytest.mark.parametrize(("document", "says"), LIES.values(), ids=LIES)
def test_a_header_that_lies_is_refused_with_what_it_says(document: object, says: str) -> None:
    text = json.dumps(document).encode()

    with pytest.raises(header.HeaderError) as caught:
        header.parse(text, LENGTH + len(text) + 8)

    assert says in str(caught.value)


def test_many_lies_are_counted_after_the_first_three() -> None:
    text = json.dumps({f"x{number}": entry(shape=(3,)) for number in range(10)}).encode()

    with pytest.raises(header.HeaderError, match=r"'x0'.*'x1'.*'x2'.*and 7 more"):
        header.parse(text, 10**6)


def test_nested_brackets_do_not_exhaust_the_stack() -> None:
    with pytest.raises(header.HeaderError, match="nested deeper than 64 levels"):
        header.parse(b"[" * 200_000, 10**6)


def test_a_header_longer_than_the_file_is_never_read() -> None:
    with pytest.raises(header.HeaderError, match="the header needs 1008 bytes, the file has 500"):
        header.parse_length(struct.pack("<Q", 1000), 500)
