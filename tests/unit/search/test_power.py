"""The smallest gain that the unseen samples can prove."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.search import power

NORMAL = statistics.NormalDist()


@given(samples=st.lists(st.integers(1, 10_000), min_size=1, max_size=8), data=st.data())
def test_a_gain_of_that_size_is_found_four_times_in_five(samples: list[int], data: st.DataObject) -> None:
    """A test at the one-sided 5% level rejects a normal estimate of this mean and variance with probability 0.8."""
    weights = data.draw(st.lists(st.floats(0.1, 10), min_size=len(samples), max_size=len(samples)))
    shares = [weight / sum(weights) for weight in weights]
    deviation = math.sqrt(sum(share**2 * 0.2 / n for share, n in zip(shares, samples, strict=True)))
    gain = power.smallest_gain(samples, weights)
    critical = NORMAL.inv_cdf(0.95) * deviation
    assert 1 - statistics.NormalDist(gain, deviation).cdf(critical) == pytest.approx(0.8, abs=1e-6)


def test_a_known_answer() -> None:
    # 100 samples, a fifth of them discordant: (1.645 + 0.842) * sqrt(0.2 / 100).
    assert power.smallest_gain([100], [1.0]) == pytest.approx(0.1112, abs=1e-4)


def test_four_times_the_samples_prove_half_the_gain() -> None:
    assert power.smallest_gain([400, 800], [1.0, 2.0]) == pytest.approx(power.smallest_gain([100, 200], [1.0, 2.0]) / 2)


def test_only_the_ratio_of_the_weights_counts() -> None:
    assert power.smallest_gain([100, 300], [1.0, 2.0]) == pytest.approx(power.smallest_gain([100, 300], [10.0, 20.0]))
