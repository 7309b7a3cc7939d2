"""What the product claims where the truth is known: rarely a gain where there is none, and gains as often as theory
says. The seeds are fixed, so that these counts are always the same.
"""

import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from confirmation import chain, run, theory, worlds
from confirmation.run import Case
from confirmation.worlds import World

from mergesearch.reasons import Reason

RUNS = 400
MOST_FALSE = 28
"""Of 400 searches at 5%: 20, and what is left of the 95% band above it."""


def measured(cases: tuple[Case, ...], *places: int) -> pytest.MarkDecorator:
    """Some lines of a table; the benchmark prints all."""
    some = [cases[place] for place in places]
    return pytest.mark.parametrize("case", some, ids=[case.name for case in some])


# --- 400 searches a case ---


@pytest.mark.slow
@measured(run.NOTHING, 0, 2, 3)
def test_without_a_true_gain_at_most_28_of_400_searches_claim_one(case: Case) -> None:
    assert run.measure(case, RUNS, seed=0).claims <= MOST_FALSE


@pytest.mark.slow
@measured(run.TWO_ERRORS, 0, 2)
def test_a_gain_of_two_standard_errors_is_found_as_often_as_theory_predicts(case: Case) -> None:
    line = run.measure(case, RUNS, seed=0)
    assert line.within, f"{line.claims} of {RUNS}, theory says {case.share:.3f}"


@pytest.mark.slow
@measured(run.STATED, 0, 2)
def test_the_gain_that_the_preflight_states_is_found_four_times_in_five(case: Case) -> None:
    line = run.measure(case, RUNS, seed=0)
    assert line.within, f"{line.claims} of {RUNS}, theory says {case.share:.3f}"
    low, high = theory.band(0.8, RUNS)
    assert low <= line.claims <= high


# --- The simulation itself ---


@pytest.mark.parametrize(("gain", "outcomes"), [(0.1, {Reason.GAIN}), (-0.1, {Reason.BASELINE_BETTER})])
def test_a_simulated_search_ends_as_its_world_has_it(gain: float, outcomes: set[Reason], tmp_path: Path) -> None:
    world = World(unseen=(600,), gain=gain, behind=0.1 if gain > 0 else 0.0)
    assert {chain.run(world, seed, tmp_path, resamples=200).outcome for seed in range(5)} == outcomes


def test_a_seed_makes_the_same_search_again(tmp_path: Path) -> None:
    world = World(finalists=2)
    assert chain.run(world, 3, tmp_path, resamples=100) == chain.run(world, 3, tmp_path, resamples=100)


def test_a_second_confirmation_compares_the_finalists_of_both(tmp_path: Path) -> None:
    winner = chain.run(World(unseen=(50,)), 1, tmp_path, resamples=100, rounds=2).winner
    assert winner.reused
    assert 3 < (winner.finalists or 0) <= 6


def test_models_differ_as_often_and_are_as_good_as_the_world_says() -> None:
    rng = np.random.default_rng(1)
    common = worlds.hidden(rng, 200_000)
    level, better = worlds.answers(rng, common, 0.0), worlds.answers(rng, common, 0.08)
    assert (level != better).mean() == pytest.approx(worlds.DISCORDANT, abs=0.005)
    assert better.mean() - level.mean() == pytest.approx(0.08, abs=0.005)
    with pytest.raises(ValueError, match=r"a gain of 0\.2 cannot be had"):
        worlds.answers(rng, common, 0.2)


def test_theory_knows_what_tables_have() -> None:
    normal = statistics.NormalDist()
    assert theory.claimed([2.0], 1.96) == pytest.approx(normal.cdf(0.04), abs=1e-4)
    assert theory.critical(1) == pytest.approx(1.960, abs=1e-3)
    # Dunnett (1955), table 1a, infinitely many degrees of freedom.
    assert [round(theory.critical(finalists), 2) for finalists in (3, 5, 8)] == [2.06, 2.23, 2.38]


def test_theory_knows_that_scores_come_in_steps() -> None:
    """One of 200 documents is 0.158 standard errors where a fifth of them differs; half of that is the correction."""
    assert theory.half_step(200, 0.2, 0.0) == pytest.approx(0.0791, abs=1e-4)
    assert run.ONE.unseen == (200,)
    expected = statistics.NormalDist().cdf(-1.95996 - 0.0791)
    assert run.NOTHING[1].share == pytest.approx(expected, abs=1e-4)


def test_theory_counts_every_baseline_that_has_to_be_beaten() -> None:
    shares = [theory.claimed([2.0] * 3, 2.06, baselines) for baselines in (1, 2, 3)]
    assert shares == sorted(shares, reverse=True)
    rng = np.random.default_rng(2)
    finalists, baselines = rng.standard_normal((400_000, 3)), rng.standard_normal((400_000, 3))
    ahead = 2.0 + (finalists.max(axis=1, keepdims=True) - baselines) / 2**0.5
    assert (ahead > 2.06).all(axis=1).mean() == pytest.approx(shares[2], abs=0.003)


def test_a_line_outside_the_band_is_said_to_be() -> None:
    case = replace(run.ONE, finalists=1)
    line = run.Line(Case("one", case, (0.0,)), runs=400, claims=40, covered=380)
    assert not line.within
    assert run.Line(line.case, runs=400, claims=10, covered=380).within
