"""Whatever the bytes of a checkpoint are: it is merged, or refused with exit 64, a reason and the file's name; and
nothing outside of a file is ever read.
"""

import itertools
import json
import os
import shutil
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mergesearch.contract import PreflightCheckpointsReport
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger import dtypes, header, inspection, reader
from mergesearch_merger.plan import Plan
from unit.merger import scenes
from unit.merger.scenes import EMBEDDING, HEAD, NORM, Scene

WEIGHT_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
FIRST_SHARD, SECOND_SHARD = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
LABEL = "checkpoints/b"
EXAMPLES = settings(max_examples=100)
FEWER_EXAMPLES = settings(max_examples=40)
"""Where each is asked about twice."""

ZEROS: dict[str, scenes.Entry] = {
    EMBEDDING: ("BF16", (4, 2), bytes(16)),
    NORM: ("BF16", (2,), bytes(4)),
    HEAD: ("BF16", (4, 2), bytes(16)),
}
"""Finite under whatever dtype a changed header gives them."""
WHOLE = scenes.file_content(ZEROS)
HEADER_BYTES = len(WHOLE) - 36


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return scenes.a_scene(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(autouse=True)
def whole_again(scene: Scene) -> None:
    """Every test spoils checkpoint b anew, and leaves it spoilt."""
    shutil.rmtree(scene.checkpoints / "b", ignore_errors=True)
    scenes.write_checkpoint(scene.checkpoints / "b", ZEROS)


def said_by_the_preflight(scene: Scene) -> tuple[Reason | None, str]:
    answered = scene.ask(scene.preflight())
    if not answered.reports:
        return answered.exit.reason, answered.exit.message
    (report,) = answered.reports
    assert isinstance(report, PreflightCheckpointsReport)
    return (None, "") if report.failure is None else (report.failure.reason, report.failure.message)


def is_merged(scene: Scene, *files: str) -> bool:
    """Ask the preflight and the merger, and hold them to their promise. `files` are those that were spoilt."""
    shutil.rmtree(scene.merged(), ignore_errors=True)
    early, message = said_by_the_preflight(scene)

    answered = scene.ask(scene.request())

    assert answered.exit.code in (ExitCode.DONE, ExitCode.INVALID_REQUEST), answered.exit
    if answered.exit.code == ExitCode.DONE:
        assert early is None, message
        require_sound(scene)
        return True
    assert scene.leftovers() == []
    assert answered.exit.reason not in (None, Reason.UNEXPECTED, Reason.MALFORMED_REQUEST)
    assert LABEL in answered.exit.message
    if answered.exit.reason == Reason.CHECKPOINT_UNREADABLE:
        assert any(file in answered.exit.message for file in files)
    assert early == answered.exit.reason or "does not equal" in answered.exit.message
    return False


def require_sound(scene: Scene) -> None:
    """The tensors of checkpoint b lie in its files side by side, and the library reads the files and the merge."""
    found, _ = reader.read(scenes.a_checkpoint("b"), scene.volumes())
    assert found is not None
    for file in found.files:
        content = file.path.read_bytes()
        require_readable(file.path)
        end = header.LENGTH_BYTES + header.parse_length(content[: header.LENGTH_BYTES], len(content))
        for tensor in file.tensors:
            assert tensor.begin == end
            assert tensor.end - tensor.begin == tensor.elements * dtypes.width(tensor.dtype)
            end = tensor.end
        assert end == len(content)
    for path in scene.merged().glob("*.safetensors"):
        require_readable(path)
    require_reads_inside(scene)


def require_reads_inside(scene: Scene) -> None:
    """Whatever the merge reads of any file lies among its tensors, and each of their bytes is read once."""
    request = scene.request()
    found = inspection.inspect(request.checkpoints, scene.volumes(), request.tokenizer_from)
    planned = found.layout(request.dtype, request.max_shard_bytes)
    assert planned is not None
    read: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for unit in Plan(planned, found.checkpoints, 1, slot_bytes=2**20, chunk_bytes=8).units():
        for one in unit.reads:
            read.setdefault((one.input, one.file), []).append((one.begin, one.begin + one.size))
    written = {tensor.name for shard in planned.shards for tensor in shard.tensors}
    for number, checkpoint in enumerate(found.checkpoints):
        for index, file in enumerate(checkpoint.files):
            ranges = sorted(read.get((number, index), []))
            assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(ranges))
            assert all(0 <= begin <= end <= file.size for begin, end in ranges)
            wanted = sum(tensor.end - tensor.begin for tensor in file.tensors if tensor.name in written)
            assert sum(end - begin for begin, end in ranges) == wanted
            data = min((tensor.begin for tensor in file.tensors), default=file.size)
            assert all(begin >= data for begin, _ in ranges)


