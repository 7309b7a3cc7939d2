"""Children that answer every request at once and well, from a known landscape; no process, no clock."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mergesearch.contract import (
    CheckpointFacts,
    CleanupReport,
    CleanupRequest,
    CompareReport,
    CompareRequest,
    Comparison,
    EvaluationCandidate,
    EvaluationReport,
    EvaluationRequest,
    LeafFacts,
    MergeReport,
    MergeRequest,
    PreflightCheckpointsReport,
    PreflightCheckpointsRequest,
    PreflightTasksReport,
    PreflightTasksRequest,
    Report,
    Request,
    TaskFacts,
    TaskScore,
    digest,
)

DOCUMENTS = 400
"""Of every task."""
Landscape = Callable[[tuple[float, ...], str], float]
"""Score of a merge with these weights on a task."""


def peak(weights: tuple[float, ...], task: str) -> float:
    """A landscape whose optimum differs a little by task, and is better than every vertex."""
    shift = sum(task.encode()) % 7 / 20
    ideal = [max(0.1, 1.0 + shift * math.cos(i)) for i in range(len(weights))]
    return max(0.0, 0.9 - sum((w - i / sum(ideal)) ** 2 for w, i in zip(weights, ideal, strict=True)))


@dataclass
class Volumes:
    """What lies on them: the weights of every merge, by candidate."""

    landscape: Landscape
    checkpoints: int
    merges: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def answer(self, request: Request) -> Iterable[Report]:
        """The reports of a child that meets the request."""
        if isinstance(request, MergeRequest):
            return self._merged(request)
        if isinstance(request, EvaluationRequest):
            return self._evaluated(request)
        return (stage_report(request),)

    def _merged(self, request: MergeRequest) -> Iterable[Report]:
        for candidate in request.candidates:
            self.merges[candidate.id] = candidate.weights
            yield MergeReport(version=1, candidate=candidate.id, request_hash=request.hash_of(candidate), seconds=1.0)

    def _evaluated(self, request: EvaluationRequest) -> Iterable[Report]:
        for candidate in request.candidates:
            weights = self._weights(candidate)
            yield EvaluationReport(
                version=1,
                candidate=candidate.id,
                request_hash=request.hash_of(candidate),
                scores=tuple(
                    TaskScore(task=task.name, score=self.landscape(weights, task.name), stderr=0.02, samples=200)
                    for task in request.tasks
                ),
                seconds=10.0,
                prompt_tokens=100,
                generated_tokens=50,
            )

    def _weights(self, candidate: EvaluationCandidate) -> tuple[float, ...]:
        if candidate.merge_hash is not None:
            return self.merges[candidate.id]
        alone = int(candidate.model.path.rsplit("-", 1)[1])
        return tuple(float(i == alone) for i in range(self.checkpoints))


def stage_report(request: Request) -> Report:
    """The report of a stage without candidates."""
    if isinstance(request, PreflightCheckpointsRequest):
        facts = tuple(
            CheckpointFacts(name=c.name, fingerprint=digest(c.name), bytes=1000, parameters=500, dtypes=("bfloat16",))
            for c in request.checkpoints
        )
        return PreflightCheckpointsReport(
            version=1, request_hash=request.hash(), checkpoints=facts, output_bytes=1000, free_bytes=10**9
        )
    if isinstance(request, PreflightTasksRequest):
        tasks = tuple(TaskFacts(name=task.name, leaves=(_leaf(task.name),)) for task in request.tasks)
        return PreflightTasksReport(version=1, request_hash=request.hash(), tasks=tasks, versions={"lm_eval": "0.4"})
    if isinstance(request, CompareRequest):
        comparisons = tuple(
            Comparison(candidate=finalist.id, baseline=baseline.id, gain=0.01, low=0.0, high=0.02, p=0.05)
            for finalist in request.finalists
            for baseline in request.baselines
        )
        return CompareReport(version=1, request_hash=request.hash(), comparisons=comparisons)
    assert isinstance(request, CleanupRequest)
    return CleanupReport(version=1, request_hash=request.hash(), removed=request.prune)


def _leaf(name: str) -> LeafFacts:
    return LeafFacts(name=name, total=DOCUMENTS, documents=digest(name)[:16])
