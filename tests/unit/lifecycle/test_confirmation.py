"""The confirmation: unseen samples, the winner, what stays on the workspace."""

import pytest

from mergesearch.api.status import Phase, RecordKind, Stage
from mergesearch.contract import CompareRequest, EvaluationRequest
from mergesearch.lifecycle import requests
from unit.lifecycle.world import Bench, World, resource


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


def test_held_out_tasks_are_scored_for_all_that_is_confirmed_and_choose_nothing() -> None:
    found = []
    for sign in (0.4, -0.4):
        bench = Bench(resource())

        def landscape(weights: tuple[float, ...], task: str, split: str, sign: float = sign) -> float:
            assert task != "h" or split == "unseen", "the search never sees it"
            return 0.5 + (sign if task == "h" else 0.3) * (weights[0] - weights[1])

        bench.world.landscape = landscape
        status = bench.rest()
        assert all(len(record.scores) == 3 for record in status.confirmations), "two held-in tasks, then the held-out"
        compared = [child.request for child in bench.started if isinstance(child.request, CompareRequest)]
        assert [request.tasks for request in compared] == [("a", "b")]
        found.append(status)
    first, second = found
    assert [record.scores[2] for record in first.confirmations] != [r.scores[2] for r in second.confirmations]
    assert first.confirmed == second.confirmed
    assert [record.fitness for record in first.confirmations] == [record.fitness for record in second.confirmations]


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
    assert "all 400 documents of a, which leaves none unseen; at most 399" in status.stalled.message
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


# --- A baseline that is the better choice ---


def ahead(baseline: str, weights: tuple[float, ...], room: int = 1) -> Bench:
    """A search whose candidates lose to a baseline on the unseen samples; the workspace has little room."""
    bench = Bench(
        resource(storage={"maxPending": room}, search={"baselines": ["Uniform", "Checkpoints", "MergeBest", "Greedy"]})
    )

    def landscape(some: tuple[float, ...], task: str, split: str) -> float:
        # Each task has another best checkpoint, so that merge-best is a merge too, and comes after uniform.
        return 0.99 if split == "unseen" and some == pytest.approx(weights) else 0.5 + some["ab".find(task)] / 10

    bench.world.landscape = landscape
    bench.world.gains = {baseline: -0.04}
    return bench


@pytest.mark.parametrize("room", [1, 2, 3])
def test_a_baseline_that_is_the_better_choice_stays_beside_the_winner_and_the_status_says_where(room: int) -> None:
    bench = ahead("uniform", (1 / 3, 1 / 3, 1 / 3), room)
    confirmed = bench.rest().confirmed
    assert confirmed is not None
    assert confirmed.better is not None
    assert (confirmed.better.id, confirmed.better.path) == ("uniform", "abcdef-1/merges/uniform")
    assert set(bench.world.merges) == {"uniform", confirmed.id}
    assert bench.world.most <= requests.merges_at_once(bench.resource.spec)


@pytest.mark.parametrize("room", [1, 2])
def test_a_search_that_goes_on_after_all_baselines_were_confirmed_keeps_to_its_room(room: int) -> None:
    searched = resource(
        storage={"maxPending": room},
        search={
            "maxEvaluations": 8,
            "baselines": ["Checkpoints", "Uniform", "MergeBest", "Greedy"],
            "confirm": {"finalists": 1, "baselines": "All"},
            "algorithm": {"cmaes": {"populationSize": 4}},
        },
    )
    bench = Bench(searched, World(gains={"uniform": -0.02, "merge-best": -0.01}))
    bench.rest()
    bench.edit("search", max_evaluations=16)
    assert bench.rest().rounds == 2
    assert bench.world.most <= requests.merges_at_once(bench.resource.spec)


def test_a_checkpoint_that_is_the_better_choice_lies_where_it_is() -> None:
    bench = ahead("checkpoint-m-0", (1.0, 0.0, 0.0))
    confirmed = bench.rest().confirmed
    assert confirmed is not None
    assert confirmed.better is not None
    assert (confirmed.better.id, confirmed.better.path) == ("checkpoint-m-0", None)
    assert set(bench.world.merges) == {confirmed.id}


def test_of_several_baselines_that_are_ahead_the_one_furthest_ahead_is_named() -> None:
    bench = ahead("uniform", (1 / 3, 1 / 3, 1 / 3))
    bench.world.gains["merge-best"] = -0.01
    confirmed = bench.rest().confirmed
    assert confirmed is not None
    assert confirmed.better is not None
    assert confirmed.better.id == "uniform"


def test_a_winner_that_is_behind_nobody_leaves_no_baseline_on_the_workspace() -> None:
    bench = Bench(resource())
    confirmed = bench.rest().confirmed
    assert confirmed is not None
    assert confirmed.better is None
    assert set(bench.world.merges) == {confirmed.id}


def test_a_baseline_that_is_the_better_choice_no_longer_is_removed_after_a_larger_budget() -> None:
    bench = ahead("uniform", (1 / 3, 1 / 3, 1 / 3))
    bench.rest()
    bench.edit("search", max_evaluations=16)
    bench.until(lambda status: len(status.candidates) == 16)
    assert "uniform" in bench.world.merges, "until it is decided anew"
    bench.world.gains.clear()
    confirmed = bench.rest().confirmed
    assert confirmed is not None
    assert confirmed.better is None
    assert "uniform" not in bench.world.merges
