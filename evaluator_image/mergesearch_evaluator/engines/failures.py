"""Whether an engine that did not start may start at the next attempt: by what its backend said. Imports no framework.

Python's types do not tell: vLLM raises ValueError for a model that it does not know and for a GPU on which another
process still holds memory. So messages are compared with two tables. What stands in neither is tried again: an
attempt costs minutes and there are only `evaluator.retries` of them, after which the search stalls with the same
message; a stall at once, for a fault that would have passed, costs the user a night.

The messages are those of vLLM 0.32, transformers 5 and torch 2.13; each line names the file that raises it. Where
vLLM's configuration is checked by pydantic, the error is a `ValidationError` around the message.
"""

import pydantic

from mergesearch.errors import InvalidRequestError, MergeSearchError, TryAgainError
from mergesearch.reasons import Reason
from mergesearch_evaluator.problems import clipped

OUT_OF_MEMORY = ("out of memory", "outofmemory", "cannot allocate memory", "can't allocate memory")
"""What allocators say, in lower case."""

PASSING = (
    # Memory that another process holds: it may be the last candidate's engine, which the driver has not cleared away.
    "free memory on device",  # vllm/v1/worker/utils.py request_memory: ValueError, "... less than desired GPU memory"
    "is less than desired cpu memory utilization",  # vllm/v1/worker/cpu_worker.py: ValueError
    "error in memory profiling",  # vllm/v1/worker/gpu_worker.py: AssertionError, another process gave memory back
    # The device, or a port, is taken.
    "busy or unavailable",  # CUDA, cudaErrorDevicesUnavailable: an exclusive device has another user
    "address already in use",  # torch's TCPStore and sockets: EADDRINUSE between choosing a port and taking it
)
"""Passes by itself, whatever type the error has; in lower case."""

FINAL = (
    # The model.
    "are not supported for now",  # vllm/model_executor/models/registry.py: ValueError, "Model architectures ..."
    "does not recognize this architecture",  # transformers/models/auto/configuration_auto.py: ValueError
    "unrecognized model in",  # ibid.: ValueError, config.json without a model_type
    "trust_remote_code=true",  # transformers/dynamic_module_utils.py: ValueError, code of the model's own
    "weights were not initialized from",  # vllm/model_executor/model_loader/default_loader.py: ValueError
    "unknown quantization method",  # vllm/config/model.py: ValueError
    # The model and this kind of device.
    "is only supported on gpus with compute capability",  # vllm/platforms/cuda.py: ValueError, bfloat16
    "is larger than the number of available gpus",  # vllm/config/parallel.py: ValueError, tensor_parallel_size
    "must be divisible by tensor parallel size",  # vllm/config/model.py: ValueError, the heads
    "not compiled with cuda enabled",  # torch/cuda/__init__.py: AssertionError
    "device type at start of device string",  # torch.device: RuntimeError, engine argument `device`
    # Memory, as a share of the whole device: what others hold is refused before, as "free memory on device".
    "is greater than the derived max_model_len",  # vllm/config/model.py: ValueError
    "no available memory for the cache blocks",  # vllm/v1/core/kv_cache_utils.py: ValueError
    "larger than the available kv cache memory",  # ibid.: ValueError, max_model_len does not fit
    "cannot auto-fit max_model_len",  # ibid.: ValueError
    # Arguments.
    "unexpected keyword argument",  # any callable: TypeError
    "specified `attn_implementation=",  # transformers/modeling_utils.py: ValueError
    "does not support an attention implementation",  # ibid.: ValueError
)
"""Comes again at every attempt, whatever type the error has; in lower case."""

FINAL_TYPES = (pydantic.ValidationError, NotImplementedError, ImportError)
"""Say that a configuration is contradictory, that something was never written, or that it is not installed."""


def at_start(error: Exception) -> MergeSearchError:
    """What to raise for an engine that did not start."""
    said = _words(error)
    passes = is_out_of_memory(error) or any(words in said for words in PASSING)
    if passes or not (isinstance(error, FINAL_TYPES) or any(words in said for words in FINAL)):
        return in_use(error)
    message = clipped(f"the engine refuses to start: {_sentence(error)}")
    return InvalidRequestError(message, reason=Reason.ENGINE_REFUSED)


def in_use(error: Exception) -> TryAgainError:
    """What to raise for an engine that broke after it was up."""
    reason = Reason.OUT_OF_MEMORY if is_out_of_memory(error) else Reason.ENGINE_FAILED
    return TryAgainError(clipped(f"the engine failed: {_sentence(error)}"), reason=reason)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an allocator had nothing left to give."""
    said = _words(error)
    return isinstance(error, MemoryError) or any(words in said for words in OUT_OF_MEMORY)


def _words(error: Exception) -> str:
    return _sentence(error).lower()


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
