"""Which arguments the backends take: asked before an engine is started, and without importing one."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from mergesearch.contract import Engine
from mergesearch.reasons import Reason
from mergesearch_evaluator.problems import Problem, enumerated, nearest

RESERVED = {
    "model": "the candidates",
    "pretrained": "the candidates",
    "tokenizer": "merge.tokenizerFrom",
    "dtype": "evaluator.dtype",
    "seed": "search.seed",
    "batch_size": "evaluator.batchSize",
    "max_gen_toks": "evaluator.maxGenToks",
    "worker_extension_cls": "MergeSearch itself",
    "use_cache": "nothing: answers are never kept between candidates",
}
"""Arguments that something else in the request decides."""
HF = (
    "add_bos_token",
    "attn_implementation",
    "device",
    "max_length",
    "softmax_dtype",
    "truncation",
    "trust_remote_code",
)
VLLM_LM = ("add_bos_token", "chat_template_args", "enable_thinking", "max_length", "prefix_token_id", "think_end_token")
"""Arguments of lm-eval's own model around the engine."""
VLLM_SOURCE = "engine/arg_utils.py"
VLLM_CLASS = "EngineArgs"


def problems_of(engine: Engine) -> Iterator[Problem]:
    """Arguments that are decided elsewhere or that the backend does not know."""
    known = _known(engine.backend)
    for name in engine.engine_args:
        if name in RESERVED:
            message = f"engine argument {name!r} is decided by {RESERVED[name]}"
            yield Problem(Reason.ENGINE_REFUSED, message)
        elif known is not None and name not in known:
            message = f"backend {engine.backend} has no engine argument {name!r}{nearest(name, known)}"
            hint = f"; there are {enumerated(sorted(known))}" if engine.backend == "hf" else ""
            yield Problem(Reason.ENGINE_REFUSED, message + hint)
    if engine.engine_args.get("data_parallel_size", 1) != 1:
        message = "data_parallel_size must be 1: raise search.parallelism for more engines"
        yield Problem(Reason.ENGINE_REFUSED, message)


def _known(backend: str) -> frozenset[str] | None:
    """Names of all arguments; None where they cannot be known without starting the backend."""
    if backend == "hf":
        return frozenset(HF)
    engine = vllm_arguments()
    return engine | frozenset(VLLM_LM) if engine else None


def vllm_arguments() -> frozenset[str]:
    """The fields of vLLM's EngineArgs, read from its source: importing vLLM takes long, and a GPU build wants a GPU."""
    spec = importlib.util.find_spec("vllm")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        source = Path(folder) / VLLM_SOURCE
        if source.is_file():
            for node in ast.parse(source.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and node.name == VLLM_CLASS:
                    fields = [item.target for item in node.body if isinstance(item, ast.AnnAssign)]
                    return frozenset(field.id for field in fields if isinstance(field, ast.Name))
    return frozenset()
