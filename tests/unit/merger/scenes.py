"""Small checkpoints written byte by byte, requests about them, and a merger that answers in this process.

Needs no framework, so that whatever is wrong with a checkpoint can be written as easily as what is right.
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mergesearch import contract, files, worker
from mergesearch.contract import Checkpoint, MergeCandidate, MergeRequest, Report, SearchRef, VolumePath
from mergesearch_merger import header
from mergesearch_merger.main import Merger
from mergesearch_merger.settings import Settings

SEARCH = SearchRef(name="demo", uid="0f3c-11")
VOCABULARY = ("<pad>", "a", "b", "c")
CONFIG: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 4,
    "hidden_size": 2,
    "hidden_act": "silu",
    "num_attention_heads": 1,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}
EMBEDDING = "model.embed_tokens.weight"
NORM = "model.norm.weight"
HEAD = "lm_head.weight"

Entry = tuple[str, tuple[int, ...], bytes]
"""Dtype, shape and data of a tensor."""


def bf16(values: Sequence[float]) -> bytes:
    """The upper halves of the values as fp32; exact for the small numbers used here."""
    return b"".join(struct.pack("<f", value)[2:] for value in values)


def tensors(base: float = 1.0) -> dict[str, Entry]:
    """The tensors of a very small model; `base` tells checkpoints apart."""
    return {
        EMBEDDING: ("BF16", (4, 2), bf16([base + step for step in range(8)])),
        NORM: ("BF16", (2,), bf16([base, -base])),
        HEAD: ("BF16", (4, 2), bf16([base * 2 + step for step in range(8)])),
    }


def file_content(entries: Mapping[str, Entry]) -> bytes:
    """A well-formed safetensors file."""
    head = header.serialize([(name, dtype, shape, len(data)) for name, (dtype, shape, data) in entries.items()])
    return head + b"".join(data for _, _, data in entries.values())


def lying_content(entries: Mapping[str, Any], data: bytes) -> bytes:
    """A file whose header says `entries`, whatever `data` is."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def tokenizer(tokens: Sequence[str] = VOCABULARY) -> dict[str, Any]:
    """A tokenizer.json with one number for each token."""
    numbers = {token: number for number, token in enumerate(tokens)}
    return {"model": {"type": "WordLevel", "vocab": numbers}, "added_tokens": []}


def write_json(path: Path, document: object) -> None:
    """Write a document as it is usually written."""
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")


def write_checkpoint(folder: Path, entries: Mapping[str, Entry], shards: Sequence[Sequence[str]] = ()) -> None:
    """A whole Hugging Face folder: one weight file, or one for each list of names in `shards` with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", dict(CONFIG))
    write_json(folder / "tokenizer.json", tokenizer())
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<pad>"}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    if not shards:
        (folder / "model.safetensors").write_bytes(file_content(entries))
        return
    (folder / "model.safetensors").unlink(missing_ok=True)
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        (folder / file).write_bytes(file_content({name: entries[name] for name in names}))
        weight_map |= dict.fromkeys(names, file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})


def edit_json(path: Path, **changes: object) -> None:
    """Set keys of a JSON object in a file."""
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **changes})


def a_checkpoint(name: str) -> Checkpoint:
    """The checkpoint in the folder of its name."""
    return Checkpoint(name=name, location=VolumePath(volume="checkpoints", path=name))


def a_request(names: Sequence[str], *weights: Sequence[float], **changes: Any) -> MergeRequest:
    """Merge checkpoints with these weights, a candidate for each list of weights."""
    candidates = tuple(MergeCandidate(id=f"g0-{number}", weights=tuple(given)) for number, given in enumerate(weights))
    base = MergeRequest(
        version=1,
        search=SEARCH,
        checkpoints=tuple(a_checkpoint(name) for name in names),
        candidates=candidates,
        tokenizer_from=names[0],
    )
    return base.model_copy(update=changes)


@dataclass(frozen=True)
class Answered:
    """What a merger said to one request."""

    exit: contract.Exit
    reports: tuple[Report, ...]
    progress: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What it warned of on the way."""
        return tuple(line for line in self.progress if line.startswith("warning"))


@dataclass(frozen=True)
class Scene:
    """Two volumes, three good checkpoints a, b and c, and a request to merge them; cases change one thing in it."""

    root: Path
    weights: tuple[float, ...] = (0.5, 0.25, 0.25)
    free: int = 10**12
    request_changes: Mapping[str, Any] = field(default_factory=dict)
    edit: Callable[[dict[str, Any]], None] | None = None
    """Changes the request's document on its way to the merger."""

    @property
    def checkpoints(self) -> Path:
        """Root of the volume with the checkpoints."""
        return self.root / "checkpoints"

    @property
    def workspace(self) -> Path:
        """Root of the volume that the merger writes."""
        return self.root / "workspace"

    def request(self) -> MergeRequest:
        """The request to merge."""
        return a_request("abc", self.weights, **self.request_changes)

    def preflight(self) -> contract.PreflightCheckpointsRequest:
        """The preflight of the same search."""
        request = self.request()
        return contract.PreflightCheckpointsRequest(
            version=1,
            search=request.search,
            checkpoints=request.checkpoints,
            tokenizer_from=request.tokenizer_from,
            dtype=request.dtype,
        )

    def volumes(self) -> worker.Volumes:
        """Where the merger finds the volumes."""
        return worker.Volumes({"checkpoints": self.checkpoints, files.WORKSPACE_VOLUME: self.workspace})

    def ask(self, request: contract.Model, limits: Settings | None = None) -> Answered:
        """Hand a request to a merger in this process, as the frame of the entry point does."""
        document = json.loads(request.to_json())
        if self.edit is not None:
            self.edit(document)
        reports: list[Report] = []
        said: list[str] = []
        limits = replace(limits or Settings(threads=2), free_bytes=lambda _folder: self.free)
        end = worker.answer(Merger(limits), json.dumps(document), self.volumes(), reports.append, said.append)
        return Answered(end, tuple(reports), tuple(said))

    def merged(self, candidate: str = "g0-0") -> Path:
        """Where a candidate is published."""
        return self.workspace / files.merge_folder(SEARCH.uid, candidate)

    def leftovers(self) -> list[str]:
        """Everything that lies among the merges."""
        folder = self.workspace / files.merges_folder(SEARCH.uid)
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def a_scene(root: Path) -> Scene:
    """A scene in which nothing is wrong."""
    scene = Scene(root)
    scene.workspace.mkdir(parents=True)
    for number, name in enumerate("abc", start=1):
        write_checkpoint(scene.checkpoints / name, tensors(float(number)))
    return scene
