"""Which faults of an engine's start are final, and which may pass; the messages are the backends' own."""

from typing import Any

import pydantic
import pytest

from mergesearch.errors import InvalidRequestError, TryAgainError
from mergesearch_evaluator.engines import failures


def validation_error(message: str) -> pydantic.ValidationError:
    """The message as pydantic wraps what a configuration's own check raises."""

    def refuse(value: Any) -> Any:
        raise ValueError(message)

    try:
        pydantic.TypeAdapter(
            pydantic.dataclasses.dataclass(type("ModelConfig", (), {"__post_init__": refuse}))
        ).validate_python({})
    except pydantic.ValidationError as error:
        return error
    raise AssertionError


PASSING = [
    pytest.param(
        ValueError(
            "Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory utilization "
            "(0.9, 71.3 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes."
        ),
        "EngineFailed",
        id="another-process-holds-the-gpus-memory",
    ),
    pytest.param(
        ValueError(
            "Available memory on node 0 (3.0/24.0 GiB) on startup is less than desired CPU memory utilization "
            "(0.9, 21.6 GiB)."
        ),
        "EngineFailed",
        id="another-process-holds-the-machines-memory",
    ),
    pytest.param(
        AssertionError("Error in memory profiling. Initial free memory 82.9 GiB, current free memory 90.1 GiB."),
        "EngineFailed",
        id="another-process-gave-memory-back",
    ),
    pytest.param(
        RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"), "EngineFailed", id="device-busy"
    ),
    pytest.param(
        validation_error("CUDA error: all CUDA-capable devices are busy or unavailable"),
        "EngineFailed",
        id="device-busy-while-the-configuration-is-checked",
    ),
    pytest.param(OSError(98, "Address already in use"), "EngineFailed", id="port-taken"),
    pytest.param(
        RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}"),
        "EngineFailed",
        id="cause-in-another-process",
    ),
    pytest.param(OSError(5, "Input/output error"), "EngineFailed", id="reading-failed"),
    pytest.param(MemoryError(), "OutOfMemory", id="memory"),
    pytest.param(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "OutOfMemory", id="cuda-memory"),
    pytest.param(ValueError("CUDA out of memory"), "OutOfMemory", id="memory-as-a-value-error"),
    pytest.param(ValueError("nobody has seen this before"), "EngineFailed", id="unknown-value-error"),
    pytest.param(TypeError("'NoneType' object is not subscriptable"), "EngineFailed", id="unknown-type-error"),
    pytest.param(AssertionError(), "EngineFailed", id="unknown-assertion"),
]
FINAL = [
    pytest.param(
        validation_error("Model architectures ['GrokForever'] are not supported for now. Supported architectures: ..."),
        id="architecture-of-vllm",
    ),
    pytest.param(
        ValueError("The checkpoint has model type `unheard-of` but Transformers does not recognize this architecture."),
        id="architecture-of-transformers",
    ),
    pytest.param(
        validation_error(
            "User-specified max_model_len (99999) is greater than the derived max_model_len "
            "(max_position_embeddings=4096 or model_max_length=None in model's config.json)."
        ),
        id="max-model-len-beyond-the-model",
    ),
    pytest.param(
        ValueError(
            "To serve at least one request with the model's max seq len (131072), (16.0 GiB KV cache is needed, which "
            "is larger than the available KV cache memory (4.0 GiB). Try increasing `gpu_memory_utilization`"
        ),
        id="max-model-len-beyond-the-memory",
    ),
    pytest.param(ValueError("No available memory for the cache blocks. Try increasing"), id="weights-fill-the-device"),
    pytest.param(validation_error("something contradictory"), id="configuration"),
    pytest.param(TypeError("LLM.__init__() got an unexpected keyword argument 'sped'"), id="unknown-argument"),
    pytest.param(
        ValueError("World size (8) is larger than the number of available GPUs (1) in this node."), id="too-few-gpus"
    ),
    pytest.param(
        ValueError("Bfloat16 is only supported on GPUs with compute capability of at least 8.0."), id="old-gpu"
    ),
    pytest.param(AssertionError("Torch not compiled with CUDA enabled"), id="build-without-cuda"),
    pytest.param(NotImplementedError("no such kernel"), id="never-written"),
    pytest.param(ImportError("No module named 'vllm'"), id="not-installed"),
]


@pytest.mark.parametrize(("error", "reason"), PASSING)
def test_what_may_pass_is_tried_again(error: Exception, reason: str) -> None:
    judged = failures.at_start(error)

    assert isinstance(judged, TryAgainError)
    assert judged.reason == reason
    assert type(error).__name__ in judged.message
    assert " ".join(str(error).split()) in judged.message


@pytest.mark.parametrize("error", FINAL)
def test_what_comes_again_is_refused(error: Exception) -> None:
    judged = failures.at_start(error)

    assert isinstance(judged, InvalidRequestError)
    assert judged.reason == "EngineRefused"
    assert " ".join(str(error).split()) in judged.message


def test_a_message_longer_than_a_report_may_hold_is_cut() -> None:
    assert len(failures.at_start(ValueError("x" * 5000)).message) == 2000


@pytest.mark.parametrize("table", [failures.PASSING, failures.FINAL, failures.OUT_OF_MEMORY])
def test_the_tables_are_in_lower_case_or_they_would_never_match(table: tuple[str, ...]) -> None:
    assert [words for words in table if words != words.lower()] == []
