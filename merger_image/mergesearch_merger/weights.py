"""The weights of a merge: not negative, finite, of sum one. Pure."""

import math
from collections.abc import Iterator

from mergesearch.contract import MergeRequest
from mergesearch.reasons import Reason
from mergesearch_merger.findings import Finding

SUM_TOLERANCE = 1e-6
"""How far from one the sum of the weights may lie: more than rounding explains is a mistake."""


def check(request: MergeRequest) -> Iterator[Finding]:
    """What is wrong with the weights of each candidate of `request`."""
    names = [checkpoint.name for checkpoint in request.checkpoints]
    for candidate in request.candidates:
        for problem in _problems(candidate.weights, names):
            yield Finding(f"candidate {candidate.id}: {problem}", Reason.INVALID_WEIGHTS)


def _problems(weights: tuple[float, ...], names: list[str]) -> Iterator[str]:
    bad = False
    for name, weight in zip(names, weights, strict=True):
        if not math.isfinite(weight):
            bad = True
            yield f"the weight of {name!r} is {weight}, not a finite number"
        elif weight < 0:
            bad = True
            yield f"the weight of {name!r} is {weight!r}, which is negative"
    if bad:
        return
    total = math.fsum(weights)
    if total == 0:
        yield f"all {len(weights)} weights are zero"
    elif abs(total - 1) > SUM_TOLERANCE:
        yield f"the weights sum to {total!r}, not to 1"
