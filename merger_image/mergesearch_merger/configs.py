"""Whether the config.json files of several checkpoints describe the same network. Pure.

A key that only one of two configs holds is not compared: releases of transformers write different sets of defaults.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mergesearch.reasons import Reason
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.findings import Finding

SHAPING = frozenset(
    {
        "architectures",
        "model_type",
        "vocab_size",
        "hidden_size",
        "n_embd",
        "d_model",
        "intermediate_size",
        "ffn_dim",
        "n_inner",
        "num_hidden_layers",
        "n_layer",
        "num_layers",
        "num_attention_heads",
        "n_head",
        "num_key_value_heads",
        "head_dim",
        "hidden_act",
        "activation_function",
        "tie_word_embeddings",
        "num_experts",
        "num_local_experts",
        "n_routed_experts",
        "num_experts_per_tok",
        "moe_intermediate_size",
        "kv_lora_rank",
        "q_lora_rank",
        "state_size",
    }
)
"""Keys that change the network: a difference refuses the merge, also where all shapes agree."""

BEHAVIOUR = frozenset(
    {
        "rope_theta",
        "rope_scaling",
        "rope_parameters",
        "partial_rotary_factor",
        "rms_norm_eps",
        "layer_norm_eps",
        "layer_norm_epsilon",
        "sliding_window",
        "max_position_embeddings",
        "layer_types",
    }
)
"""Keys under which checkpoints were trained that may differ between relatives: a difference is a warning."""

QUANTIZATION = ("quantization_config", "compression_config")

EMBEDDINGS = (
    "model.embed_tokens.weight",
    "transformer.wte.weight",
    "gpt_neox.embed_in.weight",
    "model.decoder.embed_tokens.weight",
    "model.language_model.embed_tokens.weight",
    "language_model.model.embed_tokens.weight",
    "embed_tokens.weight",
)
"""Names of the token embedding in the models of transformers; its rows are the vocabulary."""


def vocabulary_size(config: Mapping[str, Any]) -> int | None:
    """`vocab_size`, of the text model where there are several."""
    found = [value for path, value in _leaves(config) if path[-1] == "vocab_size" and isinstance(value, int)]
    return found[0] if found else None


def check(checkpoint: Checkpoint) -> Iterator[Finding]:
    """What is wrong with one checkpoint's config on its own."""
    label = f"{checkpoint.label}/config.json"
    for key in QUANTIZATION:
        if checkpoint.config.get(key):
            method = checkpoint.config[key]
            name = method.get("quant_method", "unnamed") if isinstance(method, Mapping) else method
            yield Finding(
                f"{label}: {key} says {name!r}: quantised weights cannot be averaged; "
                "name the checkpoint as it was before",
                Reason.UNSUPPORTED_FORMAT,
            )
    size = vocabulary_size(checkpoint.config)
    embedding = next((checkpoint.places[name].tensor for name in EMBEDDINGS if name in checkpoint.places), None)
    if size is not None and embedding is not None and embedding.shape[:1] != (size,):
        yield Finding(
            f"{label}: vocab_size is {size}, but {embedding.name!r} has shape {list(embedding.shape)}",
            Reason.CHECKPOINTS_INCOMPATIBLE,
        )


def compare(reference: Checkpoint, other: Checkpoint) -> Iterator[Finding]:
    """Where the config of `other` describes another network than that of `reference`."""
    expected = dict(_leaves(reference.config))
    for path, value in _leaves(other.config):
        if path not in expected or expected[path] == value or path[-1] not in SHAPING | BEHAVIOUR:
            continue
        yield Finding(
            f"{other.label}/config.json: {'.'.join(path)} is {value!r}, in {reference.label} {expected[path]!r}",
            Reason.CHECKPOINTS_INCOMPATIBLE if path[-1] in SHAPING else None,
        )


def _leaves(config: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All values with their paths; the objects of nested models are walked, others are values."""
    for key, value in config.items():
        if isinstance(value, Mapping) and key not in BEHAVIOUR:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value
