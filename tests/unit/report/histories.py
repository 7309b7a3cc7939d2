"""Searches to report on: every status from the first step to the last, made by the core itself in a small world."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Gain, MergeSearchStatus
from mergesearch.contract import EvaluationReport, Exit, Failure
from mergesearch.lifecycle.advance import advance
from mergesearch.lifecycle.children import Child, children
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild
from mergesearch.reasons import Reason
from unit.report import answers

START = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = timedelta(seconds=10)
"""Between two steps."""
MAX_STEPS = 3000
FAILURE = Failure(reason=Reason.NON_FINITE_SCORE, message="the score of a is nan", transient=False)


@dataclasses.dataclass(frozen=True)
class History:
    """A resource, and its status after every step."""

    resource: MergeSearch
    statuses: tuple[MergeSearchStatus, ...]

    @property
    def end(self) -> MergeSearchStatus:
        """The last status."""
        return self.statuses[-1]

    def first(self, wanted: Callable[[MergeSearchStatus], bool]) -> MergeSearchStatus:
        """The first status for which `wanted` holds."""
        return next(status for status in self.statuses if wanted(status))


def manifest(
    checkpoints: int = 4,
    tasks: Sequence[str] = ("a", "b"),
    held_out: Sequence[str] = ("h",),
    name: str = "quick",
    metric: str = "acc",
    **search: Any,
) -> MergeSearch:
    """A resource without a status."""
    claims = {"persistentVolumeClaim": {"claimName": "c"}}
    spec = {
        "checkpoints": [{"name": f"m-{i}", "path": f"m-{i}"} for i in range(checkpoints)],
        "storage": {"checkpoints": claims, "workspace": claims},
        "objective": {"tasks": [{"name": task, "metric": metric} for task in tasks]},
        "heldOut": {"tasks": [{"name": task, "metric": metric} for task in held_out]},
        "search": {"maxEvaluations": 14, "parallelism": 2, **search},
        "merger": {"batch": 3},
        "evaluator": {"batch": 2},
    }
    return MergeSearch.model_validate(
        {
            "apiVersion": "mergesearch.io/v1alpha1",
            "kind": "MergeSearch",
            "metadata": {"name": name, "uid": "0f0f0f0f-1"},
            "spec": spec,
        }
    )


def run(
    resource: MergeSearch, landscape: answers.Landscape = answers.peak, failing: frozenset[str] = frozenset()
) -> History:
    """Step until nothing happens any more. Evaluations of the candidates in `failing` fail for good."""
    volumes = answers.Volumes(landscape, checkpoints=len(resource.spec.checkpoints))
    now, observed, seen = START, Observed(), list[MergeSearchStatus]()
    for _ in range(MAX_STEPS):
        now += SECONDS
        before = seen[-1] if seen else None
        after = advance(resource, before, observed, now)
        if after is before and not after.launches:
            return History(resource, tuple(seen))
        seen.append(after)
        observed = Observed(children=tuple(_done(child, volumes, failing, now) for child in children(resource, after)))
    raise AssertionError(f"not at rest after {MAX_STEPS} steps")


def _done(child: Child, volumes: answers.Volumes, failing: frozenset[str], now: datetime) -> ObservedChild:
    reports = tuple(
        report.model_copy(update={"scores": (), "failure": FAILURE})
        if isinstance(report, EvaluationReport) and report.candidate in failing
        else report
        for report in volumes.answer(child.request)
    )
    return ObservedChild(
        launch=child.launch.number,
        state=ChildState.ENDED,
        reports=reports,
        exit=Exit(code=0),
        started_at=now - SECONDS,
        ended_at=now,
    )


def with_status(resource: MergeSearch, status: MergeSearchStatus | None) -> MergeSearch:
    """The resource as it would be read back."""
    return resource.model_copy(update={"status": status})


def compared(
    status: MergeSearchStatus, gains: Mapping[str, tuple[float, float, float, float]], **confirmed: Any
) -> MergeSearchStatus:
    """The status as if the comparison had found these (gain, low, high, p) for some baselines."""
    winner = status.confirmed
    assert winner is not None
    assert set(gains) <= {gain.baseline for gain in winner.gains}
    found = tuple(
        Gain(baseline=gain.baseline, gain=new[0], low=new[1], high=new[2], p=new[3])
        if (new := gains.get(gain.baseline)) is not None
        else gain
        for gain in winner.gains
    )
    return status.model_copy(update={"confirmed": winner.model_copy(update={"gains": found, **confirmed})})


CLEAR = (0.05, 0.031, 0.074, 0.0001)
"""A gain that is more than chance explains."""


def clear(status: MergeSearchStatus, **others: tuple[float, float, float, float]) -> MergeSearchStatus:
    """The status with a clear gain over every baseline but those in `others`, whose `-` are written `_`."""
    winner = status.confirmed
    assert winner is not None
    named = {name.replace("_", "-"): numbers for name, numbers in others.items()}
    return compared(status, {gain.baseline: CLEAR for gain in winner.gains} | named)
