"""Per-sample scores on disk."""

import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mergesearch_evaluator import samples
from mergesearch_evaluator.samples import Sample

ONE = Sample("leaf", 3, 0.5, 0.25, 7, 2, "answer\nwith lines   and ünïcode")
FOUND = st.builds(
    Sample,
    leaf=st.text(max_size=8),
    index=st.integers(0, 10**6),
    value=st.floats(allow_nan=False, allow_infinity=False),
    weight=st.floats(0, 1),
    prompt_tokens=st.integers(0, 10**6),
    generated_tokens=st.integers(0, 10**6),
    text=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)


@given(st.lists(FOUND, max_size=20))
def test_what_was_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, found: list[Sample]) -> None:
    path = tmp_path_factory.mktemp("samples") / "task.jsonl.zst"
    samples.write(path, found)
    assert samples.read(path) == found


def test_the_file_is_one_json_document_a_line_for_any_tool(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "task.jsonl.zst"
    samples.write(path, [ONE, ONE])
    lines = zstandard.ZstdDecompressor().decompress(path.read_bytes()).decode().split("\n")
    assert lines[2:] == [""]
    assert json.loads(lines[0]) == {
        "leaf": "leaf",
        "index": 3,
        "value": 0.5,
        "weight": 0.25,
        "prompt_tokens": 7,
        "generated_tokens": 2,
        "text": ONE.text,
    }
    assert [file.name for file in path.parent.iterdir()] == ["task.jsonl.zst"]


def test_a_value_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        samples.write(tmp_path / "task.jsonl.zst", [Sample("leaf", 0, float("nan"), 1.0, 0, 0, None)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"plain text", id="not-compressed"),
        pytest.param(zstandard.ZstdCompressor().compress(b"no json\n"), id="no-json"),
        pytest.param(zstandard.ZstdCompressor().compress(b'{"leaf": "a"}\n'), id="fields-missing"),
        pytest.param(zstandard.ZstdCompressor().compress(b"[1]\n"), id="no-object"),
        pytest.param(zstandard.ZstdCompressor().compress(b"\xff\n"), id="no-text"),
    ],
)
def test_what_is_not_ours_is_unreadable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "task.jsonl.zst"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(samples.UnreadableSamplesError, match=str(path)):
        samples.read(path)


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_torn_file_is_unreadable(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "task.jsonl.zst"
    samples.write(path, [Sample("leaf", index, 1.0, 0.1, 0, 0, f"{index * 7919}") for index in range(100)])
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(samples.UnreadableSamplesError):
        samples.read(path)
