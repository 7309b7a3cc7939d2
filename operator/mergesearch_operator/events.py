"""Which Events a step is worth, and their form; pure. They are posted after the status was written, and may be lost:
nothing rests on them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mergesearch.api.base import API_VERSION, KIND
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Best, MergeSearchStatus, Phase, Record, RecordState
from mergesearch.contract import digest
from mergesearch.lifecycle import records, summary
from mergesearch.reasons import Reason
from mergesearch_operator import constants

LONGEST_NOTE = 1000
NEW_BEST = "NewBest"
"""Reason of an Event that no condition has: a better candidate."""
WARNINGS = ("Stalled", "Failed")
TOLD = ("Stalled", "Suspended", "Complete", "Ready", "Failed")
"""Conditions whose becoming true is told."""
TOLD_BY_CONDITIONS = (Phase.STALLED, Phase.SUSPENDED, Phase.COMPLETE, Phase.FAILED)
"""Phases that a condition tells better."""


@dataclass(frozen=True)
class Note:
    """Something that happened."""

    kind: Literal["Normal", "Warning"]
    reason: str
    message: str


def notes(before: MergeSearchStatus, after: MergeSearchStatus) -> Iterator[Note]:
    """What a person wants to read under `kubectl describe`."""
    if after.phase not in TOLD_BY_CONDITIONS and (before.phase != after.phase or before.start_time is None):
        yield Note("Normal", after.phase.value, _of_phase(before, after))
    was = {condition.type: condition for condition in before.conditions}
    for condition in after.conditions:
        old = was.get(condition.type)
        new = old is None or old.status != condition.status or old.reason != condition.reason
        if condition.type in TOLD and condition.status == "True" and new:
            yield Note("Warning" if condition.type in WARNINGS else "Normal", condition.reason, condition.message)
    if after.blocked is not None and after.blocked != before.blocked:
        yield Note("Warning", after.blocked.reason.value, after.blocked.message)
    for old_record, new_record in changed_records(before, after):
        yield from _of_record(old_record, new_record)
    if after.best is not None and (before.best is None or before.best.id != after.best.id):
        yield Note("Normal", NEW_BEST, _of_best(after, after.best))


def _of_phase(before: MergeSearchStatus, after: MergeSearchStatus) -> str:
    """A phase that has begun; after the preflight, what can be proven: it is not too late to take more samples."""
    said = summary.closing(after) if after.phase is Phase.CONFIRMING else ""
    provable = after.preflight.provable
    if not said and provable is not None and before.preflight_due and not after.preflight_due:
        said = f"the preflight has passed: {provable}"
    return said or f"the search is in its phase {after.phase}"


def _of_best(status: MergeSearchStatus, best: Best) -> str:
    """A best candidate, with the best baseline to see it by."""
    others = records.rivals(status.baselines)
    beside = f"; the best baseline, {others[0].id}, has {others[0].fitness:.4f}" if others else ""
    return f"{best.id} has {best.fitness:.4f} on the search samples{beside}"


def changed_records(before: MergeSearchStatus, after: MergeSearchStatus) -> Iterator[tuple[Record, Record]]:
    """Every record that a step has changed, as it was and as it is."""
    for old_list, new_list in (
        (before.baselines, after.baselines),
        (before.candidates, after.candidates),
        (before.confirmations, after.confirmations),
    ):
        old = {record.id: record for record in old_list}
        for record in new_list:
            previous = old.get(record.id)
            if previous is not None and previous != record:
                yield previous, record


def _of_record(before: Record, after: Record) -> Iterator[Note]:
    reason = (after.reason or Reason.UNEXPECTED).value
    if after.state is RecordState.FAILED and before.state is not RecordState.FAILED:
        yield Note("Warning", reason, f"{after.id} has failed for good: {after.message}")
    elif after.attempt > before.attempt and after.reason is not None:
        yield Note("Warning", reason, f"{after.id} is tried again ({after.attempt}): {after.message}")


def unreadable(document: dict[str, Any], reason: Reason, why: str, now: datetime) -> dict[str, Any]:
    """The Event of a search that this release leaves alone; one for each state of the search."""
    meta = document["metadata"]
    name = f"{meta['name']}.{digest(meta['uid'], meta.get('resourceVersion', ''), why)[:16]}"
    return _event(meta, name, Note("Warning", reason.value, why), now)


def once(resource: MergeSearch, note: Note, now: datetime) -> dict[str, Any]:
    """The Event of a note that is the same however often it is posted."""
    meta = resource.metadata
    name = f"{meta.name}.{digest(meta.uid, note.reason, note.message)[:16]}"
    return _event({"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}, name, note, now)


def event(resource: MergeSearch, note: Note, now: datetime) -> dict[str, Any]:
    """The Event of a note. Its name follows from what it says and when, so a repeated post changes nothing."""
    meta = resource.metadata
    name = f"{meta.name}.{digest(meta.uid, note.reason, note.message, _stamp(now))[:16]}"
    return _event({"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}, name, note, now)


def _event(meta: dict[str, Any], name: str, note: Note, now: datetime) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": meta["namespace"]},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        },
        "type": note.kind,
        "reason": note.reason,
        "message": note.message[:LONGEST_NOTE],
        "source": {"component": constants.MANAGER},
        "reportingComponent": constants.MANAGER,
        "firstTimestamp": _stamp(now),
        "lastTimestamp": _stamp(now),
        "count": 1,
    }


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
