"""Searches in every state that Argo CD and Flux tell apart, and what each of these is to say of them."""

from collections.abc import Callable
from typing import Any

from chart.helm import Document
from mergesearch.api.status import Stage
from mergesearch.lifecycle import step
from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from mergesearch_operator.resources import stored
from unit.lifecycle.world import Bench, End, faults, resource, scored

WAITS = "waits for the operator to act on this spec"


def preflight() -> Bench:
    bench = Bench(resource())
    bench.step()
    return bench


def searching() -> Bench:
    bench = Bench(resource())
    bench.until(lambda status: scored(status, 1))
    return bench


def queued() -> Bench:
    bench = preflight()
    waiting = step.Waiting(Reason.QUEUED, "0/3 nodes are available")
    seen = step.Observed(
        children=tuple(
            step.ObservedChild(launch=launch.number, state=ChildState.PENDING, waiting=waiting)
            for launch in bench.status.launches
        )
    )
    bench.status = bench.decide(seen)
    return bench


def complete() -> Bench:
    bench = Bench(resource())
    bench.rest()
    return bench


def stalled() -> Bench:
    bench = Bench(resource(), faults=faults((Stage.PREFLIGHT_TASKS, None, End(code=64, message="no such task"))))
    bench.rest()
    return bench


def failed() -> Bench:
    bench = Bench(resource(search={"maxDuration": "15s", "parallelism": 2}), seconds=10.0)
    bench.rest()
    return bench


def suspended(*, now: bool) -> Bench:
    bench = searching()
    bench.edit(suspend=True, suspend_policy="Now" if now else "Drain")
    bench.step()
    return bench


def edited(made: Callable[[], Bench]) -> Bench:
    """The spec has changed, and the operator has not looked yet."""
    bench = made()
    bench.edit("search", parallelism=3)
    return bench


def seen(made: Callable[[], Bench], **fields: Any) -> Bench:
    """The spec has changed, and the operator has looked."""
    bench = made()
    bench.edit(**fields)
    bench.step()
    return bench


CASES: dict[str, tuple[Callable[[], Bench], str, str, str]] = {
    "preflight": (preflight, "Progressing", "Preflight: 0 of 12 candidates scored", "InProgress"),
    "queued": (queued, "Progressing", "processes wait: 0/3 nodes are available", "InProgress"),
    "searching": (searching, "Progressing", "Searching: 1 of 12 candidates scored", "InProgress"),
    "stalled": (stalled, "Degraded", "RequestRefused: ", "Failed"),
    "failed": (failed, "Degraded", "BudgetSpentUnconfirmed: nothing could be confirmed", "InProgress"),
    "failed-and-edited": (lambda: edited(failed), "Degraded", "BudgetSpentUnconfirmed: ", "InProgress"),
    "complete": (complete, "Healthy", "no significant gain over ", "Current"),
    "complete-and-suspended": (lambda: seen(complete, suspend=True), "Healthy", "no significant gain over ", "Current"),
    "complete-and-edited": (lambda: edited(complete), "Progressing", WAITS, "InProgress"),
    "stalled-and-edited": (lambda: edited(stalled), "Progressing", WAITS, "InProgress"),
    "suspended": (lambda: suspended(now=True), "Suspended", "Suspended: 1 of 12 candidates scored", "InProgress"),
    "draining": (lambda: suspended(now=False), "Suspended", "Suspended: 1 of 12 candidates scored", "InProgress"),
    "stalled-and-suspended": (lambda: seen(stalled, suspend=True), "Degraded", "RequestRefused: ", "Failed"),
}
"""Bench, health in Argo CD with a part of its message, and status by kstatus."""


def document(bench: Bench) -> Document:
    """The search as the API server has it."""
    meta = bench.resource.metadata
    return {"metadata": {"name": meta.name, "generation": meta.generation}, "status": stored(bench.status)}
