"""What changes a checkpoint's fingerprint, what one says of a change, and that both images take the same one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator_support import models
from mergesearch import contract, fingerprint, worker
from mergesearch.fingerprint import File
from mergesearch_evaluator import folders
from mergesearch_merger import reader

HEADER, CONTENT = "a" * 64, "c" * 64
WEIGHTS = File("model.safetensors", 100, 1_000, CONTENT, HEADER)
CONFIG = File("config.json", 10, 2_000_000_000, CONTENT)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(File("model.safetensors", 101, 1_000, CONTENT, HEADER), id="size"),
        pytest.param(File("model.safetensors", 100, 1_000, "d" * 64, HEADER), id="content"),
        pytest.param(File("model.safetensors", 100, 1_000, CONTENT, "b" * 64), id="header"),
        pytest.param(File("weights.safetensors", 100, 1_000, CONTENT, HEADER), id="name"),
    ],
)
def test_a_fingerprint_covers(other: File) -> None:
    assert fingerprint.of([other, CONFIG]) != fingerprint.of([WEIGHTS, CONFIG])


def test_a_fingerprint_does_not_depend_on_the_time_of_a_copy() -> None:
    copied = File("model.safetensors", 100, 9_999, CONTENT, HEADER)
    assert fingerprint.of([copied, CONFIG]) == fingerprint.of([WEIGHTS, CONFIG])


def test_a_fingerprint_does_not_depend_on_the_order_of_the_files() -> None:
    assert fingerprint.of([CONFIG, WEIGHTS]) == fingerprint.of([WEIGHTS, CONFIG])


def test_a_change_is_told_with_both_fingerprints_and_the_file_that_was_written_last() -> None:
    said = fingerprint.changed("0" * 64, [CONFIG, WEIGHTS])

    assert f"fingerprint {'0' * 64}, now {fingerprint.of([WEIGHTS, CONFIG])}" in said
    assert "written last: config.json, 10 bytes, 1970-01-01T00:00:02Z" in said


@pytest.mark.parametrize(
    ("config", "counted"),
    [
        pytest.param({}, ["chat_template.jinja", "tokenizer.json"], id="plain"),
        pytest.param({"auto_map": {}}, ["chat_template.jinja", "model.py", "tokenizer.json"], id="with-its-own-code"),
    ],
)
def test_the_files_beside_the_weights_that_count(config: dict[str, object], counted: list[str]) -> None:
    entries = ["README.md", "chat_template.jinja", "merge.json", "model.py", "tokenizer.json"]

    assert list(fingerprint.companions(entries, config)) == counted


def plain(folder: Path) -> None:
    models.write_model(folder, 1)


def sharded(folder: Path) -> None:
    models.write_model(folder, 1, shards=3)


def with_code(folder: Path) -> None:
    models.write_model(folder, 1)
    models.write_json(folder / "config.json", models.config() | {"auto_map": {"AutoModel": "model.Model"}})
    (folder / "model.py").write_text("")


def of_links(folder: Path) -> None:
    models.write_model(folder.with_name("blobs"), 1)
    folder.mkdir()
    for file in folder.with_name("blobs").iterdir():
        (folder / file.name).symlink_to(file)


@pytest.mark.parametrize("write", [plain, sharded, with_code, of_links])
def test_the_merger_and_the_evaluator_take_the_same_fingerprint(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "model")
    location = contract.VolumePath(volume="checkpoints", path="model")
    volumes = worker.Volumes({"checkpoints": tmp_path})

    merged, problems = reader.read(contract.Checkpoint(name="model", location=location), volumes)

    assert problems == ()
    assert merged is not None
    assert fingerprint.of(folders.read(tmp_path / "model").print_files) == merged.fingerprint
    os.utime(tmp_path / "model" / "config.json", ns=(0, 1))
    assert fingerprint.of(folders.read(tmp_path / "model").print_files) == merged.fingerprint, "a restored copy"
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text() + " ")
    assert fingerprint.of(folders.read(tmp_path / "model").print_files) != merged.fingerprint


@pytest.mark.parametrize("size", [1, fingerprint.BLOCKS * fingerprint.BLOCK_BYTES, 10_000_000])
def test_other_content_of_the_same_size_is_seen_at_both_ends_and_wherever_much_has_changed(
    tmp_path: Path, size: int
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(size))
    first = fingerprint.sample(file)
    assert fingerprint.sample(file) == first
    spread = size // fingerprint.BLOCKS + fingerprint.BLOCK_BYTES
    for start, count in ((0, 1), (size - 1, 1), (size // 3, spread)):
        content = bytearray(size)
        content[start : start + count] = b"x" * len(content[start : start + count])
        file.write_bytes(content)
        assert fingerprint.sample(file) != first, start
