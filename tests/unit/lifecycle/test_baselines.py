"""The baselines: which there are, when they run, and that greedy never delays the search."""

import pytest

from mergesearch.api.status import Phase, RecordKind, RecordState, Stage
from unit.lifecycle.world import Bench, End, Landscape, faults, resource

ALL = ["Checkpoints", "Uniform", "MergeBest", "Greedy"]


def test_the_search_waits_for_checkpoints_uniform_and_merge_best() -> None:
    bench = Bench(resource())
    status = bench.until(lambda status: bool(status.candidates))
    assert {r.kind for r in status.baselines if r.state is RecordState.SCORED} >= {
        RecordKind.CHECKPOINT,
        RecordKind.UNIFORM,
        RecordKind.MERGE_BEST,
    }


def test_checkpoints_are_scored_without_a_merge() -> None:
    bench = Bench(resource())
    bench.rest()
    merged = {name for ids in bench.made(Stage.MERGE) for name in ids}
    assert not {name for name in merged if name.startswith("checkpoint-")}


def test_the_first_checkpoint_is_scored_twice_and_the_difference_is_the_noise() -> None:
    bench = Bench(resource())
    bench.world.landscape = lambda weights, task, split: 0.52 if split == "again" else 0.5
    status = bench.rest()
    assert status.noise is not None
    assert abs(status.noise - 0.02) < 1e-12


def test_merge_best_holds_the_best_checkpoint_of_each_task() -> None:
    bench = Bench(resource(4))
    best = {"a": 1, "b": 3}
    bench.world.landscape = lambda weights, task, split: 0.9 if weights[best.get(task, 0)] == 1.0 else 0.5
    bench.rest()
    assert bench.record("merge-best").members == (1, 3)


def test_greedy_runs_beside_the_search_and_feeds_nothing() -> None:
    with_greedy = Bench(resource(search={"maxEvaluations": 12, "baselines": ALL}))
    without = Bench(resource(search={"maxEvaluations": 12}))
    first, second = with_greedy.rest(), without.rest()
    assert [(r.x, r.scores) for r in first.candidates] == [(r.x, r.scores) for r in second.candidates]
    soups = [r for r in first.baselines if r.kind is RecordKind.GREEDY]
    assert [len(r.members) for r in soups] == [2, 3]


def test_a_search_without_baselines_begins_at_the_uniform_merge() -> None:
    bench = Bench(resource(search={"baselines": []}))
    status = bench.rest()
    assert status.baselines == ()
    assert status.confirmed is not None
    assert status.confirmed.gains == ()


def greedy(landscape: Landscape, **search: object) -> Bench:
    bench = Bench(resource(4, search={"maxEvaluations": 8, "baselines": ["Checkpoints", "Greedy"], **search}))
    bench.world.landscape = landscape
    bench.rest()
    return bench


def alone_is_best(weights: tuple[float, ...], _task: str, _split: str) -> float:
    return max(weights)


def spread_is_best(weights: tuple[float, ...], _task: str, _split: str) -> float:
    return 0.5 + weights[0] / 100 if max(weights) == 1 else 0.6 + 0.1 * sum(weight > 0 for weight in weights[:3])


def test_a_greedy_recipe_that_never_improves_leaves_no_soup_to_confirm() -> None:
    bench = greedy(alone_is_best)
    assert [len(r.members) for r in bench.status.baselines if r.kind is RecordKind.GREEDY] == [2, 2, 2]
    assert not any(record.kind is RecordKind.GREEDY for record in bench.status.confirmations)


def test_the_greedy_soup_is_the_last_that_did_not_get_worse() -> None:
    bench = greedy(spread_is_best)
    soups = [record for record in bench.status.baselines if record.kind is RecordKind.GREEDY]
    assert [len(soup.members) for soup in soups] == [2, 3, 4]
    assert [r.id for r in bench.status.confirmations if r.kind is RecordKind.GREEDY] == ["greedy-3"]
    worse = greedy(lambda weights, task, split: spread_is_best(weights, task, split) - (weights[3] > 0) / 2)
    assert [r.id for r in worse.status.confirmations if r.kind is RecordKind.GREEDY] == ["greedy-2"]


def test_of_the_greedy_soups_only_the_last_is_confirmed_even_with_all_baselines() -> None:
    bench = greedy(spread_is_best, confirm={"baselines": "All"})
    assert [r.id for r in bench.status.confirmations if r.kind is RecordKind.GREEDY] == ["greedy-3"]


@pytest.mark.parametrize("name", ["noise", "greedy-1"])
def test_what_runs_beside_the_search_may_fail(name: str) -> None:
    bench = Bench(resource(search={"baselines": ALL}), faults=faults((Stage.EVALUATE, name, End(code=65))))
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert bench.record(name).state is RecordState.FAILED


def test_a_soup_of_one_checkpoint_is_that_checkpoint() -> None:
    bench = Bench(resource())
    bench.world.landscape = lambda weights, _task, _split: weights[2]
    bench.rest()
    assert bench.record("merge-best").members == (2,)
    assert not any("merge-best" in ids for ids in bench.made(Stage.MERGE))
    assert bench.record("merge-best").fitness == bench.record("checkpoint-m-2").fitness
