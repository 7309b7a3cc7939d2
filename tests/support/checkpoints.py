"""Small checkpoints that the merger takes for real: one weight tensor each, a config and a tokenizer."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

SIZE = 64


def write(folder: Path, count: int) -> list[str]:
    """Write `count` checkpoints m0, m1, ... below `folder`, and return their names."""
    names = [f"m{index}" for index in range(count)]
    for index, name in enumerate(names):
        target = folder / name
        target.mkdir(parents=True)
        stream = np.random.RandomState(index)
        # Around the targets of the scripted evaluator, so that a mixture is better than any of them.
        weight = np.cos(np.arange(SIZE) * (1 + index % 5)) + 0.3 * stream.randn(SIZE)
        save_file(
            {"model.weight": weight.astype(np.float32).reshape(8, 8)}, target / "model.safetensors", {"format": "pt"}
        )
        config = {"model_type": "llama", "hidden_size": 8, "vocab_size": 8, "architectures": ["LlamaForCausalLM"]}
        (target / "config.json").write_text(json.dumps(config))
        vocabulary = {f"t{n}": n for n in range(8)}
        model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "t0"}
        (target / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
        (target / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return names
