"""Tiny Llama checkpoints with random weights, written without a framework.

Nobody trained them, but their answers are fixed by their seed and differ between seeds, which is all that the tests
need.
"""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LETTERS = "abcd"
TOKENS = ("<pad>", "<eos>", "<unk>", "=", *LETTERS)
HIDDEN, INTERMEDIATE, LAYERS, HEADS, CONTEXT = 64, 96, 2, 2, 64
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}="
Tensors = dict[str, NDArray[np.float32]]


def write_model(
    folder: Path, seed: int, *, dtype: str = "BF16", head: str = "tied", shards: int = 1, template: str | None = None
) -> Path:
    """Write a whole Hugging Face folder. `head` is tied; untied; copied: tied, and in the file none the
    less; or both: tied by the config, with another one in the file.
    """
    folder.mkdir(parents=True)
    write_weights(folder, tensors(seed, head), dtype, shards)
    write_json(folder / "config.json", config(tied=head != "untied"))
    write_tokenizer(folder, template)
    return folder


def tensors(seed: int, head: str = "tied") -> Tensors:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> NDArray[np.float32]:
        # Large enough that the best answer leads clearly.
        return (rng.standard_normal(shape) * 2 / math.sqrt(shape[-1])).astype(np.float32)

    found: Tensors = {"model.embed_tokens.weight": normal(len(TOKENS), HIDDEN) * 4}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        for name in ("q", "k", "v", "o"):
            found[f"{prefix}.self_attn.{name}_proj.weight"] = normal(HIDDEN, HIDDEN)
        found[f"{prefix}.mlp.gate_proj.weight"] = normal(INTERMEDIATE, HIDDEN)
        found[f"{prefix}.mlp.up_proj.weight"] = normal(INTERMEDIATE, HIDDEN)
        found[f"{prefix}.mlp.down_proj.weight"] = normal(HIDDEN, INTERMEDIATE)
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"{prefix}.{name}.weight"] = np.ones(HIDDEN, np.float32)
    found["model.norm.weight"] = np.ones(HIDDEN, np.float32)
    if head == "copied":
        found["lm_head.weight"] = found["model.embed_tokens.weight"]
    elif head != "tied":
        found["lm_head.weight"] = normal(len(TOKENS), HIDDEN)
    return found


def config(*, tied: bool = True) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HIDDEN // HEADS,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": tied,
        "vocab_size": len(TOKENS),
        "bos_token_id": None,
        "eos_token_id": TOKENS.index("<eos>"),
        "pad_token_id": TOKENS.index("<pad>"),
    }


def write_weights(folder: Path, found: Tensors, dtype: str = "BF16", shards: int = 1) -> None:
    names = list(found)
    if shards == 1:
        write_safetensors(folder / "model.safetensors", found, dtype)
        return
    weight_map: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: found[name] for name in names[shard::shards]}
        write_safetensors(folder / file, part, dtype)
        weight_map |= dict.fromkeys(part, file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})


def write_safetensors(path: Path, found: Mapping[str, NDArray[np.float32]], dtype: str = "BF16") -> None:
    header: dict[str, Any] = {}
    data = b""
    for name, tensor in found.items():
        raw = _bf16(tensor) if dtype == "BF16" else tensor.astype("<f4").tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_tokenizer(folder: Path, template: str | None = None) -> None:
    special = [
        {"id": number, "content": token, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for number, token in enumerate(TOKENS[:3])
    ]
    vocabulary = {token: number for number, token in enumerate(TOKENS)}
    split = {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": split,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }
    write_json(folder / "tokenizer.json", document)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT,
        "pad_token": "<pad>",
        "eos_token": "<eos>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
    }
    write_json(folder / "tokenizer_config.json", settings | ({"chat_template": template} if template else {}))


def write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _bf16(tensor: NDArray[np.float32]) -> bytes:
    """Round to nearest, ties to even."""
    bits = tensor.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
