"""Engine arguments, judged without importing a backend."""

import sys

import pytest

from mergesearch.contract import Engine
from mergesearch_evaluator.engines import arguments

vllm_installed = pytest.mark.skipif(not arguments.vllm_arguments(), reason="vLLM is not installed")


@vllm_installed
def test_vllms_own_arguments_are_read_from_its_source_without_importing_it() -> None:
    found = arguments.vllm_arguments()
    assert {"max_model_len", "gpu_memory_utilization", "tensor_parallel_size", "enforce_eager", "quantization"} <= found
    assert "vllm" not in sys.modules


@pytest.mark.parametrize(
    ("backend", "given"),
    [
        pytest.param("hf", {"device": "cpu", "attn_implementation": "eager"}, id="hf"),
        pytest.param("vllm", {"max_model_len": 4096, "data_parallel_size": 1}, id="vllm"),
        pytest.param("vllm", {"think_end_token": "</think>"}, id="of-lm-evals-wrapper"),
    ],
)
def test_what_a_backend_knows_is_let_through(backend: str, given: dict[str, str | int]) -> None:
    engine = Engine.model_validate({"backend": backend, "engine_args": given})
    assert list(arguments.problems_of(engine)) == []


@pytest.mark.parametrize(
    ("backend", "given", "words"),
    [
        pytest.param(
            "hf", {"devise": "cpu"}, "backend hf has no engine argument 'devise' (nearest: device)", id="typo"
        ),
        pytest.param("hf", {"max_model_len": 4}, "there are add_bos_token", id="argument-of-the-other-backend"),
        pytest.param("vllm", {"seed": 4}, "engine argument 'seed' is decided by search.seed", id="decided-elsewhere"),
        pytest.param("vllm", {"model": "m"}, "is decided by the candidates", id="the-model-itself"),
        pytest.param("vllm", {"data_parallel_size": 2}, "data_parallel_size must be 1", id="data-parallel"),
        pytest.param(
            "vllm",
            {"max_modle_len": 4},
            "no engine argument 'max_modle_len' (nearest: max_model_len",
            id="vllm-typo",
            marks=vllm_installed,
        ),
    ],
)
def test_what_it_does_not_know_is_refused(backend: str, given: dict[str, str | int], words: str) -> None:
    engine = Engine.model_validate({"backend": backend, "engine_args": given})
    (problem,) = arguments.problems_of(engine)
    assert problem.reason == "EngineRefused"
    assert words in problem.message
