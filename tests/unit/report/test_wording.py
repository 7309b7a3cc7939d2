"""How numbers are read."""

from datetime import UTC, datetime

import pytest

from mergesearch.lifecycle import phrases
from mergesearch.report import wording
from mergesearch.report.shapes import Versus


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(0.8412, "84.1", id="a fraction"),
        pytest.param(1.0, "100.0", id="all right"),
        pytest.param(-0.0001, "0.0", id="no minus zero"),
        pytest.param(None, "–", id="nothing"),
    ],
)
def test_a_fraction_is_read_in_points(value: float | None, text: str) -> None:
    assert wording.score(value, wording.POINTS) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.052, "+5.2"), (-0.052, "-5.2"), (0.0004, "0.0"), (-0.0004, "0.0"), (0.0, "0.0"), (None, "–")],
)
def test_a_difference_has_its_sign_unless_it_rounds_to_nothing(value: float | None, text: str) -> None:
    assert wording.signed(value, wording.POINTS) == text


def test_an_interval_shows_both_signs() -> None:
    versus = Versus(gain=0.05, low=-0.012, high=0.074, p=0.1, corrected_p=0.3, significant=False, decides=False)
    assert wording.interval(versus, wording.POINTS) == "-1.2..+7.4"


@pytest.mark.parametrize(
    ("scores", "unit"),
    [
        pytest.param([], "points", id="nothing known yet"),
        pytest.param([0.0, 0.31, 1.0], "points", id="fractions"),
        pytest.param([0.31, 7.4], "", id="a judge's marks"),
        pytest.param([-0.2], "", id="a correlation"),
    ],
)
def test_only_fractions_are_points(scores: list[float], unit: str) -> None:
    assert wording.scale_of(scores).unit == unit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (59.9, "59.9 s"),
        (59.96, "1 min 0 s"),
        (723, "12 min 3 s"),
        (3599.6, "1 h 0 min"),
        (20400, "5 h 40 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_a_moment_is_told_in_utc() -> None:
    assert wording.moment(datetime(2026, 1, 31, 17, 5, 9, tzinfo=UTC)) == "2026-01-31 17:05 UTC"
    assert wording.moment(None) == "–"


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_listed_as_in_a_sentence(words: list[str], text: str) -> None:
    assert phrases.listed(words) == text


def test_a_weight_that_is_exactly_0_is_told_from_a_small_one() -> None:
    assert wording.weight(0.0) == "0"
    assert wording.weight(0.00001) == "0.0000"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(wording.flops(1.8449e18), "1.84e18", id="FLOPs"),
        pytest.param(wording.flops(0.0), "0.00e0", id="none"),
        pytest.param(wording.small_share(1.5), "150%", id="more than the training"),
        pytest.param(wording.small_share(0.1), "10%", id="a tenth"),
        pytest.param(wording.small_share(0.000234), "0.023%", id="little"),
        pytest.param(wording.small_share(1.9e-7), "less than 0.001%", id="next to nothing"),
        pytest.param(wording.short_weight(0.354), ".35", id="a weight"),
        pytest.param(wording.short_weight(1.0), "1.00", id="all weight"),
        pytest.param(wording.short_weight(0.004), "<.01", id="a small weight is not 0"),
        pytest.param(wording.short_weight(0.0), "0", id="no weight"),
        pytest.param(wording.decimal(-0.0001), "0.000", id="no minus zero"),
        pytest.param(wording.decimal(None), "–", id="no number"),
        pytest.param(wording.slope(0.5, wording.POINTS, wording.PLAIN), "0.01", id="a slope in what the axes show"),
        pytest.param(wording.correlation(-0.354, 0.179), "ρ = -0.354, p = 0.18", id="a correlation"),
        pytest.param(wording.correlation(None, None), "no ρ: few checkpoints are scored, or all alike", id="none"),
    ],
)
def test_what_findings_show_is_read_in_few_digits(found: str, text: str) -> None:
    assert found == text
