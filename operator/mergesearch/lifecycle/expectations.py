"""What further processes are expected to cost; pure.

Expectations are means over what this search has measured, in wall time as it is booked, engine starts included; for a
confirmation, before one was measured, that of an evaluation in proportion to the samples. Before a stage was measured
nobody knows: where GPU-hours are limited, a single candidate of it then goes ahead of all others (`scheduling`), so
that no more than that one evaluation can be spent without knowing what it costs.
"""

import statistics

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import Expense, MergeSearchStatus, Record, Stage
from mergesearch.lifecycle import accounting, samples
from mergesearch.lifecycle.step import Step


def seconds(spec: MergeSearchSpec, status: MergeSearchStatus, kind: Expense) -> float | None:
    """Expected wall seconds of one candidate; None before anything like it was measured."""
    known = _measured(status, kind)
    if known is not None or kind != "unseen":
        return known
    alike = _measured(status, "search")
    return None if alike is None else alike * _dearer(spec, status)


def usual_seconds(spec: MergeSearchSpec, status: MergeSearchStatus, kind: Expense) -> float | None:
    """What a candidate usually takes in a process that is up: the median of what the processes have said, which the
    starts of engines, one for each process, do not move. None before anything like it was measured.
    """
    known = _told(status, kind)
    if known or kind != "unseen":
        return statistics.median_low(known) if known else None
    alike = _told(status, "search")
    return statistics.median_low(alike) * _dearer(spec, status) if alike else None


def gpu_seconds(spec: MergeSearchSpec, status: MergeSearchStatus, *, search: int = 0, unseen: int = 0) -> float:
    """GPU-seconds of so many candidates from merge to score, on the search samples and on the unseen ones; what
    nobody knows yet counts as 0.
    """
    merger, evaluator = accounting.gpus_of(spec, Stage.MERGE), accounting.gpus_of(spec, Stage.EVALUATE)
    total = 0.0
    if merger:
        total += merger * (search + unseen) * (seconds(spec, status, "merge") or 0.0)
    if evaluator and search:
        total += evaluator * search * (seconds(spec, status, "search") or 0.0)
    if evaluator and unseen:
        total += evaluator * unseen * (seconds(spec, status, "unseen") or 0.0)
    return total


def in_flight_gpu_seconds(step: Step) -> float:
    """GPU-seconds that live launches will have cost: as expected, or what they have taken already where that is
    more.
    """
    total = 0.0
    for launch in step.status.launches:
        gpus = accounting.gpus_of(step.spec, launch.stage)
        if gpus:
            each = seconds(step.spec, step.status, accounting.expense(launch.stage, launch.split)) or 0.0
            total += gpus * max(accounting.taken(step, launch), each * len(launch.candidates))
    return total


def unknown(step: Step, stage: Stage) -> bool:
    """Whether GPU-hours are limited and nobody knows yet what a candidate costs in a stage that takes them."""
    if step.spec.search.max_gpu_hours is None or not accounting.gpus_of(step.spec, stage):
        return False
    return seconds(step.spec, step.status, accounting.expense(stage, "search")) is None


def _measured(status: MergeSearchStatus, kind: Expense) -> float | None:
    account = status.cost.measured.get(kind)
    if account is not None and account.candidates:
        return account.seconds / account.candidates
    # A status from before this account was kept knows what the processes said themselves.
    some = _told(status, kind)
    return sum(some) / len(some) if some else None


def _told(status: MergeSearchStatus, kind: Expense) -> list[float]:
    """What the processes have said that each candidate took."""
    return [said for record in _of_kind(status, kind) if (said := _said(record, kind)) is not None]


def _of_kind(status: MergeSearchStatus, kind: Expense) -> tuple[Record, ...]:
    some = (*status.baselines, *status.candidates) if kind != "unseen" else ()
    some += status.confirmations if kind != "search" else ()
    return tuple(record for record in some if record.same_as is None)


def _said(record: Record, kind: Expense) -> float | None:
    return record.merge_seconds if kind == "merge" else record.evaluate_seconds


def _dearer(spec: MergeSearchSpec, status: MergeSearchStatus) -> float:
    """How much longer a confirmation takes: as the samples grow; with fewer samples the start of an engine stays."""
    if not status.preflight.tasks:
        return 1.0
    return max(1.0, samples.number(spec, status, "unseen") / samples.number(spec, status, "search"))
