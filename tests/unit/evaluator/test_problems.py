"""How problems are told: all of them, within what a message may hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.contract import Failure
from mergesearch.errors import InvalidRequestError, MergeSearchError, TryAgainError
from mergesearch.reasons import Reason
from mergesearch_evaluator import problems
from mergesearch_evaluator.problems import Problem

ONE = Problem(Reason.TASK_UNKNOWN, "no such task")
OTHER = Problem(Reason.METRIC_MISSING, "no such metric")


def test_nothing_is_refused_without_a_problem() -> None:
    problems.refuse([])


def test_one_problem_is_told_as_it_is() -> None:
    with pytest.raises(InvalidRequestError, match=r"^no such task$") as caught:
        problems.refuse([ONE])
    assert caught.value.reason is Reason.TASK_UNKNOWN


def test_several_are_told_as_a_list_under_the_first_ones_reason() -> None:
    found = problems.failure([OTHER, ONE])
    assert found == Failure(reason=Reason.METRIC_MISSING, message="2 problems:\n- no such metric\n- no such task")


@pytest.mark.parametrize(
    ("found", "error"),
    [
        pytest.param([replace(ONE, transient=True), replace(OTHER, transient=True)], TryAgainError, id="all-may-pass"),
        pytest.param([replace(ONE, transient=True), OTHER], InvalidRequestError, id="one-stays"),
    ],
)
def test_trying_again_helps_only_where_every_problem_may_pass(
    found: list[Problem], error: type[MergeSearchError]
) -> None:
    with pytest.raises(error):
        problems.refuse(found)
    assert problems.failure(found).transient is (error is TryAgainError)


@given(st.lists(st.text(max_size=2500), min_size=1, max_size=60))
def test_whatever_is_wrong_fits_into_a_failure_and_what_does_not_is_counted(messages: list[str]) -> None:
    found = problems.failure([Problem(Reason.TASK_UNKNOWN, message) for message in messages]).message
    assert len(found) <= problems.MESSAGE_CHARACTERS
    if len(messages) > 1:
        assert found.startswith(f"{len(messages)} problems:")


def test_problems_that_do_not_fit_are_counted() -> None:
    message = problems.listed([Problem(Reason.TASK_UNKNOWN, f"{n}: {'x' * 300}") for n in range(20)])
    lines = message.splitlines()
    told = len(lines) - 2
    assert told >= 5
    assert lines[-1] == f"- and {20 - told} more"


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        pytest.param("gsm8kk", " (nearest: gsm8k, gsm8k_cot)", id="typo"),
        pytest.param("zzz", "", id="nothing-near"),
    ],
)
def test_the_nearest_names_are_offered(name: str, clause: str) -> None:
    assert problems.nearest(name, ["gsm8k", "mbpp", "gsm8k_cot"]) == clause


def test_long_enumerations_are_cut_and_counted() -> None:
    assert problems.enumerated([]) == "none"
    assert problems.enumerated("abc", limit=3) == "a, b, c"
    assert problems.enumerated("abcde", limit=3) == "a, b, c and 2 more"
