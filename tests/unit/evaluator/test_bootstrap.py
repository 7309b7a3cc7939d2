"""The paired bootstrap: against closed forms, against itself under no difference, and at its limits."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.contract import Aggregate
from mergesearch.search import objective
from mergesearch_evaluator import bootstrap
from mergesearch_evaluator.bootstrap import Floats, TaskValues

HOW: tuple[Aggregate, ...] = ("Mean", "WeightedMean", "GeometricMean", "Minimum")


def task(*columns: Floats) -> TaskValues:
    values = np.stack(columns, axis=1)
    return TaskValues(weights=np.full(len(values), 1 / len(values)), values=values)


def compared(
    tasks: list[TaskValues], how: Aggregate = "Mean", *, seed: int = 0, resamples: int = 2000
) -> bootstrap.Gain:
    """The first column against the second."""
    weights = [1.0] * len(tasks)
    observed = bootstrap.aggregate(np.stack([bootstrap.scores_of(part) for part in tasks], axis=-1), weights, how)
    drawn = bootstrap.resampled_fitness(tasks, weights, how, seed=seed, resamples=resamples)
    return bootstrap.gain_of(float(observed[0] - observed[1]), drawn[:, 0] - drawn[:, 1])


def right_or_wrong(rng: np.random.Generator, n: int, share: float) -> Floats:
    return (rng.random(n) < share).astype(np.float64)


# --- The aggregate ---


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    how=st.sampled_from(HOW),
    data=st.data(),
)
def test_the_aggregate_is_the_one_that_the_search_optimises(
    scores: list[float], how: Aggregate, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.floats(0.01, 10), min_size=len(scores), max_size=len(scores)))
    found = float(bootstrap.aggregate(np.array(scores), weights, how))
    assert found == pytest.approx(objective.aggregate(scores, weights, how), rel=1e-9, abs=1e-12)


def test_a_geometric_mean_of_a_negative_score_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 0, found -0\.5"):
        bootstrap.aggregate(np.array([0.5, -0.5]), [1, 1], "GeometricMean")


# --- Resampling ---


def test_the_spread_of_resampled_means_is_the_standard_error() -> None:
    values = np.random.default_rng(1).standard_normal(400)
    drawn = bootstrap.resampled_fitness([task(values)], [1.0], "Mean", seed=2, resamples=20_000)
    assert drawn.shape == (20_000, 1)
    assert drawn.mean() == pytest.approx(values.mean(), abs=0.002)
    assert drawn.std() == pytest.approx(values.std() / np.sqrt(400), rel=0.03)


def test_weights_make_a_self_normalised_mean() -> None:
    values, weights = np.array([[0.0], [1.0]]), np.array([0.25, 0.75])
    part = TaskValues(weights=weights, values=values)
    assert bootstrap.scores_of(part) == pytest.approx([0.75])
    drawn = bootstrap.resampled_fitness([part], [1.0], "Mean", seed=0, resamples=8000)
    found, counts = np.unique(drawn.round(12), return_counts=True)
    assert found == pytest.approx([0, 0.75, 1])
    assert counts / 8000 == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_chunks_of_the_resamples_do_not_change_the_result() -> None:
    rng = np.random.default_rng(3)
    part = task(right_or_wrong(rng, 50, 0.5), right_or_wrong(rng, 50, 0.6))
    whole = bootstrap.resampled(part, np.random.default_rng(9), 700)
    pieces = bootstrap.resampled(part, np.random.default_rng(9), 700, chunk_draws=50 * 7)
    np.testing.assert_allclose(pieces, whole, rtol=1e-13)


def test_memory_stays_bounded_whatever_the_number_of_documents_and_resamples() -> None:
    part = task(np.zeros(300_000), np.ones(300_000))
    tracemalloc.start()
    try:
        drawn = bootstrap.resampled_fitness([part], [1.0], "Mean", seed=0, resamples=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(drawn, [[0.0, 1.0]] * 100)
    assert peak < 100e6, "all draws at once would take 240 MB, and their counts as much again"


def test_a_seed_fixes_the_result_and_another_changes_it() -> None:
    rng = np.random.default_rng(4)
    tasks = [task(right_or_wrong(rng, 60, 0.5), right_or_wrong(rng, 60, 0.6))]
    assert compared(tasks, seed=1) == compared(tasks, seed=1)
    assert compared(tasks, seed=1) != compared(tasks, seed=2)


def test_candidates_are_compared_on_the_same_resamples() -> None:
    """Two columns that differ by a constant have the same gain on every resample, however noisy they are."""
    noise = np.random.default_rng(5).standard_normal(80)
    found = compared([task(noise + 0.25, noise)])
    assert (found.gain, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    assert found.p == pytest.approx(1 / 2001)


# --- Interval and p ---


def test_no_difference_at_all_is_no_evidence() -> None:
    values = right_or_wrong(np.random.default_rng(6), 100, 0.5)
    assert compared([task(values, values)]) == bootstrap.Gain(0.0, 0.0, 0.0, 1.0)


def test_p_is_never_zero_and_small_for_a_large_gain() -> None:
    found = compared([task(np.ones(50), np.concatenate([np.zeros(45), np.ones(5)]))], resamples=999)
    assert found.p == 1 / 1000
    assert 0 < found.low < found.gain < found.high


def test_a_loss_has_a_large_p() -> None:
    rng = np.random.default_rng(7)
    better, worse = right_or_wrong(rng, 200, 0.7), right_or_wrong(rng, 200, 0.4)
    assert compared([task(better, worse)]).p < 0.01
    assert compared([task(worse, better)]).p > 0.99


def test_without_a_difference_p_is_about_uniform() -> None:
    """200 pairs of equally good candidates on two tasks; the share below a level lies within four standard errors."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng([8, seed])
        tasks = [task(right_or_wrong(rng, n, 0.6), right_or_wrong(rng, n, 0.6)) for n in (150, 90)]
        found.append(compared(tasks, seed=seed, resamples=500).p)
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        share = float(np.mean(np.array(found) <= level))
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / 200) + 0.01, (level, share)


