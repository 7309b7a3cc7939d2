"""Models to merge, made from a seed: sharded bf16 checkpoints laid out as Llama's, with config and tokenizer.

Written block by block, so that a model of any size needs little memory; what is there already is kept.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

BLOCK_ELEMENTS = 2**22
HEAD = 64
"""Elements of an attention head."""
DONE = "made.json"
"""Written last, beside the model: what it was made of."""


@dataclass(frozen=True)
class Model:
    """A shape of Llama's kind."""

    hidden: int
    layers: int
    vocabulary: int
    shards: int

    @property
    def intermediate(self) -> int:
        """Width of the MLP."""
        return 11 * self.hidden // 4

    @property
    def heads(self) -> int:
        """Heads of the queries; a quarter as many of keys and values."""
        return self.hidden // HEAD

    @property
    def key_heads(self) -> int:
        """Heads of keys and of values."""
        return max(1, self.heads // 4)

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes, layer by layer."""
        yield "model.embed_tokens.weight", (self.vocabulary, self.hidden)
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}"
            yield f"{prefix}.input_layernorm.weight", (self.hidden,)
            yield f"{prefix}.mlp.down_proj.weight", (self.hidden, self.intermediate)
            yield f"{prefix}.mlp.gate_proj.weight", (self.intermediate, self.hidden)
            yield f"{prefix}.mlp.up_proj.weight", (self.intermediate, self.hidden)
            yield f"{prefix}.post_attention_layernorm.weight", (self.hidden,)
            for name, heads in (("k", self.key_heads), ("q", self.heads), ("v", self.key_heads)):
                yield f"{prefix}.self_attn.{name}_proj.weight", (heads * HEAD, self.hidden)
            yield f"{prefix}.self_attn.o_proj.weight", (self.hidden, self.heads * HEAD)
        yield "model.norm.weight", (self.hidden,)
        yield "lm_head.weight", (self.vocabulary, self.hidden)

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(2 * prod(shape) for _, shape in self.tensors())


def of_size(size: float, hidden: int, vocabulary: int, shards: int) -> Model:
    """The shape whose tensors come nearest to `size` bytes, with one layer at least."""
    none, one = (Model(hidden, layers, vocabulary, shards).size for layers in (0, 1))
    return Model(hidden, max(1, round((size - none) / (one - none))), vocabulary, shards)


def make(folder: Path, model: Model, seed: int) -> Path:
    """A checkpoint in `folder`, from what lies there or anew."""
    wanted = {**asdict(model), "seed": seed}
    done = folder / DONE
    if done.exists() and json.loads(done.read_text()) == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write_documents(folder, model)
    places = {}
    for number, tensors in enumerate(_split(model), start=1):
        name = f"model-{number:05d}-of-{model.shards:05d}.safetensors"
        places.update({tensor: name for tensor, _ in tensors})
        _write_shard(folder / name, tensors, np.random.Generator(np.random.SFC64([seed, number])))
    index = {"metadata": {"total_size": model.size}, "weight_map": dict(sorted(places.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    done.write_text(json.dumps(wanted))
    return folder


def _split(model: Model) -> list[list[tuple[str, tuple[int, ...]]]]:
    """Runs of tensors of about the same size, within each sorted by name, as safetensors saves them."""
    groups: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in range(model.shards)]
    passed = 0
    for name, shape in model.tensors():
        groups[min(passed * model.shards // model.size, model.shards - 1)].append((name, shape))
        passed += 2 * prod(shape)
    return [sorted(group) for group in groups]


def _write_shard(path: Path, tensors: Sequence[tuple[str, tuple[int, ...]]], random: np.random.Generator) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors:
        begin, end = end, end + 2 * prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors:
            mean = 1.0 if "norm" in name else 0.0
            for begin in range(0, prod(shape), BLOCK_ELEMENTS):
                count = min(BLOCK_ELEMENTS, prod(shape) - begin)
                file.write(_bf16(mean + 0.02 * random.standard_normal(count, dtype=np.float32)).data)


def _bf16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Cut off, which is near enough for numbers that are drawn at random."""
    return np.ascontiguousarray(values.astype(np.float32, copy=False).view(np.uint16)[1::2])


def _write_documents(folder: Path, model: Model) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": model.hidden,
        "intermediate_size": model.intermediate,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.key_heads,
        "head_dim": HEAD,
        "vocab_size": model.vocabulary,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    vocabulary = {f"t{number}": number for number in range(model.vocabulary)}
    words = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "t0"}
    tokenizer = {"version": "1.0", "added_tokens": [], "model": words}
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
