"""What people do to checkpoints and volumes, and what the merger answers: the table behind the tests and the page.

Each case spoils one thing of a scene in which nothing is wrong.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mergesearch.contract import VolumePath
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from unit.merger import scenes
from unit.merger.scenes import EMBEDDING, HEAD, NORM, Scene

Spoil = Callable[[Scene], Scene | None]
PREFLIGHT = "preflight"
MERGE = "merge"
BOTH = (PREFLIGHT, MERGE)
INDEX = "model.safetensors.index.json"
FIRST_SHARD, SECOND_SHARD = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@dataclass(frozen=True)
class Case:
    """One way to be wrong."""

    did: str
    """What a person did, as the end of the sentence "somebody ..."."""
    spoil: Spoil
    """Does it; returns the scene if the request or the machine is different too."""
    reason: Reason
    says: tuple[str, ...]
    """What the message must contain, besides the reason."""
    seen_by: tuple[str, ...] = BOTH
    exit: ExitCode = ExitCode.INVALID_REQUEST
    """How the merge request ends."""


CASES: dict[str, Case] = {}


def case(
    name: str,
    did: str,
    reason: Reason,
    *says: str,
    seen_by: tuple[str, ...] = BOTH,
    exit_code: ExitCode = ExitCode.INVALID_REQUEST,
) -> Callable[[Spoil], Spoil]:
    """Put a function that spoils a scene into the table."""

    def add(spoil: Spoil) -> Spoil:
        assert name not in CASES
        CASES[name] = Case(did, spoil, reason, says, seen_by, exit_code)
        return spoil

    return add


def _entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _lie(scene: Scene, entries: dict[str, Any], size: int) -> None:
    (scene.checkpoints / "b" / "model.safetensors").write_bytes(scenes.lying_content(entries, bytes(size)))


def _rewrite(scene: Scene, **changes: scenes.Entry | None) -> None:
    """Write checkpoint b again with other tensors: keyword `norm` and so on, None removes one."""
    names = {"embedding": EMBEDDING, "norm": NORM, "head": HEAD}
    entries: dict[str, scenes.Entry | None] = {**scenes.tensors(2.0)}
    entries |= {names.get(key, key): value for key, value in changes.items()}
    kept = {name: entry for name, entry in entries.items() if entry is not None}
    (scene.checkpoints / "b" / "model.safetensors").write_bytes(scenes.file_content(kept))


def _empty(scene: Scene, *names: str) -> None:
    """Leave checkpoint b without weights, with some other files of any content."""
    (scene.checkpoints / "b" / "model.safetensors").unlink()
    for name in names:
        (scene.checkpoints / "b" / name).write_bytes(b"\x80\x02}q\x00.")


def _shard(scene: Scene) -> None:
    """Store checkpoint b in two files."""
    shutil.rmtree(scene.checkpoints / "b")
    scenes.write_checkpoint(scene.checkpoints / "b", scenes.tensors(2.0), ([EMBEDDING], [NORM, HEAD]))


def _index(scene: Scene, **places: str | None) -> None:
    path = scene.checkpoints / "b" / INDEX
    places_now = {**json.loads(path.read_text())["weight_map"], **places}
    scenes.write_json(path, {"weight_map": {name: file for name, file in places_now.items() if file is not None}})


# --- Where things lie ---


@case("folder-misspelt", "misspelt the folder of a checkpoint", Reason.CHECKPOINT_MISSING, "'b'", "sft-0b", "'sft-03'")
def _(scene: Scene) -> Scene:
    (scene.checkpoints / "sft-03").mkdir()
    (scene.checkpoints / "sft-07").mkdir()
    return _located(scene, "sft-0b")


@case("folder-is-a-file", "named the weight file in place of its folder", Reason.CHECKPOINT_UNREADABLE, "not a folder")
def _(scene: Scene) -> Scene:
    return _located(scene, "b/model.safetensors")


@case(
    "path-upwards", "wrote a path that climbs out of its volume", Reason.PATH_OUTSIDE_VOLUME, "../workspace", "outside"
)
def _(scene: Scene) -> Scene:
    return _located(scene, "../workspace")


@case("absolute-path", "wrote an absolute path", Reason.PATH_OUTSIDE_VOLUME, "/etc", "outside its volume")
def _(scene: Scene) -> Scene:
    return _located(scene, "/etc")


@case(
    "folder-symlink-outside",
    "put a symlink to another volume in place of a checkpoint",
    Reason.PATH_OUTSIDE_VOLUME,
    "outside its volume",
)
def _(scene: Scene) -> None:
    (scene.checkpoints / "b").rename(scene.root / "elsewhere")
    (scene.checkpoints / "b").symlink_to(scene.root / "elsewhere")


@case(
    "file-symlink-outside",
    "put a symlink to another volume in place of the weights",
    Reason.PATH_OUTSIDE_VOLUME,
    "checkpoints/b/model.safetensors",
    "outside its volume",
)
def _(scene: Scene) -> None:
    weights = scene.checkpoints / "b" / "model.safetensors"
    weights.rename(scene.root / "elsewhere.safetensors")
    weights.symlink_to(scene.root / "elsewhere.safetensors")


@case(
    "tokenizer-symlink-outside",
    "put a symlink to another volume in place of the tokenizer",
    Reason.PATH_OUTSIDE_VOLUME,
    "checkpoints/b/tokenizer.json",
    "outside its volume",
)
def _(scene: Scene) -> None:
    (scene.checkpoints / "b" / "tokenizer.json").rename(scene.root / "elsewhere.json")
    (scene.checkpoints / "b" / "tokenizer.json").symlink_to(scene.root / "elsewhere.json")


@case(
    "config-symlink-outside",
    "put a symlink to another volume in place of config.json",
    Reason.PATH_OUTSIDE_VOLUME,
    "checkpoints/b/config.json",
    "outside its volume",
)
def _(scene: Scene) -> None:
    (scene.checkpoints / "b" / "config.json").rename(scene.root / "elsewhere.json")
    (scene.checkpoints / "b" / "config.json").symlink_to(scene.root / "elsewhere.json")


@case(
    "path-below-a-file",
    "named a folder below the weight file",
    Reason.CHECKPOINT_MISSING,
    "'b'",
    "model.safetensors is not a folder",
)
def _(scene: Scene) -> Scene:
    return _located(scene, "b/model.safetensors/b")


@case(
    "symlink-to-nowhere",
    "copied a download cache's symlinks without their blobs",
    Reason.CHECKPOINT_UNREADABLE,
    "checkpoints/b/model.safetensors",
    "leads nowhere",
)
def _(scene: Scene) -> None:
    weights = scene.checkpoints / "b" / "model.safetensors"
    weights.unlink()
    weights.symlink_to("../blobs/0a1b")


@case("symlink-loop", "made a symlink that leads to itself", Reason.CHECKPOINT_UNREADABLE, "checkpoints/b")
def _(scene: Scene) -> None:
    shutil.rmtree(scene.checkpoints / "b")
    (scene.checkpoints / "b").symlink_to("b")


@case("pipe", "left a named pipe in place of the weights", Reason.CHECKPOINT_UNREADABLE, "not a regular file")
def _(scene: Scene) -> None:
    weights = scene.checkpoints / "b" / "model.safetensors"
    weights.unlink()
    os.mkfifo(weights)


@case(
    "volume-missing",
    "did not mount the volume of a checkpoint",
    Reason.CHECKPOINT_MISSING,
    "volume 'archive'",
    "checkpoints, workspace",
)
def _(scene: Scene) -> Scene:
    return _located(scene, "b", volume="archive")


def _located(scene: Scene, path: str, volume: str = "checkpoints") -> Scene:
    request = scene.request()
    b = request.checkpoints[1].model_copy(update={"location": VolumePath(volume=volume, path=path)})
    return replace(scene, request_changes={"checkpoints": (request.checkpoints[0], b, request.checkpoints[2])})


# --- Formats ---


@case("empty-folder", "made the folder and forgot the files", Reason.CHECKPOINT_UNREADABLE, "no model.safetensors")
def _(scene: Scene) -> None:
    shutil.rmtree(scene.checkpoints / "b")
    (scene.checkpoints / "b").mkdir()


@case(
    "pickle", "saved the weights as pytorch_model.bin", Reason.UNSUPPORTED_FORMAT, "pytorch_model.bin", "never loaded"
)
def _(scene: Scene) -> None:
    _empty(scene, "pytorch_model.bin", "training_args.bin")


@case("sharded-pickle", "saved the weights as several .bin files with an index", Reason.UNSUPPORTED_FORMAT, "pickle")
def _(scene: Scene) -> None:
    _empty(scene, "pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin")


@case("distributed-checkpoint", "named a folder of a distributed training state", Reason.UNSUPPORTED_FORMAT, ".distcp")
def _(scene: Scene) -> None:
    _empty(scene, "__0_0.distcp")


@case("gguf", "named a folder with a GGUF file", Reason.UNSUPPORTED_FORMAT, "GGUF", "only safetensors")
def _(scene: Scene) -> None:
    _empty(scene, "model-q4.gguf")


@case(
    "adapter", "named a LoRA adapter in place of a model", Reason.UNSUPPORTED_FORMAT, "PEFT adapter", "merge_and_unload"
)
def _(scene: Scene) -> None:
    _empty(scene, "adapter_config.json", "adapter_model.safetensors")


@case("quantization-config", "named a quantised checkpoint", Reason.UNSUPPORTED_FORMAT, "quantization_config", "'gptq'")
def _(scene: Scene) -> None:
    scenes.edit_json(scene.checkpoints / "b" / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


@case("fp8", "named a checkpoint in fp8", Reason.UNSUPPORTED_FORMAT, "1 tensor of dtype F8_E4M3", NORM)
def _(scene: Scene) -> None:
    _rewrite(scene, norm=("F8_E4M3", (2,), bytes(2)))


@case("packed-integers", "named a checkpoint of packed 4-bit weights", Reason.UNSUPPORTED_FORMAT, "stored as integers")
def _(scene: Scene) -> None:
    _rewrite(scene, **{"model.layers.0.up_proj.qweight": ("I32", (2,), bytes(8))})


# --- Shards and index ---


@case("shard-missing", "lost a shard", Reason.CHECKPOINT_UNREADABLE, "1 of the 2 shards", SECOND_SHARD)
def _(scene: Scene) -> None:
    _shard(scene)
    (scene.checkpoints / "b" / SECOND_SHARD).unlink()


@case("index-missing", "copied the shards without their index", Reason.CHECKPOINT_UNREADABLE, INDEX, FIRST_SHARD)
def _(scene: Scene) -> None:
    _shard(scene)
    (scene.checkpoints / "b" / INDEX).unlink()


@case("index-not-json", "cut off the index", Reason.CHECKPOINT_UNREADABLE, f"checkpoints/b/{INDEX}", "not JSON")
def _(scene: Scene) -> None:
    _shard(scene)
    (scene.checkpoints / "b" / INDEX).write_text('{"weight_map": {"lm_he')


@case("index-without-map", "wrote an index without weight_map", Reason.CHECKPOINT_UNREADABLE, "weight_map")
def _(scene: Scene) -> None:
    _shard(scene)
    scenes.write_json(scene.checkpoints / "b" / INDEX, {"metadata": {"total_size": 36}})


@case(
    "index-names-nothing",
    "kept an index that names a tensor no file holds",
    Reason.CHECKPOINT_UNREADABLE,
    "'model.extra.weight'",
    FIRST_SHARD,
    "where it is not",
)
def _(scene: Scene) -> None:
    _shard(scene)
    _index(scene, **{"model.extra.weight": FIRST_SHARD})


@case(
    "index-forgets-a-tensor",
    "kept an index that does not name a tensor of a file",
    Reason.CHECKPOINT_UNREADABLE,
    f"holds tensor '{NORM}'",
    "does not name it",
)
def _(scene: Scene) -> None:
    _shard(scene)
    _index(scene, **{NORM: None})


@case("index-leads-away", "wrote an index whose shards lie in another folder", Reason.PATH_OUTSIDE_VOLUME, "../a/")
def _(scene: Scene) -> None:
    _shard(scene)
    _index(scene, **{NORM: "../a/model.safetensors"})


@case(
    "index-beside-a-whole-file",
    "saved one file over an older, sharded save",
    Reason.CHECKPOINT_UNREADABLE,
    "beside",
    "remove one",
)
def _(scene: Scene) -> None:
    _shard(scene)
    shutil.copy(scene.checkpoints / "a" / "model.safetensors", scene.checkpoints / "b")


# --- Files that are cut off, headers that lie ---


@case("truncated", "ran out of disk while copying", Reason.CHECKPOINT_UNREADABLE, "truncated", f"'{HEAD}'", "at")
def _(scene: Scene) -> None:
    path = scene.checkpoints / "b" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


@case(
    "truncated-header", "stopped a copy in its first block", Reason.CHECKPOINT_UNREADABLE, "truncated", "header needs"
)
def _(scene: Scene) -> None:
    path = scene.checkpoints / "b" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:40])


@case("empty-file", "touched the file and never wrote it", Reason.CHECKPOINT_UNREADABLE, "truncated: 0 bytes")
def _(scene: Scene) -> None:
    (scene.checkpoints / "b" / "model.safetensors").write_bytes(b"")


@case("lfs-pointer", "cloned a repository without Git LFS", Reason.CHECKPOINT_UNREADABLE, "Git LFS pointer")
def _(scene: Scene) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 709596576\n"
    (scene.checkpoints / "b" / "model.safetensors").write_text(text)


@case(
    "not-safetensors", "renamed another file to model.safetensors", Reason.CHECKPOINT_UNREADABLE, "no safetensors file"
)
def _(scene: Scene) -> None:
    (scene.checkpoints / "b" / "model.safetensors").write_bytes(b"<!DOCTYPE html><html></html>")


@case("header-not-json", "has a file with a damaged header", Reason.CHECKPOINT_UNREADABLE, "header is not JSON")
def _(scene: Scene) -> None:
    path = scene.checkpoints / "b" / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"}" + content[9:])


@case("no-tensors", "saved a model without tensors", Reason.CHECKPOINT_UNREADABLE, "holds no tensors")
def _(scene: Scene) -> None:
    _lie(scene, {}, 0)


@case("overlap", "wrote two tensors over each other", Reason.CHECKPOINT_UNREADABLE, "'two'", "overlaps")
def _(scene: Scene) -> None:
    _lie(scene, {"one": _entry("BF16", [4], 0, 8), "two": _entry("BF16", [4], 4, 12)}, 12)


@case("gap", "left a gap between two tensors", Reason.CHECKPOINT_UNREADABLE, "'two'", "leaves a gap")
def _(scene: Scene) -> None:
    _lie(scene, {"one": _entry("BF16", [4], 0, 8), "two": _entry("BF16", [4], 16, 24)}, 24)


@case("shape-lies", "edited the shape of a tensor", Reason.CHECKPOINT_UNREADABLE, "'one'", "takes 16 bytes", "say 8")
def _(scene: Scene) -> None:
    _lie(scene, {"one": _entry("BF16", [8], 0, 8)}, 8)


@case("offsets-past-the-end", "edited the offsets of a tensor", Reason.CHECKPOINT_UNREADABLE, "'one'", "truncated")
def _(scene: Scene) -> None:
    _lie(scene, {"one": _entry("BF16", [2**30], 0, 2**31)}, 8)


@case("bytes-at-the-end", "appended to a weight file", Reason.CHECKPOINT_UNREADABLE, "7 bytes follow the last tensor")
def _(scene: Scene) -> None:
    _lie(scene, {"one": _entry("BF16", [4], 0, 8)}, 15)


@case("named-twice", "wrote a tensor twice", Reason.CHECKPOINT_UNREADABLE, "'one' stands twice")
def _(scene: Scene) -> None:
    text = (
        json.dumps({"one": _entry("BF16", [4], 0, 8)})[:-1] + ', "one": ' + json.dumps(_entry("BF16", [4], 8, 16)) + "}"
    )
    content = len(text).to_bytes(8, "little") + text.encode() + bytes(16)
    (scene.checkpoints / "b" / "model.safetensors").write_bytes(content)


@case("unknown-dtype", "uses a dtype that the format does not know", Reason.CHECKPOINT_UNREADABLE, "'one'", "'BF8'")
def _(scene: Scene) -> None:
    _lie(scene, {"one": _entry("BF8", [4], 0, 4)}, 4)


@case("half-a-character", "has a header with half a character in it", Reason.CHECKPOINT_UNREADABLE, "not JSON", "half")
def _(scene: Scene) -> None:
    _lie(scene, {"\ud800": _entry("BF16", [4], 0, 8)}, 8)


@case(
    "metadata", "keeps numbers in the metadata of a weight file", Reason.CHECKPOINT_UNREADABLE, "__metadata__", "texts"
)
def _(scene: Scene) -> None:
    _lie(scene, {"__metadata__": {"step": 1000}, "one": _entry("BF16", [4], 0, 8)}, 8)


@case(
    "shape-of-brackets",
    "has a header with a shape of a thousand brackets",
    Reason.CHECKPOINT_UNREADABLE,
    "checkpoints/b/model.safetensors",
    "nested deeper",
)
def _(scene: Scene) -> None:
    text = json.dumps({"one": _entry("BF16", [4], 0, 8)}).replace("[4]", "[" * 1000 + "]" * 1000)
    content = len(text).to_bytes(8, "little") + text.encode() + bytes(8)
    (scene.checkpoints / "b" / "model.safetensors").write_bytes(content)


# --- Checkpoints that do not fit each other ---


@case(
    "other-tensors",
    "mixed models of different depth",
    Reason.CHECKPOINTS_INCOMPATIBLE,
    "checkpoints/a: lacks 2 tensors",
    "model.layers.1",
)
def _(scene: Scene) -> None:
    extra = {f"model.layers.1.{name}.weight": ("BF16", (2,), bytes(4)) for name in ("up_proj", "down_proj")}
    _rewrite(scene, **extra)


@case("missing-tensor", "saved a checkpoint without its norm", Reason.CHECKPOINTS_INCOMPATIBLE, "lacks 1 tensor", NORM)
def _(scene: Scene) -> None:
    _rewrite(scene, norm=None)


@case("other-shapes", "mixed models of different width", Reason.CHECKPOINTS_INCOMPATIBLE, NORM, "[3]", "[2]")
def _(scene: Scene) -> None:
    _rewrite(scene, norm=("BF16", (3,), bytes(6)))


@case(
    "other-kinds",
    "stored weights as integers",
    Reason.CHECKPOINTS_INCOMPATIBLE,
    "cannot be mixed",
    "is I16, there BF16",
)
def _(scene: Scene) -> None:
    name = "model.position_ids"
    for checkpoint in "ac":
        entries = {**scenes.tensors(), name: ("BF16", (2,), bytes(4))}
        (scene.checkpoints / checkpoint / "model.safetensors").write_bytes(scenes.file_content(entries))
    _rewrite(scene, **{name: ("I16", (2,), bytes(4))})


@case(
    "resized-vocabulary",
    "added tokens to one checkpoint",
    Reason.CHECKPOINTS_INCOMPATIBLE,
    EMBEDDING,
    "[6, 2]",
    "[4, 2]",
    "vocab_size is 6",
)
def _(scene: Scene) -> None:
    _rewrite(scene, embedding=("BF16", (6, 2), bytes(24)), head=("BF16", (6, 2), bytes(24)))
    scenes.edit_json(scene.checkpoints / "b" / "config.json", vocab_size=6)


@case(
    "config-contradicts-weights",
    "edited vocab_size in config.json",
    Reason.CHECKPOINTS_INCOMPATIBLE,
    "vocab_size is 5",
    "[4, 2]",
)
def _(scene: Scene) -> None:
    scenes.edit_json(scene.checkpoints / "b" / "config.json", vocab_size=5)


@case(
    "other-activation",
    "mixed models whose shapes agree by chance",
    Reason.CHECKPOINTS_INCOMPATIBLE,
    "hidden_act",
    "'gelu'",
    "'silu'",
)
def _(scene: Scene) -> None:
    scenes.edit_json(scene.checkpoints / "b" / "config.json", hidden_act="gelu")


@case(
    "config-missing",
    "copied the weights alone",
    Reason.CHECKPOINT_UNREADABLE,
    "checkpoints/b",
    "config.json is missing",
)
def _(scene: Scene) -> None:
    (scene.checkpoints / "b" / "config.json").unlink()


@case("config-not-json", "left a merge conflict in config.json", Reason.CHECKPOINT_UNREADABLE, "config.json: not JSON")
def _(scene: Scene) -> None:
    (scene.checkpoints / "b" / "config.json").write_text("<<<<<<< HEAD\n{}\n")


@case(
    "tied-head-differs",
    "trained the output head of a model whose config ties it",
    Reason.CHECKPOINTS_INCOMPATIBLE,
    HEAD,
    EMBEDDING,
    "does not equal",
    seen_by=(MERGE,),
)
def _(scene: Scene) -> None:
    for name in "abc":
        scenes.edit_json(scene.checkpoints / name / "config.json", tie_word_embeddings=True)


# --- Tokenizers ---


@case(
    "other-tokens",
    "sorted the vocabulary of one checkpoint anew",
    Reason.TOKENIZER_MISMATCH,
    "2 tokens differ",
    "'b' has number 3, there 2",
)
def _(scene: Scene) -> None:
    scenes.write_json(scene.checkpoints / "b" / "tokenizer.json", scenes.tokenizer(("<pad>", "a", "c", "b")))


@case(
    "tokenizer-too-large",
    "added a token without resizing the model",
    Reason.TOKENIZER_MISMATCH,
    "'<new>'",
    "number 4",
    "vocab_size 4",
)
def _(scene: Scene) -> None:
    scenes.write_json(scene.checkpoints / "a" / "tokenizer.json", scenes.tokenizer((*scenes.VOCABULARY, "<new>")))


@case(
    "no-tokenizer",
    "takes the tokenizer from a checkpoint without one",
    Reason.CHECKPOINT_UNREADABLE,
    "checkpoints/a",
    "it has none",
)
def _(scene: Scene) -> None:
    (scene.checkpoints / "a" / "tokenizer.json").unlink()


@case(
    "tokenizer-from-nobody",
    "takes the tokenizer from a checkpoint that is not in the list",
    Reason.MALFORMED_REQUEST,
    "'d'",
    "'a', 'b', 'c'",
)
def _(scene: Scene) -> Scene:
    return replace(scene, request_changes={"tokenizer_from": "d"})


@case("same-name-twice", "gave two checkpoints one name", Reason.MALFORMED_REQUEST, "named twice", "'a'")
def _(scene: Scene) -> Scene:
    checkpoints = scene.request().checkpoints
    return replace(scene, request_changes={"checkpoints": (*checkpoints[:2], checkpoints[0])})


# --- Weights ---


@case("negative-weight", "asked for a negative weight", Reason.INVALID_WEIGHTS, "'c' is -0.25", seen_by=(MERGE,))
def _(scene: Scene) -> Scene:
    return replace(scene, weights=(0.75, 0.5, -0.25))


@case(
    "weights-do-not-sum",
    "asked for weights that do not sum to one",
    Reason.INVALID_WEIGHTS,
    "sum to 0.75",
    seen_by=(MERGE,),
)
def _(scene: Scene) -> Scene:
    return replace(scene, weights=(0.25, 0.25, 0.25))


@case(
    "weights-all-zero",
    "asked for no checkpoint at all",
    Reason.INVALID_WEIGHTS,
    "all 3 weights are zero",
    seen_by=(MERGE,),
)
def _(scene: Scene) -> Scene:
    return replace(scene, weights=(0.0, 0.0, 0.0))


@case(
    "weight-nan", "asked for a weight that is not a number", Reason.MALFORMED_REQUEST, "finite number", seen_by=(MERGE,)
)
def _(scene: Scene) -> Scene:
    def edit(document: dict[str, Any]) -> None:
        document["candidates"][0]["weights"][1] = float("nan")

    return replace(scene, edit=edit)


@case("weight-infinite", "asked for an infinite weight", Reason.MALFORMED_REQUEST, "finite number", seen_by=(MERGE,))
def _(scene: Scene) -> Scene:
    def edit(document: dict[str, Any]) -> None:
        document["candidates"][0]["weights"][1] = float("inf")

    return replace(scene, edit=edit)


@case(
    "too-few-weights",
    "asked for fewer weights than there are checkpoints",
    Reason.MALFORMED_REQUEST,
    "2 weights, 3 checkpoints",
    seen_by=(MERGE,),
)
def _(scene: Scene) -> Scene:
    def edit(document: dict[str, Any]) -> None:
        document["candidates"][0]["weights"].pop()

    return replace(scene, edit=edit)


@case(
    "nan-in-a-checkpoint",
    "merges a checkpoint whose training diverged",
    Reason.NON_FINITE_WEIGHTS,
    "1 NaN",
    NORM,
    "'checkpoints/b'",
    seen_by=(MERGE,),
    exit_code=ExitCode.INVALID_CANDIDATE,
)
def _(scene: Scene) -> None:
    _rewrite(scene, norm=("BF16", (2,), scenes.bf16([1.0, float("nan")])))


@case(
    "overflow",
    "merges large weights into float16",
    Reason.NON_FINITE_WEIGHTS,
    "2 infinite",
    NORM,
    "does not fit into F16",
    seen_by=(MERGE,),
    exit_code=ExitCode.INVALID_CANDIDATE,
)
def _(scene: Scene) -> Scene:
    _rewrite(scene, norm=("BF16", (2,), scenes.bf16([2.0**30, -(2.0**30)])))
    return replace(scene, request_changes={"dtype": "float16"})


# --- The workspace, and changes in mid-search ---


@case(
    "disk-full",
    "gave the search too small a volume",
    Reason.NO_SPACE,
    "1000 bytes are free",
    "need",
    exit_code=ExitCode.NO_SPACE,
)
def _(scene: Scene) -> Scene:
    return replace(scene, free=1000)


@case(
    "workspace-missing", "did not mount the workspace", Reason.CHECKPOINT_MISSING, "volume 'workspace'", "not a folder"
)
def _(scene: Scene) -> None:
    scene.workspace.rmdir()


@case(
    "workspace-occupied",
    "left a file where the search's folder goes",
    Reason.WORKSPACE_UNWRITABLE,
    "0f3c-11",
    "cannot be written",
)
def _(scene: Scene) -> None:
    (scene.workspace / scenes.SEARCH.uid).write_text("")


@case(
    "workspace-symlink",
    "put a symlink in place of the search's folder",
    Reason.PATH_OUTSIDE_VOLUME,
    "0f3c-11",
    "outside",
)
def _(scene: Scene) -> None:
    (scene.root / "elsewhere").mkdir()
    (scene.workspace / scenes.SEARCH.uid).symlink_to(scene.root / "elsewhere")


@case(
    "checkpoint-overwritten",
    "trained on into a checkpoint's folder while the search ran",
    Reason.CHECKPOINT_CHANGED,
    "'b'",
    "changed since the preflight",
    "written last: model.safetensors, ",
)
def _(scene: Scene) -> Scene:
    request = scene.request()
    b = request.checkpoints[1].model_copy(update={"fingerprint": "0" * 64})
    weights = scene.checkpoints / "b" / "model.safetensors"
    weights.write_bytes(weights.read_bytes())
    return replace(scene, request_changes={"checkpoints": (request.checkpoints[0], b, request.checkpoints[2])})
