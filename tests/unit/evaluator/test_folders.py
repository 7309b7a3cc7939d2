"""What a model's folder shows without reading a tensor."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator_support import models
from mergesearch.errors import InvalidRequestError
from mergesearch_evaluator import folders


def edited(name: str, **changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        models.write_json(folder / name, document | changes)

    return edit


def header(text: bytes, body: bytes = b"") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)

    return write


def drop_a_shard(folder: Path) -> None:
    next(folder.glob("*-of-*.safetensors")).unlink()


def index_without_a_tensor(folder: Path) -> None:
    edited("model.safetensors.index.json", weight_map={"ghost": "model-00001-of-00002.safetensors"})(folder)


def cut_weights(size: int) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:size])

    return cut


def add_to_weights(folder: Path) -> None:
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"more")


def same_tensor_twice(folder: Path) -> None:
    first, second = sorted(folder.glob("*-of-*.safetensors"))
    second.write_bytes(first.read_bytes())
    edited("model.safetensors.index.json", weight_map={"a": first.name, "b": second.name})(folder)


@pytest.mark.parametrize(
    ("shards", "break_it", "words"),
    [
        pytest.param(1, cut_weights(4), "4 bytes do not hold a safetensors header", id="no-length"),
        pytest.param(1, cut_weights(40), "40 bytes do not hold a safetensors header of", id="header-cut"),
        pytest.param(1, cut_weights(-1), "its header promises", id="last-byte-missing"),
        pytest.param(1, add_to_weights, "its header promises", id="bytes-too-many"),
        pytest.param(1, header(b"[]"), "its header cannot be read", id="header-is-a-list"),
        pytest.param(1, header(b'{"a": 1}'), "its header cannot be read", id="entry-is-a-number"),
        pytest.param(1, header(b"{" + b" " * 100), "its header cannot be read", id="header-is-no-json"),
        pytest.param(2, drop_a_shard, "which is not there (1 missing)", id="shard-missing"),
        pytest.param(2, index_without_a_tensor, "tensor ghost is in none of the files", id="index-lies"),
        pytest.param(2, edited("model.safetensors.index.json", weight_map={}), "has no weight_map", id="index-empty"),
        pytest.param(2, same_tensor_twice, "stands in another file of the folder too", id="tensor-twice"),
        pytest.param(1, lambda folder: (folder / "config.json").write_text("[]"), "is not a JSON object", id="config"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    tmp_path: Path, shards: int, break_it: Callable[[Path], None], words: str
) -> None:
    folder = models.write_model(tmp_path / "model", 1, shards=shards)
    assert folders.read(folder).path == folder
    break_it(folder)
    with pytest.raises(InvalidRequestError) as caught:
        folders.read(folder)
    assert words in caught.value.message
    assert str(folder) in caught.value.message


def test_a_folder_that_is_not_there_is_another_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        folders.read(tmp_path / "nobody")
    assert caught.value.reason == "CheckpointMissing"


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param({"seed": 2}, id="other-values"),
        pytest.param({"seed": 1, "dtype": "F32"}, id="other-dtype"),
        pytest.param({"seed": 1, "shards": 3}, id="other-shards"),
    ],
)
def test_models_that_differ_in_values_only_share_a_layout(tmp_path: Path, shape: dict[str, int]) -> None:
    first = folders.read(models.write_model(tmp_path / "first", 1))
    assert folders.read(models.write_model(tmp_path / "second", **shape)).layout == first.layout  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edit", "same"),
    [
        pytest.param(edited("config.json", _name_or_path="elsewhere", torch_dtype="float32"), True, id="names"),
        pytest.param(edited("config.json", rope_theta=5e5), False, id="config"),
        pytest.param(edited("tokenizer_config.json", eos_token="<pad>"), False, id="tokenizer"),
        pytest.param(lambda folder: (folder / "chat_template.jinja").write_text("x"), False, id="template"),
        pytest.param(lambda folder: (folder / "generation_config.json").write_text("{}"), False, id="generation"),
        pytest.param(lambda folder: (folder / "README.md").write_text("x"), True, id="readme"),
        pytest.param(lambda folder: (folder / "merge.json").write_text("{}"), True, id="merge-record"),
        pytest.param(
            lambda folder: models.write_weights(folder, models.tensors(1, "untied")), False, id="another-tensor"
        ),
    ],
)
def test_an_engine_is_kept_only_where_nothing_but_values_differs(
    tmp_path: Path, edit: Callable[[Path], None], same: bool
) -> None:
    folder = models.write_model(tmp_path / "model", 1)
    before = folders.read(folder).layout
    edit(folder)
    assert (folders.read(folder).layout == before) is same


@pytest.mark.parametrize(
    ("config", "length"),
    [
        pytest.param({"max_position_embeddings": 64}, 64, id="llama"),
        pytest.param({"n_positions": 1024}, 1024, id="gpt2"),
        pytest.param({"text_config": {"max_position_embeddings": 9}, "n_ctx": 3}, 9, id="nested"),
        pytest.param({"hidden_size": 4}, None, id="unsaid"),
    ],
)
def test_the_context_length_stands_in_the_config(config: dict[str, object], length: int | None) -> None:
    assert folders.context_length(config) == length


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('{"requestHash": "abc"}', "abc", id="there"),
        pytest.param("{}", None, id="without-hash"),
        pytest.param("{", None, id="torn"),
        pytest.param("[]", None, id="no-object"),
        pytest.param(None, None, id="no-record"),
    ],
)
def test_a_merges_record_is_read_or_counts_as_none(tmp_path: Path, text: str | None, found: str | None) -> None:
    if text is not None:
        (tmp_path / "merge.json").write_text(text)
    assert folders.merge_hash(tmp_path) == found
