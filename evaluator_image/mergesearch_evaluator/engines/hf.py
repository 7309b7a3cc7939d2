"""The transformers backend: the only module that loads a model with transformers.

One module stays in memory; the weights of further candidates are copied into its tensors. Where the names in the
files are not the module's own (transformers renames some on loading) or a tied tensor stands in the files twice, the
model is built anew instead: slower, never different.
"""

import logging
from collections.abc import Mapping
from typing import Any

import safetensors
import torch
import transformers
from lm_eval.models.huggingface import HFLM

from mergesearch.contract import Engine
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_evaluator.folders import ModelFolder
from mergesearch_evaluator.problems import enumerated

BATCH_SIZES = (8, 512)
"""Smallest and largest number of prompts at once where the request leaves it open."""
LOGITS = 2**28
"""Numbers that the logits of a whole batch may hold: half a gigabyte in bf16."""
LONGEST_PROMPT = 2048
"""Tokens that a prompt is taken to have in a model with a longer context."""
FROM_PRETRAINED = ("attn_implementation", "trust_remote_code")
"""Engine arguments that belong to the model; the others belong to lm-eval's wrapper."""
LOG = logging.getLogger(__name__)


class HfEngine:
    """A causal language model in this process."""

    def __init__(self, engine: Engine, folder: ModelFolder) -> None:
        self._engine = engine
        self._arguments = dict(engine.engine_args)
        self._device = torch.device(str(self._arguments.pop("device", "") or _default_device()))
        torch.manual_seed(engine.seed)
        self._model = self._load(folder)
        self._own_names = _own_names(self._model)
        self.model = self._wrapped(folder)

    @torch.no_grad()
    def swap(self, folder: ModelFolder) -> None:
        """Copy the folder's tensors into the module's; in the module's dtype, rounded as loading does it."""
        targets = self._targets(folder)
        if targets is None:
            self._model = self._load(folder)
            self.model = self._wrapped(folder)
            return
        for file in folder.weight_files:
            with safetensors.safe_open(file, framework="pt", device="cpu") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    targets[name].copy_(tensors.get_tensor(name))

    def close(self) -> None:
        """Let go of the model."""
        self.model = None
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _targets(self, folder: ModelFolder) -> Mapping[str, torch.Tensor] | None:
        """The module's tensors by the names in the files; None if they do not match one to one."""
        own = self._own_names
        storages = [own[name].data_ptr() for name in folder.tensors if name in own]
        covered = len(storages) == len(folder.tensors) == len(set(storages))
        if not covered or set(storages) != {tensor.data_ptr() for tensor in own.values()}:
            return None
        return own

    def _load(self, folder: ModelFolder) -> Any:
        options = {name: self._arguments[name] for name in FROM_PRETRAINED if name in self._arguments}
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder.path),
            dtype=getattr(torch, self._engine.dtype),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            **options,
        )
        _refuse_gaps(folder, info)
        return model.to(self._device).eval()

    def _wrapped(self, folder: ModelFolder) -> Any:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder.path), local_files_only=True)
        return HFLM(
            pretrained=self._model,
            tokenizer=tokenizer,
            batch_size=self._engine.batch_size or _batch_size(self._model.config),
            **{name: value for name, value in self._arguments.items() if name not in FROM_PRETRAINED},
        )


def _default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _batch_size(config: Any) -> int:
    """As many prompts as memory surely allows: a toy is five times faster at 512 than at 32."""
    inner = getattr(config, "text_config", None) or config
    length = min(getattr(inner, "max_position_embeddings", None) or LONGEST_PROMPT, LONGEST_PROMPT)
    fitting = LOGITS // int(length * inner.vocab_size)
    return max(BATCH_SIZES[0], min(BATCH_SIZES[1], fitting))


def _own_names(model: Any) -> dict[str, torch.Tensor]:
    return dict(model.state_dict())


def _refuse_gaps(folder: ModelFolder, info: Mapping[str, Any]) -> None:
    """A tensor that is missing would be filled with random numbers and a warning; here that is an error."""
    missing, mismatched = sorted(info["missing_keys"]), sorted(str(key) for key in info["mismatched_keys"])
    if missing or mismatched:
        message = (
            f"{folder.path}: does not fill the model of its config.json: missing {enumerated(missing)}; "
            f"of another shape {enumerated(mismatched)}"
        )
        raise InvalidRequestError(message, reason=Reason.CHECKPOINT_UNREADABLE)
    if info["unexpected_keys"]:
        LOG.warning("%s: tensors without a use: %s", folder.path, enumerated(sorted(info["unexpected_keys"])))
