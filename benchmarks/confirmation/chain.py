"""One simulated search through the product's own code: who is confirmed, the request, the comparison from files on a
volume, the winner, and what is claimed. Only the answers to the documents are drawn, where a model would give them.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from confirmation import worlds
from confirmation.worlds import Right, World

from mergesearch import contract, files, worker
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import (
    Confirmed,
    Decision,
    MergeSearchStatus,
    Record,
    RecordKind,
    RecordState,
    encode_vector,
)
from mergesearch.lifecycle import baselines, confirmation, preflight, proof, requests, verdict
from mergesearch.lifecycle.step import Observed, Step
from mergesearch.reasons import Reason
from mergesearch.search import objective
from mergesearch_evaluator import compare, samples
from mergesearch_evaluator.samples import Sample

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Documents:
    """What the answers to the documents of every task have in common, on both sides."""

    seen: tuple[Right, ...]
    unseen: tuple[Right, ...]


@dataclass(frozen=True)
class Ended:
    """What came of a search."""

    outcome: Reason
    winner: Confirmed
    gain: float
    """The true one of the winner over the best checkpoint."""


class Search:
    """A search in a world."""

    def __init__(self, world: World, seed: int, volume: Path, resamples: int) -> None:
        self.world, self.volume, self.resamples = world, volume, resamples
        self.rng = np.random.default_rng([seed, 1])
        self.common = Documents(
            seen=tuple(worlds.hidden(self.rng, world.seen) for _ in world.tasks),
            unseen=tuple(worlds.hidden(self.rng, number) for number in world.unseen),
        )
        resource = _resource(world)
        spec = resource.spec.model_copy(update={"search": resource.spec.search.model_copy(update={"seed": seed})})
        self.step = Step(resource.model_copy(update={"spec": spec}), _status(world), Observed(), NOW)
        self.truth: dict[str, float] = {}

    def run(self, rounds: int = 1) -> Ended:
        """Search, confirm, compare, decide; then, as after a larger budget, go on."""
        for _ in range(2):
            # Merge-best follows from the scores of the checkpoints.
            self.step = baselines.plan(self.step)
            self.step = self.step.change(baselines=tuple(self._seen(record) for record in self.step.status.baselines))
        for _ in range(rounds):
            self._search()
            self._confirm()
            self._compare()
        winner = self.step.status.confirmed
        assert winner is not None
        outcome, _ = proof.outcome(self.step.spec, self.step.status, winner)
        return Ended(outcome=outcome, winner=winner, gain=self.truth[winner.id])

    def _search(self) -> None:
        """All candidates at once: what the optimiser learns from their scores is not what is tested here."""
        asked = len(self.step.status.candidates)
        x = encode_vector((0.0,) * self.world.checkpoints)
        new = [
            Record(id=f"c{asked + number:04d}", kind=RecordKind.SEARCH, generation=0, x=x)
            for number in range(self.world.candidates)
        ]
        closed = Decision(reason=Reason.BUDGET_SPENT, message=f"{asked + len(new)} evaluations")
        candidates = (*self.step.status.candidates, *(self._seen(record) for record in new))
        self.step = self.step.change(candidates=candidates, closed=closed)

    def _confirm(self) -> None:
        self.step = confirmation.plan(self.step)
        if self.world.only_one:
            others = {
                r.id for r in self.step.status.confirmations if r.kind is RecordKind.SEARCH and r.id != self._first
            }
            self.truth |= dict.fromkeys(others, 0.0)
        self.step = self.step.change(confirmations=tuple(self._unseen(r) for r in self.step.status.confirmations))
        assert confirmation.comparable(self.step)

    def _compare(self) -> None:
        asked = requests.compare(self.step.resource, self.step.status).model_copy(update={"resamples": self.resamples})
        report = compare.compare(asked, worker.Volumes({files.WORKSPACE_VOLUME: self.volume}), lambda _: None)
        assert report.failure is None
        assert verdict.whole(asked, report)
        self.step = verdict.decide(self.step, report)

    @property
    def _first(self) -> str:
        return next(record.id for record in self.step.status.confirmations if record.kind is RecordKind.SEARCH)

    def _true_gain(self, record: Record) -> float:
        """Over the checkpoints."""
        if record.kind is RecordKind.SEARCH:
            return self.truth.setdefault(record.id, self.world.gain)
        return -self.world.behind if record.kind in (RecordKind.UNIFORM, RecordKind.MERGE_BEST) else 0.0

    def _seen(self, record: Record) -> Record:
        if record.state is RecordState.SCORED:
            return record
        gain = 0.0 if self.world.only_one else self._true_gain(record)
        return self._scored(record, [worlds.answers(self.rng, common, gain) for common in self.common.seen])

    def _unseen(self, record: Record) -> Record:
        """Scored on the unseen samples, which lie on the volume as an evaluator leaves them."""
        if record.state is RecordState.SCORED:
            return record
        gain = self._true_gain(record)
        answers = [worlds.answers(self.rng, common, gain) for common in self.common.unseen]
        uid, status = self.step.resource.metadata.uid, self.step.status
        for task, right in zip(self.world.tasks, answers, strict=True):
            weight = 1.0 / len(right)
            found = [Sample(task, index, float(value), weight, 1, 1, None) for index, value in enumerate(right)]
            samples.write(self.volume / files.samples_file(uid, "unseen", record.id, task), found)
        (asked,) = (whole := requests.evaluation_of(self.step.resource, status, "unseen", (record,))).candidates
        report = contract.EvaluationReport(version=1, candidate=record.id, request_hash=whole.hash_of(asked))
        worker.publish_report(self.volume / files.evaluation_folder(uid, "unseen", record.id) / files.REPORT, report)
        return self._scored(record, answers)

    def _scored(self, record: Record, answers: Sequence[Right]) -> Record:
        scores = tuple(float(right.mean()) for right in answers)
        fitness = objective.aggregate(scores, self.world.weights or (1.0,) * len(scores), self.world.aggregate)
        return record.model_copy(update={"state": RecordState.SCORED, "scores": scores, "fitness": fitness})


def run(world: World, seed: int, volume: Path, *, resamples: int = 1000, rounds: int = 1) -> Ended:
    """One search. The volume is overwritten."""
    return Search(world, seed, volume, resamples).run(rounds)


def smallest_gain(world: World) -> float:
    """What the preflight of a search in this world states."""
    found = _status(world).preflight.smallest_gain
    assert found is not None
    return found


@functools.cache
def _resource(world: World) -> MergeSearch:
    claims = {"persistentVolumeClaim": {"claimName": "c"}}
    weights = world.weights or (1.0,) * len(world.tasks)
    spec = {
        "checkpoints": [{"name": f"m-{i}", "path": f"m-{i}"} for i in range(world.checkpoints)],
        "storage": {"checkpoints": claims, "workspace": claims},
        "objective": {
            "tasks": [
                {"name": task, "metric": "acc", "searchSamples": world.seen, "weight": f"{weight:g}"}
                for task, weight in zip(world.tasks, weights, strict=True)
            ],
            "aggregate": world.aggregate,
        },
        "search": {"maxEvaluations": 2 * world.candidates, "confirm": {"finalists": world.finalists}},
    }
    metadata = {"name": "simulated", "uid": "51a5ed00-1"}
    kind = {"apiVersion": "mergesearch.io/v1alpha1", "kind": "MergeSearch"}
    return MergeSearch.model_validate({**kind, "metadata": metadata, "spec": spec})


@functools.cache
def _status(world: World) -> MergeSearchStatus:
    """After the preflight."""
    leaves = [
        contract.LeafFacts(name=task, total=world.seen + unseen, documents=contract.digest(task)[:16])
        for task, unseen in zip(world.tasks, world.unseen, strict=True)
    ]
    report = contract.PreflightTasksReport(
        version=1,
        request_hash=contract.digest("tasks"),
        tasks=tuple(contract.TaskFacts(name=leaf.name, leaves=(leaf,)) for leaf in leaves),
    )
    step = Step(_resource(world), MergeSearchStatus(), Observed(), NOW)
    return preflight.tasks_known(step, report).status.model_copy(update={"preflight_due": ()})
