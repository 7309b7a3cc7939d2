"""The search strategy that a spec and the scored baselines give."""

from typing import Any

import pytest

from mergesearch.api.status import MergeSearchStatus, Record, RecordKind, RecordState, encode_vector
from mergesearch.lifecycle import strategy
from mergesearch.search import parametrization
from unit.lifecycle.world import Bench, resource

ALGORITHMS: dict[str, tuple[dict[str, Any], str, float]] = {
    "default": ({"cmaes": {}}, "Softmax", 0.7),
    "box": ({"cmaes": {"parametrization": "Box"}}, "Box", 1.0),
    "a step size of one's own": ({"cmaes": {"sigma": "0.25"}}, "Softmax", 0.25),
    "the paper": ({"preset": "Paper"}, "Paper", 1.0),
    "random": ({"random": {}}, "Random", 1.0),
}


@pytest.mark.parametrize(("algorithm", "name", "sigma"), ALGORITHMS.values(), ids=ALGORITHMS.keys())
def test_an_algorithm_has_its_name_and_step_size(algorithm: dict[str, Any], name: str, sigma: float) -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, "algorithm": algorithm, "seed": 5}))
    status = bench.until(lambda status: bool(status.candidates))
    assert status.algorithm is not None
    assert (status.algorithm.name, status.algorithm.seed, status.algorithm.dimension) == (name, 5, 3)
    assert sorted(status.algorithm.versions) == ["cmaes", "numpy"]
    plan = strategy.build(bench.resource.spec, status, status.algorithm)
    assert (plan.name, plan.sigma, plan.seed) == (name, sigma, 5)


POPULATIONS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "default of three": ({}, {}, 7),
    "filled up to the slots": ({"parallelism": 4}, {}, 8),
    "filled up to the slots of batches": ({"parallelism": 2}, {"batch": 5}, 10),
    "no more than there are evaluations": ({"parallelism": 20, "maxEvaluations": 15}, {}, 15),
    "at least two": ({"maxEvaluations": 1}, {}, 2),
    "chosen": ({"parallelism": 4, "algorithm": {"cmaes": {"populationSize": 5}}}, {}, 5),
    "chosen at random": ({"parallelism": 4, "algorithm": {"random": {"populationSize": 9}}}, {}, 9),
    "random": ({"algorithm": {"random": {}}}, {}, 7),
    "the paper's is not filled up": ({"parallelism": 4, "algorithm": {"preset": "Paper"}}, {}, 7),
}


@pytest.mark.parametrize(("search", "evaluator", "size"), POPULATIONS.values(), ids=POPULATIONS.keys())
def test_the_population_fills_the_evaluators_unless_somebody_chose_it(
    search: dict[str, Any], evaluator: dict[str, Any], size: int
) -> None:
    plain: dict[str, Any] = {"maxEvaluations": 50, "algorithm": {"cmaes": {}}}
    assert strategy.begin(resource(search=plain | search, evaluator=evaluator).spec).population_size == size


def start(bench: Bench) -> tuple[float, ...]:
    """The mean that the search starts from."""
    status = bench.until(lambda status: bool(status.candidates))
    assert status.algorithm is not None
    return strategy.build(bench.resource.spec, status, status.algorithm).mean


@pytest.mark.parametrize("algorithm", [{"cmaes": {}}, {"cmaes": {"parametrization": "Box"}}], ids=["softmax", "box"])
def test_a_warm_start_is_at_the_best_of_the_history(algorithm: dict[str, Any]) -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, "algorithm": algorithm}))
    bench.world.landscape = lambda weights, _task, _split: weights[1]
    mean = start(bench)
    how: parametrization.Map = "Box" if "parametrization" in algorithm["cmaes"] else "Softmax"
    # Of five points the best two count: checkpoint 1 alone, and merge-best, which is the same.
    assert parametrization.weights_of(mean, how) == pytest.approx((1 / 6, 2 / 3, 1 / 6))


COLD: dict[str, dict[str, Any]] = {
    "not wanted": {"algorithm": {"cmaes": {"warmStart": False}}},
    "nothing to start from": {"algorithm": {"cmaes": {}}, "baselines": []},
}


@pytest.mark.parametrize("search", COLD.values(), ids=COLD.keys())
def test_a_cold_start_is_at_the_uniform_merge(search: dict[str, Any]) -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, **search}))
    assert start(bench) == (0.0, 0.0, 0.0)


def test_the_paper_starts_cold() -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, "algorithm": {"preset": "Paper"}}))
    assert start(bench) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_known_points_move_the_start_and_are_never_results() -> None:
    point = {"weights": {"m-2": "1"}, "scores": {"a": "0.99", "b": "0.97"}}
    bench = Bench(resource(search={"maxEvaluations": 12, "baselines": [], "initial": [point]}))
    mean = start(bench)
    assert parametrization.weights_of(mean, "Softmax") == pytest.approx((1 / 6, 1 / 6, 2 / 3))
    status = bench.rest()
    assert status.best is not None
    assert status.best.fitness < 0.98


def test_greedy_soups_and_the_noise_move_nothing() -> None:
    both = [["Checkpoints", "Uniform"], ["Checkpoints", "Uniform", "Greedy"]]
    means = [start(Bench(resource(search={"maxEvaluations": 12, "baselines": names}))) for names in both]
    assert means[0] == means[1]


# --- Weights and generations ---


def member(
    number: int, generation: int, state: RecordState = RecordState.SCORED, fitness: float | None = 0.5
) -> Record:
    return Record(
        id=f"c{number:04d}",
        kind=RecordKind.SEARCH,
        generation=generation,
        x=encode_vector((0.25, 0.5, 0.25)),
        state=state,
        fitness=fitness if state is RecordState.SCORED else None,
    )


def test_baselines_are_merged_with_equal_weights() -> None:
    spec = resource().spec
    soup = Record(id="uniform", kind=RecordKind.UNIFORM, members=(0, 2))
    assert strategy.weights(spec, soup) == (0.5, 0.0, 0.5)


def test_a_candidates_weights_follow_from_its_vector() -> None:
    box = resource(search={"algorithm": {"preset": "Paper"}}, merge={"skipBelow": "0.3"}).spec
    assert strategy.weights(box, member(1, 0)) == (0.0, 1.0, 0.0)
    random = resource(search={"algorithm": {"random": {}}}).spec
    assert strategy.weights(random, member(1, 0)) == (0.25, 0.5, 0.25)


FAILED, WAITING = RecordState.FAILED, RecordState.WAITING
TOLD: dict[str, tuple[list[Record], list[list[float | None]]]] = {
    "nothing": ([], []),
    "a whole generation": ([member(1, 0), member(2, 0)], [[0.5, 0.5]]),
    "a failed member": ([member(1, 0), member(2, 0, FAILED)], [[0.5, None]]),
    "not one that is at work": ([member(1, 0), member(2, 0, WAITING)], []),
    "not one that was cut": ([member(1, 0), member(2, 0), member(3, 1)], [[0.5, 0.5]]),
    "nothing after one that is open": (
        [member(1, 0), member(2, 0, WAITING), member(3, 1), member(4, 1)],
        [],
    ),
}


@pytest.mark.parametrize(("candidates", "told"), TOLD.values(), ids=TOLD.keys())
def test_the_optimiser_learns_from_whole_generations_in_their_order(
    candidates: list[Record], told: list[list[float | None]]
) -> None:
    status = MergeSearchStatus(candidates=tuple(candidates))
    assert [[one.fitness for one in generation] for generation in strategy.told(status, 2)] == told
