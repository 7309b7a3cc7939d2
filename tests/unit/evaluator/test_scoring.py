"""From lm-eval's entries to scores: weights, errors, and what is refused."""

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.contract import SampleSelection, Task
from mergesearch.errors import InvalidCandidateError, InvalidRequestError
from mergesearch_evaluator import scoring
from mergesearch_evaluator.facts import Weighting
from mergesearch_evaluator.scoring import RawSample


def task(**sizes: int) -> Task:
    samples = tuple(SampleSelection(leaf=leaf, total=size, stop=size) for leaf, size in sizes.items())
    return Task(name="task", metric="acc", filter="strict", samples=samples)


def raw(leaf: str, index: int, value: Any, *, filter: str = "strict", metric: str = "acc") -> RawSample:  # noqa: A002
    return RawSample(leaf, index, filter, {metric: value}, prompt_tokens=3, generated_tokens=2, text="x")


def score(
    asked: Task, found: list[RawSample], weighting: Weighting | None = None, reported: float | None = None
) -> Any:
    return scoring.score_of(asked, scoring.samples_of(asked, weighting, found), reported)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_a_plain_task_has_the_mean_and_the_standard_error_of_the_mean(values: list[float]) -> None:
    found = score(task(a=len(values)), [raw("a", index, value) for index, value in enumerate(values)])
    assert found.score == pytest.approx(statistics.fmean(values), abs=1e-12)
    assert found.stderr == pytest.approx(statistics.stdev(values) / math.sqrt(len(values)), abs=1e-9)
    assert found.samples == len(values)


@given(
    first=st.lists(st.floats(0, 1), min_size=2, max_size=9),
    second=st.lists(st.floats(0, 1), min_size=2, max_size=9),
    weighting=st.sampled_from(["size", "equal", None]),
)
def test_a_group_weights_its_leaves_and_adds_their_variances(
    first: list[float], second: list[float], weighting: Weighting | None
) -> None:
    leaves = {"a": first, "b": second}
    entries = [raw(leaf, index, value) for leaf, values in leaves.items() for index, value in enumerate(values)]
    asked = task(a=len(first), b=len(second))
    share = 0.5 if weighting == "equal" else len(first) / len(entries)
    found = score(asked, entries, weighting)
    assert found.score == pytest.approx(share * statistics.fmean(first) + (1 - share) * statistics.fmean(second))
    variance = share**2 * statistics.variance(first) / len(first)
    variance += (1 - share) ** 2 * statistics.variance(second) / len(second)
    assert found.stderr == pytest.approx(math.sqrt(variance), abs=1e-9)
    weights = [sample.weight for sample in scoring.samples_of(asked, weighting, entries)]
    assert math.fsum(weights) == pytest.approx(1)


def test_a_leaf_with_a_single_sample_leaves_the_error_open() -> None:
    assert score(task(a=2, b=1), [raw("a", 0, 1), raw("a", 1, 0), raw("b", 0, 1)]).stderr is None


def test_other_filters_do_not_count() -> None:
    entries = [raw("a", 0, 1), raw("a", 0, 0, filter="none"), raw("a", 1, 1), raw("a", 1, 0, filter="none")]
    assert score(task(a=2), entries).score == 1.0


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        pytest.param(
            [raw("a", 0, 1, metric="f1"), raw("a", 1, 1)],
            "has no metric 'acc'; there are acc,strict, f1,strict",
            id="metric",
        ),
        pytest.param(
            [raw("a", 0, 1, filter="none"), raw("a", 1, 1, filter="none")],
            "0 samples of filter 'strict' were scored, 2 asked for; there are acc,none",
            id="filter",
        ),
        pytest.param([raw("a", 0, 1)], "1 samples of filter 'strict' were scored, 2 asked for", id="sample-missing"),
        pytest.param([raw("a", 0, 1), raw("a", 0, 1)], "2 samples", id="sample-twice"),
        pytest.param([raw("a", 0, 1), raw("a", 2, 1)], "2 samples", id="another-sample"),
        pytest.param([raw("a", 0, [True, False]), raw("a", 1, 1)], "is no number: [True, False]", id="list"),
        pytest.param([raw("a", 0, (1, 2)), raw("a", 1, 1)], "is no number: (1, 2)", id="pair"),
    ],
)
def test_what_lm_eval_did_not_score_is_never_made_up(entries: list[RawSample], words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        score(task(a=2), entries)
    assert words in caught.value.message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_condemns_the_candidate_alone(value: float) -> None:
    with pytest.raises(InvalidCandidateError) as caught:
        score(task(a=2), [raw("a", 0, 1), raw("a", 1, value)])
    assert caught.value.reason == "NonFiniteScore"
    assert "acc of a document 1" in caught.value.message
    with pytest.raises(InvalidCandidateError):
        score(task(a=1), [raw("a", 0, 1)], reported=value)


def test_a_score_that_is_not_the_mean_of_its_samples_is_refused() -> None:
    entries = [raw("a", 0, 1), raw("a", 1, 0)]
    assert score(task(a=2), entries, reported=0.5).score == 0.5
    with pytest.raises(InvalidRequestError) as caught:
        score(task(a=2), entries, reported=0.75)
    assert caught.value.reason == "MetricUnsupported"
    assert "lm-eval's acc is 0.75, the mean of its samples 0.5" in caught.value.message


@pytest.mark.parametrize("value", [True, 1, 1.0])
def test_truth_values_and_numbers_are_numbers(value: object) -> None:
    assert score(task(a=1), [raw("a", 0, value)]).score == 1.0
