"""The smallest gain that the unseen samples can prove."""

import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.search import power

NORMAL = statistics.NormalDist()


@given(samples=st.lists(st.integers(1, 10_000), min_size=1, max_size=8), finalists=st.integers(1, 16), data=st.data())
def test_a_gain_of_that_size_is_found_four_times_in_five(
    samples: list[int], finalists: int, data: st.DataObject
) -> None:
    """A normal estimate with the variance of such a paired mean is claimed with probability 0.8, by a test at 5% for
    all finalists together and an interval of 95%.
    """
    weights = data.draw(st.lists(st.floats(0.1, 10), min_size=len(samples), max_size=len(samples)))
    gain = power.smallest_gain(samples, weights, "WeightedMean", finalists)
    shares = [weight / sum(weights) for weight in weights]
    differing = max(0.2, gain)
    deviation = math.sqrt(sum(share**2 * (differing - gain**2) / n for share, n in zip(shares, samples, strict=True)))
    critical = max(NORMAL.inv_cdf(0.975), NORMAL.inv_cdf(1 - 0.05 / finalists)) * deviation
    assert 0 < gain < 1
    assert 1 - statistics.NormalDist(gain, deviation).cdf(critical) == pytest.approx(0.8, abs=1e-6)


def test_known_answers() -> None:
    # 100 samples, a fifth of them discordant: 0.0447 sqrt(1 - 5 g²) is a standard error; 1.960 + 0.842 of them.
    assert power.smallest_gain([100], [1.0], "Mean", 1) == pytest.approx(0.1206, abs=1e-4)
    # The best of three has to be 2.128 of them above 0.
    assert power.smallest_gain([100], [1.0], "Mean", 3) == pytest.approx(0.1273, abs=1e-4)


def test_more_finalists_to_choose_among_take_a_larger_gain() -> None:
    found = [power.smallest_gain([200], [1.0], "Mean", finalists) for finalists in (1, 2, 3, 5, 16)]
    assert found == sorted(found)
    assert found[0] == found[1] < found[2], "two at 2.5% each are what the interval asks for as well"


def test_only_the_ratio_of_the_weights_counts() -> None:
    first, second = ([1.0, 2.0], [10.0, 20.0])
    assert power.smallest_gain([100, 300], first, "WeightedMean", 3) == pytest.approx(
        power.smallest_gain([100, 300], second, "WeightedMean", 3)
    )


def test_only_a_weighted_mean_reads_the_weights() -> None:
    plain = power.smallest_gain([100, 300], [1.0, 1.0], "WeightedMean", 3)
    assert power.smallest_gain([100, 300], [1.0, 9.0], "Mean", 3) == plain
    assert power.smallest_gain([100, 300], [1.0, 9.0], "GeometricMean", 3) == plain


def test_of_a_minimum_the_task_with_the_fewest_samples_decides() -> None:
    found = power.smallest_gain([100, 300, 900], [1.0, 1.0, 1.0], "Minimum", 3)
    assert found == power.smallest_gain([100], [1.0], "Mean", 3)


def test_few_samples_need_a_gain_on_everything_that_differs() -> None:
    """A fifth of ten samples is two; no gain on two samples is a proof."""
    assert 0.2 < power.smallest_gain([10], [1.0], "Mean", 3) < 0.5


def test_the_page_about_statistics_has_the_numbers_of_today() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
    for samples in (50, 100, 200, 500, 1000):
        gains = (power.smallest_gain([samples], [1.0], "Mean", finalists) for finalists in (1, 3, 8))
        assert f"| {samples:,} | {' | '.join(f'{100 * gain:.1f} points' for gain in gains)} |" in page
