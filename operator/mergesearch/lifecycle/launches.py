"""Ending launches: one whose outcome is folded, or many that have become pointless; pure."""

from collections.abc import Collection, Iterable

from mergesearch.api.status import Launch, RecordState, Stage
from mergesearch.lifecycle import accounting, records, requests
from mergesearch.lifecycle.step import Step

RUNNING = (RecordState.MERGING, RecordState.EVALUATING)


def drop(step: Step, launch: Launch) -> Step:
    """The outcome is folded: the launch is over."""
    return step.change(launches=tuple(other for other in step.status.launches if other.number != launch.number))


def abandon(step: Step, stages: Collection[Stage] = tuple(Stage)) -> Step:
    """End every launch of these stages, whatever it has got to: what it has cost is booked, its records wait again."""
    some = (one for one in step.status.launches if requests.asked(one).stage in stages or one.stage in stages)
    return abandon_some(step, some)


def abandon_some(step: Step, some: Iterable[Launch]) -> Step:
    """End these launches, in the same way."""
    for launch in some:
        step = drop(accounting.abandon(step, launch), launch)
        for record in records.launched(step.status, launch):
            if record.state in RUNNING:
                step = records.put(step, launch.split, records.sent_back(record))
    return step


def being_pruned(step: Step) -> set[str]:
    """Ids whose weights a launch may be removing right now."""
    return {identity for launch in step.status.launches for identity in launch.prunes}
