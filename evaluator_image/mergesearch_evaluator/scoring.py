"""From what lm-eval returns to the scores of a report; every number is checked, none is invented. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from mergesearch.contract import Task, TaskScore
from mergesearch.errors import InvalidCandidateError, InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_evaluator.facts import Weighting
from mergesearch_evaluator.problems import enumerated
from mergesearch_evaluator.samples import Sample

AGREEMENT = 1e-9
"""How far lm-eval's score may lie from the mean of the samples: rounding only."""


@dataclass(frozen=True)
class RawSample:
    """One entry of lm-eval's samples, for one filter."""

    leaf: str
    index: int
    filter: str
    metrics: Mapping[str, Any]
    prompt_tokens: int
    generated_tokens: int
    text: str | None


def samples_of(task: Task, weighting: Weighting | None, raw: Sequence[RawSample]) -> list[Sample]:
    """The task's samples with the value of its metric, in lm-eval's order, weighted.

    Raises InvalidRequestError if the metric is not there, InvalidCandidateError if a value is not finite.
    """
    wanted = [sample for sample in raw if sample.filter == task.filter]
    plain = [_sample(task, sample, raw) for sample in wanted]
    expected = {(selection.leaf, index) for selection in task.samples for index in selection.indices()}
    if {(sample.leaf, sample.index) for sample in plain} != expected or len(plain) != len(expected):
        message = f"{task.name}: {len(plain)} samples of filter {task.filter!r} were scored, {len(expected)} asked for"
        raise InvalidRequestError(message + _known(raw), reason=Reason.METRIC_MISSING)
    return _weighted(plain, weighting or "size")


def score_of(task: Task, samples: Sequence[Sample], reported: float | None) -> TaskScore:
    """The task's score with its standard error; `reported` is lm-eval's own score, where it has one.

    The score is Σ_l W_l m_l over the leaves l with their means m_l and shares W_l; leaves are independent and their
    sizes fixed, so its variance is Σ_l W_l² s_l²/n_l, with s_l² the sample variance of leaf l.
    """
    score = math.fsum(sample.weight * sample.value for sample in samples)
    if reported is not None and not math.isfinite(reported):
        raise InvalidCandidateError(f"{task.name}: {task.metric} is {reported}", reason=Reason.NON_FINITE_SCORE)
    if reported is not None and abs(reported - score) > AGREEMENT * max(1.0, abs(score)):
        message = (
            f"{task.name}: lm-eval's {task.metric} is {reported}, the mean of its samples {score}: only means count"
        )
        raise InvalidRequestError(message, reason=Reason.METRIC_UNSUPPORTED)
    return TaskScore(
        task=task.name,
        score=score if reported is None else reported,
        stderr=_standard_error(samples),
        samples=len(samples),
    )


def _sample(task: Task, sample: RawSample, raw: Sequence[RawSample]) -> Sample:
    if task.metric not in sample.metrics:
        message = f"{task.name}: {sample.leaf} document {sample.index} has no metric {task.metric!r}" + _known(raw)
        raise InvalidRequestError(message, reason=Reason.METRIC_MISSING)
    found = sample.metrics[task.metric]
    try:
        value = float(found)
    except (TypeError, ValueError) as error:
        message = f"{task.name}: {task.metric} of {sample.leaf} document {sample.index} is no number: {found!r:.80}"
        raise InvalidRequestError(message, reason=Reason.METRIC_UNSUPPORTED) from error
    if not math.isfinite(value):
        message = f"{task.name}: {task.metric} of {sample.leaf} document {sample.index} is {value}"
        raise InvalidCandidateError(message, reason=Reason.NON_FINITE_SCORE)
    return Sample(
        leaf=sample.leaf,
        index=sample.index,
        value=value,
        weight=0.0,
        prompt_tokens=sample.prompt_tokens,
        generated_tokens=sample.generated_tokens,
        text=sample.text,
    )


def _weighted(samples: Sequence[Sample], weighting: Weighting) -> list[Sample]:
    sizes: dict[str, int] = {}
    for sample in samples:
        sizes[sample.leaf] = sizes.get(sample.leaf, 0) + 1
    if weighting == "size":
        return [replace(sample, weight=1 / len(samples)) for sample in samples]
    return [replace(sample, weight=1 / (len(sizes) * sizes[sample.leaf])) for sample in samples]


def _standard_error(samples: Sequence[Sample]) -> float | None:
    """None where a leaf has a single sample: nothing is known of its variance."""
    variance = 0.0
    for _, group in groupby(sorted(samples, key=lambda sample: sample.leaf), key=lambda sample: sample.leaf):
        leaf = list(group)
        n = len(leaf)
        if n < 2:
            return None
        mean = math.fsum(sample.value for sample in leaf) / n
        squares = math.fsum((sample.value - mean) ** 2 for sample in leaf)
        share = math.fsum(sample.weight for sample in leaf)
        variance += share**2 * squares / (n - 1) / n
    return math.sqrt(variance)


def _known(raw: Sequence[RawSample]) -> str:
    there = sorted({f"{metric},{sample.filter}" for sample in raw for metric in sample.metrics})
    return f"; there are {enumerated(there)} (metric,filter)"
