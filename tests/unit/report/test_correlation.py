"""Spearman's ρ with its p, against the paper's table, scipy and counting by hand."""

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mergesearch.report import correlation

TABLE = Path(__file__).parents[2] / "data" / "paper_table2.csv"
PAPER = {
    ("mbpp", "ifeval"): -0.354,
    ("mbpp", "musr"): -0.402,
    ("mmlu_pro", "ifeval"): -0.025,
}


def column(task: str) -> list[float]:
    with TABLE.open() as file:
        return [float(row[task]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("pair", PAPER, ids="-".join)
def test_the_papers_checkpoints_have_the_papers_correlations(pair: tuple[str, str]) -> None:
    rho, p = correlation.spearman(*map(column, pair))
    assert rho is not None
    assert p is not None
    assert round(rho, 3) == PAPER[pair]
    assert p > correlation.LEVEL, "sixteen checkpoints cannot show so weak a correlation"


def test_sixteen_checkpoints_need_a_correlation_of_497() -> None:
    found = correlation.correlations([[float(i), float(-i)] for i in range(16)])
    assert found.least is not None
    assert round(found.least, 3) == 0.497
    assert not found.exact
    assert found.of(1, 0).rho == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("checkpoints", "least"),
    [(3, None), (4, None), (5, 1.0), (6, 0.886), (7, 0.786), (8, 0.738)],
    ids=str,
)
def test_few_checkpoints_need_what_the_exact_tables_say(checkpoints: int, least: float | None) -> None:
    """Zar, "Biostatistical Analysis", table B.20, two-sided 5%."""
    found = correlation.correlations([[float(i), float(i)] for i in range(checkpoints)])
    assert found.exact
    assert found.least == (None if least is None else pytest.approx(least, abs=5e-4))


@pytest.mark.parametrize("checkpoints", range(3, 9))
def test_p_of_a_perfect_order_counts_it_and_its_reverse_among_all_orders(checkpoints: int) -> None:
    scores = [float(i) for i in range(checkpoints)]
    rho, p = correlation.spearman(scores, scores)
    assert rho == pytest.approx(1.0)
    assert p == pytest.approx(2 / math.factorial(checkpoints))


scores = st.integers(0, 6).map(float)


@given(st.lists(st.tuples(scores, scores), min_size=3, max_size=12))
def test_rho_is_scipys_ties_or_not_and_none_where_a_task_tells_nothing_apart(pairs: list[tuple[float, float]]) -> None:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    rho, p = correlation.spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert (rho, p) == (None, None)
        return
    assert rho == pytest.approx(float(stats.spearmanr(first, second).statistic), abs=1e-9)
    assert p is not None
    assert 0.0 <= p <= 1.0


@given(st.lists(st.tuples(scores, scores), min_size=3, max_size=8))
def test_only_the_order_of_the_scores_matters_and_tasks_can_be_swapped(pairs: list[tuple[float, float]]) -> None:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    known = correlation.spearman(first, second)
    assert correlation.spearman([math.exp(value) for value in first], second) == pytest.approx(known)
    assert correlation.spearman(second, first) == pytest.approx(known)