@pytest.mark.parametrize("how", HOW)
def test_the_interval_covers_a_known_gain_about_as_often_as_it_says(how: Aggregate) -> None:
    rates = ((0.75, 0.6), (0.55, 0.5))  # of candidate and baseline, task by task
    truth = [float(bootstrap.aggregate(np.array(column), [1, 1], how)) for column in zip(*rates, strict=True)]
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng([9, seed])
        tasks = [task(right_or_wrong(rng, 200, first), right_or_wrong(rng, 200, second)) for first, second in rates]
        found = compared(tasks, how, seed=seed, resamples=400)
        covered += found.low <= truth[0] - truth[1] <= found.high
    assert 0.89 <= covered / 200 <= 0.995


@settings(max_examples=50)
@given(data=st.data(), how=st.sampled_from(HOW))
def test_the_gain_of_a_over_b_mirrors_that_of_b_over_a(data: st.DataObject, how: Aggregate) -> None:
    columns = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=12, max_size=12).map(np.array)
    first, second = data.draw(columns), data.draw(columns)
    there, back = (
        compared([task(first, second)], how, resamples=200),
        compared([task(second, first)], how, resamples=200),
    )
    assert there.gain == -back.gain
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)


def test_every_task_draws_from_a_stream_of_its_own() -> None:
    rng = np.random.default_rng(10)
    part = task(right_or_wrong(rng, 40, 0.5))
    drawn = [
        bootstrap.resampled_fitness(tasks, [1.0] * len(tasks), "Minimum", seed=3, resamples=500)
        for tasks in ([part], [part, part])
    ]
    assert any(first != second for first, second in zip(*map(np.ndarray.tolist, drawn), strict=True))
    pairs = itertools.pairwise(drawn)
    assert all((first >= second).all() for first, second in pairs)