def require_readable(path: Path) -> None:
    """The library accepts the file too."""
    with safetensors.safe_open(path, "numpy") as file:
        assert file.keys()


# --- Damage: bytes changed, lost or added ---


@pytest.mark.parametrize("length", [*range(0, len(WHOLE), 7), *range(HEADER_BYTES - 2, len(WHOLE))])
def test_a_weight_file_that_is_cut_off_anywhere_is_refused(scene: Scene, length: int) -> None:
    (scene.checkpoints / "b" / WEIGHT_FILE).write_bytes(WHOLE[:length])

    assert not is_merged(scene, WEIGHT_FILE)


edits = st.lists(
    st.tuples(
        st.integers(0, len(WHOLE)),
        st.integers(0, 12),
        st.binary(max_size=12) | st.text('{}[]",:-0123456789.eE\\u', max_size=6).map(str.encode),
    ),
    min_size=1,
    max_size=3,
)
"""From this place on, so many bytes are replaced by these."""


def damaged(content: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, lost, new in changes:
        content = content[:place] + new + content[place + lost :]
    return content


@EXAMPLES
@given(edits)
@example([(0, 0, b"")])
@example([(len(WHOLE), 0, b"\0")])
def test_a_damaged_weight_file_is_refused_or_sound(scene: Scene, changes: list[tuple[int, int, bytes]]) -> None:
    head, data = WHOLE[:HEADER_BYTES], bytes(len(WHOLE) - HEADER_BYTES)
    (scene.checkpoints / "b" / WEIGHT_FILE).write_bytes(damaged(head + data, changes))

    is_merged(scene, WEIGHT_FILE)


@EXAMPLES
@given(st.integers(0, 2**64 - 1) | st.integers(0, 2 * len(WHOLE)))
def test_a_file_whose_header_has_any_other_length_is_refused(scene: Scene, length: int) -> None:
    (scene.checkpoints / "b" / WEIGHT_FILE).write_bytes(struct.pack("<Q", length) + WHOLE[header.LENGTH_BYTES :])

    assert is_merged(scene, WEIGHT_FILE) == (length == HEADER_BYTES - header.LENGTH_BYTES)


# --- Documents that say what nobody expects ---

DEEP = (10, 65, 300, 490, 700, 950, 5000)
odd_values = (
    st.sampled_from(
        [
            *["null", "true", "-1", "-0", "0", "1", "0.5", "1e2", "1e999", "-1e999", "NaN", "-Infinity", "{}", "[]"],
            *["9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"],
            *["1" + "0" * 400, "1" + "0" * 4200, "1" + "0" * 6000, "[4611686018427387904,4611686018427387904,0]"],
            *['""', '"BF16"', '"F4"', '"F8_E4M3"', '"I64"', '"\\u0000"', '"\\ud800"', '"\ud800"', '"\\ud83d\\ude00"'],
            *['"../a/model.safetensors"', '"/etc/hostname"', '".."', '"."', '"config.json"', '"loop"', '"folder"'],
            *['"pipe"', '"b\\u0000"', '"bad\\udcff.safetensors"', f'"{"x" * 5000}"', '"gone"', f'"{INDEX_FILE}"'],
            *["[2]", "[2,1]", "[1.0]", "[true]", "[[2]]", "[-2,-1]", "[0,4]", "[4,0]", "[0,1,2]", "[36,36]", '["2"]'],
            *["[0" + ",0" * 63 + "]", "[0" + ",0" * 64 + "]", '{"dtype":"BF16","shape":[0],"data_offsets":[36,36]}'],
            *['{"dtype":"F4","shape":[1],"data_offsets":[0,1]}', '{"a":1,"a":2}', "[NaN]", "\ufeff{}", "?", "", '"'],
        ]
    )
    | st.sampled_from(DEEP).map(lambda depth: "[" * depth + "]" * depth)
    | st.sampled_from(DEEP).map(lambda depth: '{"":' * depth + "0" + "}" * depth)
    | st.integers(-(2**70), 2**70).map(str)
)
"""JSON as it stands in a file, and what is none."""
odd_keys = st.sampled_from(
    [
        *[f'"{EMBEDDING}"', f'"{NORM}"', f'"{HEAD}"', '"__metadata__"', '"dtype"', '"shape"', '"data_offsets"'],
        *['"vocab_size"', '"tie_word_embeddings"', '"auto_map"', '"text_config"', '"rope_scaling"', '"added_tokens"'],
        *['"quantization_config"', '"torch_dtype"', '"weight_map"', '"model"', '"vocab"', '"architectures"'],
        *['""', '"\\u0000"', '"\\ud800"', '"a/b"', '"\x1b[31m"', f'"{"y" * 5000}"'],
    ]
)


def text_of(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


@st.composite
def odd_documents(draw: st.DrawFn, document: Mapping[str, object]) -> bytes:
    """The text of `document` with some members added, removed, written twice or given another value, at any depth."""
    members = [[text_of(key), text_of(value)] for key, value in document.items()]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(members) - 1)) if members else 0
        how = draw(st.sampled_from(["add", "remove", "replace", "within", "within", "rename"]))
        if how == "add" or not members:
            members.insert(place, [draw(odd_keys), draw(odd_values)])
        elif how == "remove":
            members.pop(place)
        elif how == "replace":
            members[place][1] = draw(odd_values)
        elif how == "rename":
            members[place][0] = draw(odd_keys)
        elif isinstance(inner := list(document.values())[min(place, len(document) - 1)], Mapping) and inner:
            members[place][1] = draw(odd_documents(inner)).decode("utf-8", "surrogatepass")
    text = "{" + ",".join(f"{key}:{value}" for key, value in members) + "}"
    return text.encode("utf-8", "surrogatepass")


