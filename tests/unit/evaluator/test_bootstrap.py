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
    """The first column against the second, as the only finalist."""
    return among(tasks, 1, how, seed=seed, resamples=resamples)[0]


def among(
    tasks: list[TaskValues], finalists: int, how: Aggregate = "Mean", *, seed: int = 0, resamples: int = 2000
) -> list[bootstrap.Gain]:
    """The first columns, finalists to choose among, against the one that follows them."""
    weights = [1.0] * len(tasks)
    observed = bootstrap.aggregate(np.stack([bootstrap.scores_of(part) for part in tasks], axis=-1), weights, how)
    drawn = bootstrap.resampled_fitness(tasks, weights, how, seed=seed, resamples=resamples)
    differ = [bootstrap.differing(tasks, mine, finalists) for mine in range(finalists)]
    ahead = observed[:finalists] - observed[finalists]
    return bootstrap.gains(ahead, drawn[:, :finalists] - drawn[:, [finalists]], differ)


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
    assert compared([task(values, values)]) == bootstrap.Gain(0.0, 0.0, 0.0, 1.0, 1.0)


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


# --- The choice among several finalists ---


def alike(rng: np.random.Generator, finalists: int, documents: int = 200) -> TaskValues:
    """Finalists and a baseline that are equally good, and share most answers."""
    common = right_or_wrong(rng, documents, 0.5)
    columns = [
        np.where(rng.random(documents) < 0.25, rng.random(documents) < 0.5, common) for _ in range(finalists + 1)
    ]
    return task(*[column.astype(np.float64) for column in columns])


def best_of(found: list[bootstrap.Gain]) -> bootstrap.Gain:
    return max(found, key=lambda gain: gain.gain)


def test_a_single_finalist_needs_no_correction() -> None:
    rng = np.random.default_rng(11)
    (found,) = among([alike(rng, 1)], 1)
    assert found.corrected_p == found.p


def test_the_best_of_several_equals_is_called_better_about_as_often_as_the_level_says() -> None:
    """And without the correction far more often: 16% of the time by theory, for five."""
    corrected = uncorrected = 0
    for seed in range(400):
        found = best_of(among([alike(np.random.default_rng([12, seed]), 5)], 5, seed=seed, resamples=400))
        corrected += found.corrected_p < 0.05
        uncorrected += found.p < 0.05
    assert 8 <= corrected <= 32, "four standard errors around 5% of 400, a little less for rounding to documents"
    assert uncorrected > 45


def test_the_interval_of_the_best_of_several_covers_its_true_gain() -> None:
    covered = alone = 0
    for seed in range(400):
        found = among([alike(np.random.default_rng([13, seed]), 5)], 5, seed=seed, resamples=400)
        best = best_of(found)
        covered += best.low <= 0.0 <= best.high
        # As if the other finalists had never been there.
        documents = [alike(np.random.default_rng([13, seed]), 5)]
        column = found.index(best)
        pair = TaskValues(documents[0].weights, documents[0].values[:, [column, 5]])
        single = among([pair], 1, seed=seed, resamples=400)[0]
        alone += single.low <= 0.0 <= single.high
    assert covered >= 366, "95% of 400, less three standard errors"
    assert alone < covered


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), finalists=st.integers(2, 6))
def test_the_correction_lies_between_none_and_about_bonferroni(seed: int, finalists: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.standard_normal(60) + 0.1 for _ in range(finalists)]
    for found in among([task(*values, np.zeros(60))], finalists, resamples=300):
        assert found.p <= found.corrected_p + 1e-12
        # About: the tails of the other finalists' resamples are not quite the same.
        assert found.corrected_p <= 1.5 * finalists * found.p + 0.02


def test_finalists_that_answer_alike_are_hardly_corrected() -> None:
    rng = np.random.default_rng(14)
    baseline = right_or_wrong(rng, 300, 0.5)
    better = np.where(rng.random(300) < 0.12, 1.0, baseline)
    better = np.where(rng.random(300) < 0.08, 0.0, better)
    found = among([task(better, better, better, baseline)], 3)
    assert found[0].corrected_p == found[0].p == found[2].p


def test_a_finalist_equal_to_the_baseline_leaves_the_others_alone() -> None:
    rng = np.random.default_rng(15)
    baseline, better = right_or_wrong(rng, 200, 0.4), right_or_wrong(rng, 200, 0.6)
    same, ahead = among([task(baseline, better, baseline)], 2)
    assert same == bootstrap.Gain(0.0, 0.0, 0.0, 1.0, 1.0)
    assert ahead.corrected_p == ahead.p < 0.05


@pytest.mark.parametrize(("apart", "finalists", "least"), [(3, 1, 1 / 8), (4, 1, 1 / 16), (5, 3, 3 / 32), (1, 16, 1.0)])
def test_few_documents_that_differ_prove_no_more_than_coins(apart: int, finalists: int, least: float) -> None:
    baseline = np.zeros(500)
    better = np.where(np.arange(500) < apart, 1.0, 0.0)
    found = among([task(*[better] * finalists, baseline)], finalists)[0]
    assert found.p >= 0.5**apart
    assert found.corrected_p >= least


def test_the_documents_of_all_tasks_that_differ_count() -> None:
    parts = [
        task(np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0])),
        task(np.array([1.0, 0.5]), np.array([0.0, 0.0])),
    ]
    assert bootstrap.differing(parts, 0, 1) == 3


@pytest.mark.parametrize("how", HOW)
def test_equal_models_are_rarely_called_better_by_any_aggregate(how: Aggregate) -> None:
    claimed = 0
    for seed in range(200):
        rng = np.random.default_rng([16, seed])
        best = best_of(among([alike(rng, 3, 120), alike(rng, 3, 80)], 3, how, seed=seed, resamples=300))
        claimed += best.low > 0 and best.corrected_p < 0.05
    assert claimed <= 22, "5% of 200, and four standard errors"
