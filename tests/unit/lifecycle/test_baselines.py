"""The baselines: which there are, when they run, and that greedy never delays the search."""

from mergesearch.api.status import RecordKind, RecordState, Stage
from unit.lifecycle.world import Bench, resource

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
    assert bench.record("merge-best").members == ("m-1", "m-3")


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
