"""How p is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.contract import CompareRequest
from mergesearch.lifecycle import chance
from mergesearch.search import power


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "p = 1.00"),
        (0.314, "p = 0.31"),
        (0.0996, "p = 0.10"),
        (0.05, "p = 0.050"),
        (0.0496, "p = 0.0496"),
        (0.04999, "p = 0.04999"),
        (0.0504, "p = 0.0504"),
        (0.0512, "p = 0.051"),
        (0.0213, "p = 0.021"),
        (0.00996, "p = 0.010"),
        (0.0049, "p = 0.0049"),
        (2 / 10_001, "p = 0.0002"),
        (0.0001, "p = 0.0001"),
        (1 / 10_001, "p < 0.0001"),
        (0.00001, "p < 0.0001"),
    ],
)
def test_p_shows_the_digits_that_count(p: float, text: str) -> None:
    assert chance.equals(p) == text


@given(st.integers(1, 10_001))
def test_a_p_is_shown_on_its_side_of_the_level(counted: int) -> None:
    p = counted / 10_001
    assert (float(chance.value(p).lstrip("<")) < power.LEVEL) is (p < power.LEVEL)


@given(st.floats(0, 1))
def test_a_p_is_never_shown_as_0(p: float) -> None:
    assert float(chance.value(p).lstrip("<")) > 0


def test_what_no_resample_reached_is_below_the_bound_and_what_one_did_is_not() -> None:
    resamples = CompareRequest.model_fields["resamples"].default
    assert 1 / (1 + resamples) < chance.LEAST <= 2 / (1 + resamples)


@pytest.mark.parametrize(
    ("p", "corrected", "text"),
    [(0.2, 0.4, None), (0.01, 0.03, None), (0.05, 0.2, None), (0.03, 0.05, "0.050"), (0.03, 0.08, "0.080")],
)
def test_the_corrected_p_is_told_where_it_alone_keeps_a_gain_from_being_claimed(
    p: float, corrected: float, text: str | None
) -> None:
    assert chance.corrected(p, corrected) == text
