"""The entry point `mergesearch-evaluator`: scores candidates, looks at tasks, compares finalists.

What a request does not need is not imported for it: a comparison never loads lm-eval, a preflight never a backend.
"""

from collections.abc import Callable

from mergesearch import worker
from mergesearch.contract import CompareRequest, Engine, EvaluationRequest, PreflightTasksRequest, Request
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress, Volumes
from mergesearch_evaluator import environment
from mergesearch_evaluator.engines.base import LoadedEngine
from mergesearch_evaluator.folders import ModelFolder
from mergesearch_evaluator.resident import Resident

PROGRAM = "mergesearch-evaluator"


def start_engine(settings: Engine, folder: ModelFolder) -> LoadedEngine:
    """Import the backend and load the first model into it. Raises whatever the backend raises."""
    if settings.backend == "hf":
        from mergesearch_evaluator.engines import hf

        return hf.HfEngine(settings, folder)
    from mergesearch_evaluator.engines import vllm

    return vllm.VllmEngine(settings, folder)


class Evaluator:
    """Meets requests one after the other, and keeps an engine warm between them."""

    def __init__(self, start: Callable[[Engine, ModelFolder], LoadedEngine] = start_engine) -> None:
        self._resident = Resident(start)

    def __call__(self, request: Request, volumes: Volumes, emit: Emit, progress: Progress) -> None:
        """Raises MergeSearchError; anything else counts as transient."""
        match request:
            case EvaluationRequest():
                from mergesearch_evaluator import evaluation

                evaluation.evaluate(request, volumes, emit, progress, self._resident)
            case PreflightTasksRequest():
                from mergesearch_evaluator import preflight

                emit(preflight.preflight(request, volumes, progress))
            case CompareRequest():
                from mergesearch_evaluator import compare

                emit(compare.compare(request, volumes, progress))
            case _:
                message = f"{PROGRAM} does not answer {request.kind!r} requests"
                raise InvalidRequestError(message, reason=Reason.MALFORMED_REQUEST)

    def close(self) -> None:
        """Shut the engine down."""
        self._resident.close()


def main() -> int:
    """Run the process; returns its exit code."""
    environment.prepare()
    evaluator = Evaluator()
    try:
        return worker.run(PROGRAM, evaluator)
    finally:
        evaluator.close()
