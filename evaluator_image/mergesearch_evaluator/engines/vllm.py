"""The vLLM backend: the only module that imports vLLM.

One engine stays; the weights of further candidates are read into it in place. What its prefix cache holds was computed
with the old weights, so it is emptied each time: without that, answers mix two models.
"""

from typing import Any

import safetensors
import torch
import vllm.distributed
from lm_eval.models.vllm_causallms import VLLM

from mergesearch.contract import Engine
from mergesearch.errors import TryAgainError
from mergesearch.reasons import Reason
from mergesearch_evaluator import environment
from mergesearch_evaluator.engines import vllm_worker
from mergesearch_evaluator.folders import ModelFolder

EXTENSION = f"{vllm_worker.WeightExchange.__module__}.{vllm_worker.WeightExchange.__qualname__}"
HEAD = "lm_head.weight"
EMBEDDINGS = "embed_tokens.weight"


class VllmEngine:
    """An engine of vLLM in this process, or in children of its own."""

    def __init__(self, engine: Engine, folder: ModelFolder) -> None:
        self._engine = engine
        self.model: Any = None
        self._start(folder)

    def swap(self, folder: ModelFolder) -> None:
        """Read the folder's weights into the engine. The caller has compared the layouts: vLLM keeps the old values of
        a tensor that is not in the files, and only logs it.
        """
        if self._shared and HEAD in folder.tensors and not _head_is_embeddings(folder):
            # vLLM found one tensor in the first model's files twice and shares it; these files hold two.
            self.close()
            self._start(folder)
            return
        self.model.model.collective_rpc("exchange_weights", args=(str(folder.path),))
        if not self.model.model.reset_prefix_cache():
            raise TryAgainError("vLLM did not empty its prefix cache", reason=Reason.ENGINE_FAILED)

    def close(self) -> None:
        """Shut the engine and its children down; leaving that to the interpreter's exit may hang."""
        if self.model is not None:
            self.model.model.llm_engine.engine_core.shutdown()
            self.model = None
            # Process groups, and what the allocator keeps of the GPU's memory: another engine may follow.
            vllm.distributed.cleanup_dist_env_and_memory()

    def _start(self, folder: ModelFolder) -> None:
        # On a CPU there are no graphs to capture, and compiling takes minutes.
        arguments = {"enforce_eager": True} if environment.vllm_is_for_cpu() else {}
        try:
            self.model = VLLM(
                pretrained=str(folder.path),
                dtype=self._engine.dtype,
                seed=self._engine.seed,
                batch_size=self._engine.batch_size or "auto",
                worker_extension_cls=EXTENSION,
                **(arguments | self._engine.engine_args),
            )
        except BaseException:
            # What was begun must not stand in the way of the next engine of this process.
            vllm.distributed.cleanup_dist_env_and_memory()
            raise
        self._shared = all(self.model.model.collective_rpc("shares_embeddings"))


def _head_is_embeddings(folder: ModelFolder) -> bool:
    """Whether the head in the files is the same tensor as the embeddings."""
    wanted = [name for name in folder.tensors if name.endswith((HEAD, EMBEDDINGS))]
    found: dict[str, torch.Tensor] = {}
    for file in folder.weight_files:
        with safetensors.safe_open(file, framework="pt", device="cpu") as tensors:
            there = set(tensors.keys())
            found |= {name: tensors.get_tensor(name) for name in wanted if name in there}
    return len(found) == 2 and torch.equal(*found.values())