HEADER = json.loads(WHOLE[header.LENGTH_BYTES : HEADER_BYTES])
INDEX = {"metadata": {}, "weight_map": {EMBEDDING: FIRST_SHARD, NORM: SECOND_SHARD, HEAD: SECOND_SHARD}}
TOKENIZER = scenes.tokenizer()


@EXAMPLES
@given(odd_documents(HEADER))
@example(text_of({**HEADER, NORM: {**HEADER[NORM], "shape": "DEEP"}}).replace('"DEEP"', "[" * 700 + "]" * 700).encode())
@example(text_of({**HEADER, "\ud800": {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}}).encode())
@example(text_of({**HEADER, "": {"dtype": "F32", "shape": [2**62, 2**62, 0], "data_offsets": [36, 36]}}).encode())
@example(text_of({**HEADER, "__metadata__": True}).encode())
@example(text_of({**HEADER, NORM: {"dtype": "BF16", "shape": [1], "data_offsets": [18, 20]}}).encode())
@example(text_of({**HEADER, "y" * 5000: {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}}).encode())
@example(text_of(HEADER).encode("utf-16"))
def test_a_header_that_says_odd_things_is_refused_or_sound(scene: Scene, document: bytes) -> None:
    content = len(document).to_bytes(8, "little") + document + bytes(36)
    (scene.checkpoints / "b" / WEIGHT_FILE).write_bytes(content)

    is_merged(scene, WEIGHT_FILE)


def in_two_shards(scene: Scene) -> None:
    """Checkpoint b in two files, among all that may lie in a folder besides."""
    folder = scene.checkpoints / "b"
    if (folder / FIRST_SHARD).exists():
        return
    scenes.write_checkpoint(folder, ZEROS, ([EMBEDDING], [NORM, HEAD]))
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "gone").symlink_to("nowhere")
    (folder / "b").symlink_to("../a/model.safetensors")


