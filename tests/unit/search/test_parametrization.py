"""From the optimiser's vectors to weights on the simplex, and where a search starts."""

import itertools
import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mergesearch.search import parametrization
from mergesearch.search.parametrization import Map

MAPS: tuple[Map, ...] = get_args(Map)
vectors = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=16).map(tuple)
positive = vectors.filter(lambda x: max(x) > 0.0)
boxes = st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=16).filter(any).map(tuple)


@pytest.mark.parametrize("how", MAPS)
@given(x=positive, skip=st.floats(0.0, 0.2))
def test_weights_lie_on_the_simplex(how: Map, x: tuple[float, ...], skip: float) -> None:
    weights = parametrization.weights_of(x, how, skip)
    assert len(weights) == len(x)
    assert min(weights) >= 0.0
    assert math.fsum(weights) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("how", MAPS)
@given(x=boxes)
def test_a_larger_entry_never_has_a_smaller_weight(how: Map, x: tuple[float, ...]) -> None:
    weights = parametrization.weights_of(x, how, 0.001)
    order = sorted(range(len(x)), key=lambda i: x[i])
    assert all(weights[low] <= weights[high] for low, high in itertools.pairwise(order))


@pytest.mark.parametrize("how", MAPS)
@given(x=boxes, index=st.integers(0, 15), more=st.floats(0.0, 1.0))
def test_growing_an_entry_never_lowers_its_weight(how: Map, x: tuple[float, ...], index: int, more: float) -> None:
    index %= len(x)
    grown = tuple(value + more if i == index else value for i, value in enumerate(x))
    before, after = parametrization.weights_of(x, how), parametrization.weights_of(grown, how)
    assert after[index] >= before[index] - 1e-12


@pytest.mark.parametrize("how", MAPS)
@given(x=boxes, skip=st.floats(0.0, 0.5))
def test_weights_below_the_threshold_become_an_exact_zero(how: Map, x: tuple[float, ...], skip: float) -> None:
    plain, thinned = parametrization.weights_of(x, how), parametrization.weights_of(x, how, skip)
    top = max(plain)
    for before, after in zip(plain, thinned, strict=True):
        assert after == 0.0 if before < skip and before < top else after >= before - 1e-12
    kept = [i for i, weight in enumerate(thinned) if weight]
    ratio = [thinned[i] / plain[i] for i in kept]
    assert max(ratio) == pytest.approx(min(ratio))


@given(x=vectors, shift=st.integers(-1000, 1000))
def test_softmax_does_not_see_a_common_shift(x: tuple[float, ...], shift: int) -> None:
    moved = tuple(value + shift for value in x)
    assume(all(after - shift == before for after, before in zip(moved, x, strict=True)))
    assert parametrization.weights_of(moved, "Softmax") == pytest.approx(parametrization.weights_of(x, "Softmax"))


@given(x=vectors)
def test_a_box_sees_nothing_outside_its_bounds(x: tuple[float, ...]) -> None:
    clipped = tuple(min(1.0, max(0.0, value)) for value in x)
    assume(any(clipped))
    assert parametrization.weights_of(x, "Box") == parametrization.weights_of(clipped, "Box")


def test_weights_that_are_weights_already_stay() -> None:
    assert parametrization.weights_of((0.25, 0.75), "Simplex") == (0.25, 0.75)


def test_the_largest_weight_stays_however_high_the_threshold() -> None:
    assert parametrization.weights_of((0.2, 0.5, 0.3), "Simplex", 0.9) == (0.0, 1.0, 0.0)


def test_weights_that_are_all_equal_stay_however_high_the_threshold() -> None:
    assert parametrization.weights_of((1.0, 1.0), "Box", 0.9) == (0.5, 0.5)


REFUSED = {
    "not a number": ((0.5, math.nan), "Softmax", "non-finite"),
    "infinite": ((math.inf, 0.5), "Softmax", "non-finite"),
    "a box vector of zeros": ((0.0, 0.0), "Box", "positive"),
    "a box vector below zero": ((-1.0, -0.5), "Box", "positive"),
    "a simplex vector of zeros": ((0.0, 0.0), "Simplex", "positive"),
}


@pytest.mark.parametrize(("x", "how", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_vector_without_weights_is_refused(x: tuple[float, ...], how: Map, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parametrization.weights_of(x, how)


# --- Where a search starts ---


def test_without_a_history_the_start_is_the_uniform_merge() -> None:
    assert parametrization.softmax_mean([], 3).tolist() == [0.0, 0.0, 0.0]
    assert parametrization.warm_start([], 4).tolist() == [0.25] * 4


HISTORY = [((1.0, 0.0, 0.0), 0.5), ((0.0, 1.0, 0.0), 0.9), ((0.0, 0.0, 1.0), 0.7), ((1 / 3, 1 / 3, 1 / 3), 0.6)]


def test_a_history_pulls_the_start_halfway_to_its_best_points() -> None:
    halfway = [1 / 6, 1 / 2 + 1 / 6, 1 / 6]  # The best 30% of four points is one point.
    assert parametrization.warm_start(HISTORY, 3) == pytest.approx(halfway)
    z = parametrization.softmax_mean(HISTORY, 3)
    assert parametrization.weights_of(tuple(z), "Softmax") == pytest.approx(halfway)
    assert np.sum(z) == pytest.approx(0.0, abs=1e-12)


def test_more_points_count_with_a_larger_share() -> None:
    both = parametrization.warm_start(HISTORY, 3, share=0.5)
    assert both == pytest.approx([1 / 6, 5 / 12, 5 / 12])


def test_of_equally_good_points_the_earlier_counts() -> None:
    tied = [((1.0, 0.0), 0.5), ((0.0, 1.0), 0.5)]
    assert parametrization.warm_start(tied, 2) == pytest.approx([0.75, 0.25])
    assert parametrization.weights_of(tuple(parametrization.softmax_mean(tied, 2)), "Softmax") == pytest.approx(
        [0.75, 0.25]
    )
