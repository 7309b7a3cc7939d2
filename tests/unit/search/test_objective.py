"""From the scores of the tasks to one fitness."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.contract import Aggregate
from mergesearch.search import objective

AGGREGATES: tuple[Aggregate, ...] = ("Mean", "WeightedMean", "GeometricMean", "Minimum")
scores_and_weights = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.01, 100.0)), min_size=1, max_size=8).map(
    lambda pairs: tuple(zip(*pairs, strict=True))
)

KNOWN = {
    "the mean ignores weights": ("Mean", (0.5, 0.7), (1.0, 9.0), 0.6),
    "a weighted mean is divided by the sum of the weights": ("WeightedMean", (0.5, 0.7), (1.0, 3.0), 0.65),
    "a geometric mean is a root of the product": ("GeometricMean", (0.25, 1.0), (1.0, 1.0), 0.5),
    "a geometric mean with a zero is zero": ("GeometricMean", (0.0, 0.9), (1.0, 1.0), 0.0),
    "the minimum is the worst task": ("Minimum", (0.9, 0.2, 0.5), (1.0, 1.0, 1.0), 0.2),
}


@pytest.mark.parametrize(("how", "scores", "weights", "fitness"), KNOWN.values(), ids=KNOWN.keys())
def test_known_answers(how: Aggregate, scores: tuple[float, ...], weights: tuple[float, ...], fitness: float) -> None:
    assert objective.aggregate(scores, weights, how) == pytest.approx(fitness, abs=1e-15)


@pytest.mark.parametrize("how", AGGREGATES)
@given(drawn=scores_and_weights)
def test_a_fitness_lies_between_the_worst_and_the_best_task(
    how: Aggregate, drawn: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    scores, weights = drawn
    fitness = objective.aggregate(scores, weights, how)
    assert min(scores) - 1e-12 <= fitness <= max(scores) + 1e-12


@pytest.mark.parametrize("how", AGGREGATES)
@given(drawn=scores_and_weights, index=st.integers(0, 7), more=st.floats(0.0, 1.0))
def test_a_better_score_never_lowers_the_fitness(
    how: Aggregate, drawn: tuple[tuple[float, ...], tuple[float, ...]], index: int, more: float
) -> None:
    scores, weights = drawn
    better = tuple(s + more if i == index % len(scores) else s for i, s in enumerate(scores))
    assert objective.aggregate(better, weights, how) >= objective.aggregate(scores, weights, how) - 1e-12


REFUSED = {
    "no score": ("Mean", (), (), "0 scores for 0 tasks"),
    "a score too few": ("Mean", (0.5,), (1.0, 1.0), "1 scores for 2 tasks"),
    "not a number": ("Minimum", (0.5, math.nan), (1.0, 1.0), "not finite"),
    "infinite": ("Mean", (math.inf,), (1.0,), "not finite"),
    "below zero in a geometric mean": ("GeometricMean", (-0.1, 0.5), (1.0, 1.0), "at least 0"),
}


@pytest.mark.parametrize(("how", "scores", "weights", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_fitness_is_refused(
    how: Aggregate, scores: tuple[float, ...], weights: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        objective.aggregate(scores, weights, how)


def test_a_negative_score_has_a_mean() -> None:
    assert objective.aggregate((-1.0, 0.5), (1.0, 1.0), "Mean") == -0.25