@EXAMPLES
@given(odd_documents(INDEX))
@example(text_of({"weight_map": {NORM: "b"}}).encode())
@example(text_of({"weight_map": {NORM: ".."}}).encode())
@example(text_of({"weight_map": {NORM: "loop", HEAD: "gone", EMBEDDING: "folder"}}).encode())
@example(text_of({"weight_map": dict.fromkeys(ZEROS, "\ud800")}).encode())
def test_an_index_that_says_odd_things_is_refused_or_sound(scene: Scene, document: bytes) -> None:
    in_two_shards(scene)
    (scene.checkpoints / "b" / INDEX_FILE).write_bytes(document)

    is_merged(scene, LABEL)


@EXAMPLES
@given(edits)
def test_a_damaged_index_is_refused_or_sound(scene: Scene, changes: list[tuple[int, int, bytes]]) -> None:
    in_two_shards(scene)
    (scene.checkpoints / "b" / INDEX_FILE).write_bytes(damaged(text_of(INDEX).encode(), changes))

    is_merged(scene, LABEL)


def deep(key: str, depth: int) -> bytes:
    """A config in which `key` leads into many objects."""
    return (text_of(dict(scenes.CONFIG))[:-1] + f',"{key}":' + '{"x":' * depth + "0" + "}" * depth + "}").encode()


@FEWER_EXAMPLES
@given(odd_documents(dict(scenes.CONFIG)))
@example(deep("text_config", 490))
@example(deep("rope_scaling", 950))
@example(text_of({**scenes.CONFIG, "model_type": "\ud800"}).encode())
@example(text_of({**scenes.CONFIG, "hidden_act": "\ud800"}).encode())
def test_a_config_that_says_odd_things_is_refused_or_carried(scene: Scene, document: bytes) -> None:
    (scene.checkpoints / "b" / "config.json").write_bytes(document)

    is_merged(scene, "config.json")
    is_merged(carried_from_b(scene), "config.json")


def carried_from_b(scene: Scene) -> Scene:
    """The same, where config and tokenizer of the merge are to come from the spoilt checkpoint."""
    return replace(scene, request_changes={"tokenizer_from": "b"})


@FEWER_EXAMPLES
@given(odd_documents(TOKENIZER))
@example(text_of({"model": {"vocab": {"a": 1e308}}}).replace("1e+308", "1e999").encode())
@example(text_of({"model": {"vocab": {"a": "b"}}}).encode())
@example(text_of({"model": {"vocab": {"\ud800": 7}}}).encode())
def test_a_tokenizer_that_says_odd_things_is_refused_or_carried(scene: Scene, document: bytes) -> None:
    (scene.checkpoints / "b" / "tokenizer.json").write_bytes(document)

    is_merged(scene, "tokenizer.json")
    is_merged(carried_from_b(scene), "tokenizer.json")


@pytest.mark.parametrize("name", [b"chat_template.\xff", b"chat_template.\xff/x"], ids=["a file", "a folder"])
def test_a_file_whose_name_is_not_utf_8_is_refused_or_carried(scene: Scene, name: bytes) -> None:
    path = scene.checkpoints / "b" / os.fsdecode(name)
    if b"/" in name:
        path.mkdir(parents=True)
    else:
        path.write_bytes(b"")

    assert is_merged(scene, "chat_template.\\udcff") == (b"/" not in name)


# --- Where the request says that the checkpoint lies ---

odd_paths = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", "config.json", "loop", "x" * 300, "\x00", "é", "~", "-", "a b"]),
    min_size=1,
    max_size=5,
).map("/".join)


@EXAMPLES
@given(odd_paths)
@example("b/config.json/x")
@example("x" * 300)
@example("loop/x")
def test_a_path_that_leads_anywhere_is_refused_or_sound(scene: Scene, path: str) -> None:
    if not (scene.checkpoints / "loop").is_symlink():
        (scene.checkpoints / "loop").symlink_to("loop")
    spoilt = replace(scene, edit=lambda document: document["checkpoints"][1]["location"].update(path=path))

    answered = spoilt.ask(spoilt.request())

    assert answered.exit.code in (ExitCode.DONE, ExitCode.INVALID_REQUEST), answered.exit
    assert answered.exit.reason != Reason.UNEXPECTED
    assert (
        answered.exit.code == ExitCode.DONE or "'b'" in answered.exit.message or "checkpoints/" in answered.exit.message
    )
