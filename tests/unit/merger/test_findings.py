"""Messages of many problems stay short enough for a report, and weights are judged with a tolerance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.reasons import Reason
from mergesearch_merger import findings, weights
from mergesearch_merger.findings import Finding
from unit.merger import scenes

problems = st.lists(
    st.builds(Finding, message=st.text(min_size=1, max_size=3000), reason=st.just(Reason.CHECKPOINT_MISSING)),
    min_size=1,
    max_size=60,
)


@given(problems)
def test_a_message_always_fits_into_a_failure_and_is_never_empty(found: list[Finding]) -> None:
    assert 0 < len(findings.message(found)) <= findings.MESSAGE_CHARACTERS


@given(problems)
def test_a_message_begins_with_the_first_problem(found: list[Finding]) -> None:
    assert findings.message(found).startswith(found[0].message[:1900])


@pytest.mark.parametrize("length", range(findings.MESSAGE_CHARACTERS - 40, findings.MESSAGE_CHARACTERS + 2))
def test_a_first_problem_that_hardly_fits_is_not_left_out(length: int) -> None:
    long = Finding("x" * length, Reason.CHECKPOINT_MISSING)

    for found in ([long], [long, long]):
        assert findings.message(found).startswith("x" * (findings.MESSAGE_CHARACTERS - 40))
        assert len(findings.message(found)) <= findings.MESSAGE_CHARACTERS


def test_a_name_that_is_not_utf_8_is_shown_with_escapes() -> None:
    assert findings.message([Finding("a/\udcff: gone", Reason.CHECKPOINT_MISSING)]) == "a/\\udcff: gone"


ACCEPTED = {
    "one of everything": (1.0, 0.0, 0.0),
    "thirds": (1 / 3, 1 / 3, 1 / 3),
    "a millionth too much": (0.5, 0.5, 0.9e-6),
    "minus zero": (-0.0, 0.5, 0.5),
}
REFUSED = {
    "two millionths too much": ((0.5, 0.5, 2e-6), "sum to 1.000002"),
    "a little below zero": ((0.5, 0.5 + 1e-9, -1e-9), "'c' is -1e-09, which is negative"),
    "infinity": ((0.5, float("inf"), 0.5), "'b' is inf, not a finite number"),
    "NaN": ((0.5, float("nan"), 0.5), "'b' is nan, not a finite number"),
}


@pytest.mark.parametrize("given_weights", ACCEPTED.values(), ids=ACCEPTED)
def test_weights_may_miss_one_by_rounding(given_weights: tuple[float, ...]) -> None:
    assert list(weights.check(scenes.a_request("abc", given_weights))) == []


@pytest.mark.parametrize(("given_weights", "says"), REFUSED.values(), ids=REFUSED)
def test_weights_that_are_wrong_are_named_with_their_value(given_weights: tuple[float, ...], says: str) -> None:
    request = scenes.a_request("abc", (1.0, 0.0, 0.0))
    candidate = request.candidates[0].model_copy(update={"weights": given_weights})

    (finding,) = weights.check(request.model_copy(update={"candidates": (candidate,)}))

    assert finding.reason == Reason.INVALID_WEIGHTS
    assert "candidate g0-0" in finding.message
    assert says in finding.message


def test_all_problems_of_all_candidates_are_found() -> None:
    request = scenes.a_request("abc", (0.5, 0.0, 0.0), (1.0, 0.0, 0.0), (-1.0, -1.0, 3.0))

    assert len(list(weights.check(request))) == 3
