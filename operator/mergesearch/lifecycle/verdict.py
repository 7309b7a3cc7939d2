"""The winner, as the comparison on unseen samples decides it; pure."""

import math

from mergesearch.api.status import Better, Confirmed, Gain, Record
from mergesearch.contract import CompareReport, CompareRequest
from mergesearch.files import merge_folder
from mergesearch.lifecycle import records, strategy
from mergesearch.lifecycle.step import Step

WEIGHT_DIGITS = 6


def whole(request: CompareRequest, report: CompareReport) -> bool:
    """Whether a report compares every finalist with every baseline, in numbers."""
    wanted = {(finalist.id, baseline.id) for finalist in request.finalists for baseline in request.baselines}
    found = [(comparison.candidate, comparison.baseline) for comparison in report.comparisons]
    numbers = [number for c in report.comparisons for number in (c.gain, c.low, c.high, c.p, c.corrected_p or 0.0)]
    return sorted(found) == sorted(wanted) and all(math.isfinite(number) for number in numbers)


def decide(step: Step, report: CompareReport) -> Step:
    """The winner is the finalist with the best fitness on the unseen samples."""
    candidates = (r for r in step.status.confirmations if records.source(step.status, r).x is not None)
    finalists = records.scored(candidates)
    winner, fitness = max(finalists, key=lambda pair: pair[1])
    gains = tuple(
        Gain(baseline=c.baseline, gain=c.gain, low=c.low, high=c.high, p=c.p, corrected_p=c.corrected_p)
        for c in report.comparisons
        if c.candidate == winner.id
    )
    return step.change(
        rounds=step.status.rounds + 1,
        confirmed=Confirmed(
            id=winner.id,
            weights=rounded_weights(step, records.source(step.status, winner)),
            fitness=fitness,
            path=str(merge_folder(step.resource.metadata.uid, winner.id)),
            gains=gains,
            better=_better(step, gains),
            weights_digest=winner.weights_digest,
            reused=step.status.rounds > 0,
            request_hash=report.request_hash,
            finalists=len(finalists),
        ),
    )


def leading_baseline(step: Step) -> Record | None:
    """The baseline that is the best on the unseen samples so far."""
    return next(iter(records.rivals(step.status.confirmations)), None)


def _better(step: Step, gains: tuple[Gain, ...]) -> Better | None:
    """The baseline that is furthest ahead of the winner, if one is; of equal ones that whose weights were kept."""
    leading = leading_baseline(step)
    ahead = [gain for gain in gains if gain.gain < 0.0]
    found = min(ahead, key=lambda gain: (gain.gain, leading is None or gain.baseline != leading.id), default=None)
    if found is None:
        return None
    record = records.find(step.status, "unseen", found.baseline)
    there = record is not None and records.needs_merge(record) and records.source(step.status, record).merged
    return Better(
        id=found.baseline, path=str(merge_folder(step.resource.metadata.uid, found.baseline)) if there else None
    )


def rounded_weights(step: Step, record: Record) -> dict[str, float]:
    """Weights by checkpoint, as people read them; zeros are left out."""
    weights = strategy.weights(step.spec, record)
    named = zip(step.spec.checkpoints, weights, strict=True)
    return {checkpoint.name: round(weight, WEIGHT_DIGITS) for checkpoint, weight in named if weight != 0.0}
