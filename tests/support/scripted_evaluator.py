"""An evaluator whose scores follow from the real merged weights, with faults on demand; a stand-in for lm-eval in the
shell's tests.

It runs in the real frame (`mergesearch.worker`) as a real process. Faults that the real evaluator cannot be made to
have are asked for by files in the folder $SCRIPTED_FAULTS: the file's name is the fault, its content how often it
still comes.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from mergesearch import worker
from mergesearch.contract import (
    CompareReport,
    CompareRequest,
    Comparison,
    EvaluationReport,
    EvaluationRequest,
    Failure,
    LeafFacts,
    PreflightTasksReport,
    PreflightTasksRequest,
    Request,
    TaskFacts,
    TaskScore,
    digest,
)
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress, Volumes

FAULTS = Path(os.environ.get("SCRIPTED_FAULTS", "/nonexistent"))
SECONDS = float(os.environ.get("SCRIPTED_SECONDS", "0"))
"""How long one evaluation takes."""


def fault(name: str) -> bool:
    """Whether a fault is due; each time it comes it is counted down."""
    path = FAULTS / name
    left = int(path.read_text()) if path.exists() else 0
    if left > 0:
        path.write_text(str(left - 1))
    return left > 0


def answer(request: Request, volumes: Volumes, emit: Emit, progress: Progress) -> None:
    """Meet an evaluator's request."""
    if isinstance(request, PreflightTasksRequest):
        if fault("no-such-task"):
            raise InvalidRequestError("task 'a' does not exist", reason=Reason.TASK_UNKNOWN)
        tasks = tuple(
            TaskFacts(name=t.name, leaves=(LeafFacts(name=t.name, total=100, documents=digest(t.name)[:16]),))
            for t in request.tasks
        )
        emit(PreflightTasksReport(version=1, request_hash=request.hash(), tasks=tasks))
    elif isinstance(request, CompareRequest):
        pairs = [(f.id, b.id) for f in request.finalists for b in request.baselines]
        made = tuple(Comparison(candidate=f, baseline=b, gain=0.1, low=0.05, high=0.2, p=0.01) for f, b in pairs)
        emit(CompareReport(version=1, request_hash=request.hash(), comparisons=made))
    else:
        assert isinstance(request, EvaluationRequest)
        evaluate(request, volumes, emit, progress)


def evaluate(request: EvaluationRequest, volumes: Volumes, emit: Emit, progress: Progress) -> None:
    """Score every candidate by how near its weights are to a target that differs by task."""
    for candidate in request.candidates:
        progress(f"scoring {candidate.id}")
        if fault("hang"):
            time.sleep(600)
        if fault("die"):
            print("the last words of a dying evaluator", file=sys.stderr, flush=True)
            os._exit(9)
        time.sleep(SECONDS)
        if fault("nan"):
            failure = Failure(reason=Reason.NON_FINITE_SCORE, message="a is NaN")
            emit(
                EvaluationReport(
                    version=1, candidate=candidate.id, request_hash=request.hash_of(candidate), failure=failure
                )
            )
            continue
        folder = volumes.resolve(candidate.model)
        if candidate.merge_hash is not None:
            assert json.loads((folder / "merge.json").read_text())["requestHash"] == candidate.merge_hash
        weights = np.concatenate(
            [t.astype(np.float64).ravel() for _, t in sorted(load_file(folder / "model.safetensors").items())]
        )
        scores = tuple(
            TaskScore(task=task.name, score=score(weights, task.name, request.split), stderr=0.01, samples=50)
            for task in request.tasks
        )
        emit(
            EvaluationReport(
                version=1,
                candidate=candidate.id,
                request_hash=request.hash_of(candidate),
                scores=scores,
                seconds=SECONDS + 0.01,
            )
        )


def score(weights: np.ndarray, task: str, split: str) -> float:
    """One at the task's target, falling with the squared distance from it; nearly the same on unseen samples."""
    target = np.cos(np.arange(weights.size) * (1 + sum(task.encode()) % 5))
    near = float(np.exp(-np.mean((weights - target) ** 2)))
    return near * (0.99 if split == "unseen" else 1.0)


if __name__ == "__main__":
    sys.exit(worker.run("scripted-evaluator", answer))
