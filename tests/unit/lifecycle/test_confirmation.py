"""The confirmation: unseen samples, the winner, what stays on the workspace."""

import pytest

from mergesearch.api.status import Phase, RecordKind, Stage
from mergesearch.contract import EvaluationRequest
from unit.lifecycle.world import Bench, resource


def test_no_sample_of_the_confirmation_was_seen_by_the_search() -> None:
    bench = Bench(resource())
    bench.world.documents["a"] = (30, 50, 20)
    bench.rest()
    seen: dict[str, set[int]] = {}
    unseen: dict[str, set[int]] = {}
    for child in bench.started:
        if isinstance(child.request, EvaluationRequest):
            into = unseen if child.request.split == "unseen" else seen
            for task in child.request.tasks:
                for leaf in task.samples:
                    into.setdefault(leaf.leaf, set()).update(leaf.indices())
    for name, indices in seen.items():
        assert not indices & unseen[name]
    assert seen["a_0"] | unseen["a_0"] == set(range(30))
    assert "h" not in seen


def test_the_winner_is_the_finalist_that_is_best_on_unseen_samples() -> None:
    bench = Bench(resource())
    bench.world.landscape = lambda weights, task, split: weights[0] if split != "unseen" else 1 - weights[0]
    status = bench.rest()
    finalists = sorted((r for r in status.candidates), key=lambda r: -(r.fitness or 0))[:3]
    assert status.confirmed is not None
    assert status.confirmed.id == finalists[-1].id


def test_only_the_best_stay_and_the_winner_first() -> None:
    bench = Bench(resource(storage={"keepBest": 2}))
    status = bench.rest()
    assert status.confirmed is not None
    assert status.confirmed.id in bench.world.merges
    assert len(bench.world.merges) == 2


def test_what_is_confirmed_is_kept_with_a_digest() -> None:
    bench = Bench(resource())
    status = bench.rest()
    assert status.confirmed is not None
    assert status.confirmed.weights_digest is not None
    merged = [r for r in status.confirmations if len(r.members) != 1]
    assert all(r.weights_digest for r in merged)


@pytest.mark.parametrize("baselines", ["Best", "All"])
def test_the_best_or_all_baselines_are_confirmed(baselines: str) -> None:
    bench = Bench(resource(search={"confirm": {"baselines": baselines}}))
    status = bench.rest()
    checkpoints = [r for r in status.confirmations if r.kind is RecordKind.CHECKPOINT]
    assert len(checkpoints) == (1 if baselines == "Best" else 3)
    assert status.confirmed is not None
    assert {gain.baseline for gain in status.confirmed.gains} == {
        r.id for r in status.confirmations if r.kind is not RecordKind.SEARCH
    }


def test_too_few_documents_to_leave_any_unseen_stall_with_the_numbers() -> None:
    tasks = [{"name": "a", "metric": "acc", "searchSamples": 400}]
    bench = Bench(resource(objective={"tasks": tasks}))
    status = bench.rest()
    assert status.phase is Phase.STALLED
    assert status.stalled is not None
    assert "400 of the 400 documents" in status.stalled.message
    assert not bench.made(Stage.MERGE)


@pytest.mark.parametrize("max_pending", [1, 2, 5])
@pytest.mark.parametrize("merger", [1, 3])
@pytest.mark.parametrize("evaluator", [1, 4])
@pytest.mark.parametrize("parallelism", [1, 3])
def test_no_choice_of_batches_and_room_stops_a_search(
    max_pending: int, merger: int, evaluator: int, parallelism: int
) -> None:
    bench = Bench(
        resource(
            storage={"maxPending": max_pending},
            merger={"batch": merger},
            evaluator={"batch": evaluator},
            search={"maxEvaluations": 8, "parallelism": parallelism, "baselines": ["Checkpoints", "Uniform", "Greedy"]},
        )
    )
    assert bench.rest().phase is Phase.COMPLETE
