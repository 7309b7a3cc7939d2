"""The dominated volume: exact, whatever the order, and never less than before."""

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.search import hypervolume


def volume(points: list[tuple[float, ...]]) -> float:
    """By inclusion and exclusion over all subsets."""
    return math.fsum(
        (-1.0) ** (size + 1) * math.prod(map(min, zip(*some, strict=True)))
        for size in range(1, len(points) + 1)
        for some in itertools.combinations(points, size)
    )


@st.composite
def sets_of_points(draw: st.DrawFn) -> list[tuple[float, ...]]:
    """Few points on a coarse grid, so that ties and equal points come often."""
    tasks = draw(st.integers(1, 5))
    numbers = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    return draw(st.lists(st.tuples(*[numbers] * tasks), min_size=1, max_size=7))


@given(sets_of_points())
def test_each_value_of_the_curve_is_the_volume_of_the_points_so_far(points: list[tuple[float, ...]]) -> None:
    found = hypervolume.curve(points)
    assert found.error is None
    expected = [volume(points[:number]) for number in range(1, len(points) + 1)]
    assert found.volumes == pytest.approx(expected, abs=1e-12)


@given(sets_of_points(), st.randoms(use_true_random=False))
def test_the_volume_does_not_depend_on_the_order(points: list[tuple[float, ...]], random: Random) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)
    last = hypervolume.curve(points).volumes[-1]
    assert hypervolume.curve(shuffled).volumes[-1] == pytest.approx(last, abs=1e-12)


@given(sets_of_points())
def test_a_point_that_is_beaten_adds_nothing_and_no_point_takes_away(points: list[tuple[float, ...]]) -> None:
    worse = tuple(value / 2 for value in points[0])
    volumes = hypervolume.curve([*points, worse]).volumes
    assert volumes[-1] == volumes[-2]
    assert all(later >= earlier for earlier, later in itertools.pairwise(volumes))


def test_what_lies_below_the_reference_on_a_task_adds_nothing() -> None:
    assert hypervolume.curve([(0.5, -0.1, 2.0), (0.5, 0.5, 0.5)]).volumes == (0.0, 0.125)


def test_no_points_have_no_volume() -> None:
    assert hypervolume.curve([]) == hypervolume.Curve((), None)


def test_what_would_take_too_long_is_estimated_within_the_error_that_is_said() -> None:
    points = np.random.default_rng(3).random((60, 5)).tolist()
    exact, sampled = hypervolume.curve(points), hypervolume.curve(points, max_steps=10)
    assert exact.error is None
    assert sampled.error is not None
    assert 0.0 < sampled.error < 0.002
    assert sampled.volumes == pytest.approx(exact.volumes, abs=5 * sampled.error)
    assert all(later >= earlier for earlier, later in itertools.pairwise(sampled.volumes))


def test_the_largest_search_on_all_its_tasks_has_a_volume() -> None:
    """500 candidates on 8 tasks, hardly one of which is beaten: no exact volume of these ends in our time."""
    points = np.random.default_rng(4).random((564, 8)).tolist()
    found = hypervolume.curve(points)
    assert found.error is not None
    assert 0.0 < found.volumes[-1] < 1.0
