"""Error of merged bf16 weights against an fp64 reference: MergeSearch beside mergekit, on the same inputs.

    python benchmarks/merge_error/compare.py --family DIR...     # folders of checkpoints, such as the demo's

mergekit runs as its own command in its own environment: $MERGEKIT_PYTHON names its interpreter; where it is not set, uv
makes one below --work. Two of its modes are measured: `dtype: bfloat16`, its fastest, and `dtype: float32` with
`out_dtype: bfloat16`, its most exact.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import merge_tools
import merge_truth


@dataclass(frozen=True)
class Case:
    """Checkpoints and the weights of their merge."""

    name: str
    folders: tuple[Path, ...]
    weights: tuple[float, ...]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", type=Path, action="append", default=[], help="a folder of checkpoints")
    parser.add_argument("--work", type=Path, help="where models and environments are made (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        mergekit = merge_tools.mergekit_python(work)
        cases = [*(_family(folder.resolve()) for folder in arguments.family), _mixed(work / "mixed")]
        tools: dict[str, Callable[[Case, Path], None]] = {
            "MergeSearch": _merge,
            "mergekit, fp32 -> bf16": lambda case, out: _mergekit_merge(mergekit, case, out, "float32"),
            "mergekit, bf16": lambda case, out: _mergekit_merge(mergekit, case, out, "bfloat16"),
        }
        print(
            "| inputs | tool | elements | largest error | not correctly rounded | most ulps | seconds with start-up |"
        )
        print("|---|---|---|---|---|---|---|")
        for case in cases:
            for tool, merge in tools.items():
                print(_row(case, tool, merge, work / "out"), flush=True)


def _row(case: Case, tool: str, merge: Callable[[Case, Path], None], out: Path) -> str:
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    merge(case, out)
    seconds = time.monotonic() - began
    error = merge_truth.error(case.folders, case.weights, out, torch.bfloat16)
    return (
        f"| {case.name} | {tool} | {error.elements} | {error.largest:.3g} | {error.not_correctly_rounded} "
        f"({error.share:.4%}) | {error.worst_ulps} | {seconds:.1f} |"
    )


# --- Inputs ---


def _family(folder: Path) -> Case:
    found = tuple(sorted(path.parent for path in folder.glob("*/model.safetensors")))
    return Case(f"{len(found)} checkpoints of `{folder.name}`", found, merge_tools.weights(len(found), seed=1))


def _mixed(folder: Path) -> Case:
    """Three small Llamas with tied embeddings: bf16 in three files, fp16 in one, fp32 in two."""
    kinds = ((torch.bfloat16, 3), (torch.float16, 1), (torch.float32, 2))
    folders = []
    for seed, (dtype, shards) in enumerate(kinds):
        target = folder / f"m{seed}"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        _write(target, dict(_llama(seed, dtype)), shards)
        folders.append(target)
    return Case("3 mixed: sharded, bf16/fp16/fp32, tied", tuple(folders), merge_tools.weights(3, seed=2))


HIDDEN, INTERMEDIATE, LAYERS, ROWS = 256, 704, 4, 2000


def _llama(seed: int, dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator) * 0.02).to(dtype)

    yield "model.embed_tokens.weight", normal(ROWS, HIDDEN)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        for name in ("q", "k", "v", "o"):
            yield f"{prefix}.self_attn.{name}_proj.weight", normal(HIDDEN, HIDDEN)
        for name in ("gate", "up"):
            yield f"{prefix}.mlp.{name}_proj.weight", normal(INTERMEDIATE, HIDDEN)
        yield f"{prefix}.mlp.down_proj.weight", normal(HIDDEN, INTERMEDIATE)
        yield f"{prefix}.input_layernorm.weight", normal(HIDDEN) + 1
        yield f"{prefix}.post_attention_layernorm.weight", normal(HIDDEN) + 1
    yield "model.norm.weight", normal(HIDDEN) + 1


def _write(folder: Path, tensors: dict[str, torch.Tensor], shards: int) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": ROWS,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
    }
    vocabulary = {f"t{number}": number for number in range(ROWS)}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "t0"},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    places: dict[str, str] = {}
    for number in range(shards):
        part = dict(list(tensors.items())[number::shards])
        name = "model.safetensors" if shards == 1 else f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        save_file(part, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


# --- Tools ---


def _merge(case: Case, out: Path) -> None:
    workspace = out.with_name("workspace")
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    merge_tools.run(merge_tools.merger(case.folders, [case.weights], workspace))
    merge_tools.merged(workspace).rename(out)


def _mergekit_merge(python: Path, case: Case, out: Path, dtype: str) -> None:
    merge_tools.run(merge_tools.mergekit(python, case.folders, case.weights, out, dtype))


if __name__ == "__main__":
    main()
