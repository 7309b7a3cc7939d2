"""The vLLM backend: the only module that imports vLLM.

One engine stays; the weights of further candidates are read into it in place. What its prefix cache holds was computed
with the old weights, so it is emptied each time: without that, answers mix two models.
"""

import gc
from typing import Any

from lm_eval.models.vllm_causallms import VLLM

from mergesearch.contract import Engine
from mergesearch.errors import TryAgainError
from mergesearch.reasons import Reason
from mergesearch_evaluator import environment
from mergesearch_evaluator.folders import ModelFolder


class VllmEngine:
    """An engine of vLLM in this process, or in children of its own."""

    def __init__(self, engine: Engine, folder: ModelFolder) -> None:
        # On a CPU there are no graphs to capture, and compiling takes minutes.
        arguments = {"enforce_eager": True} if environment.vllm_is_for_cpu() else {}
        self.model: Any = VLLM(
            pretrained=str(folder.path),
            dtype=engine.dtype,
            seed=engine.seed,
            batch_size=engine.batch_size or "auto",
            **(arguments | engine.engine_args),
        )

    def swap(self, folder: ModelFolder) -> None:
        """Read the folder's weights into the engine. The caller has compared the layouts: vLLM keeps the old values of
        a tensor that is not in the files, and only logs it.
        """
        self.model.model.collective_rpc("reload_weights", kwargs={"weights_path": str(folder.path)})
        if not self.model.model.reset_prefix_cache():
            raise TryAgainError("vLLM did not empty its prefix cache", reason=Reason.ENGINE_FAILED)

    def close(self) -> None:
        """Shut the engine and its children down; leaving that to the interpreter's exit may hang."""
        if self.model is not None:
            self.model.model.llm_engine.engine_core.shutdown()
            self.model = None
            gc.collect()
