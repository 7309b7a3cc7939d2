"""Several pods that share the request of a Job, as one child; pure.

a pod has failed, or was ended by the   ended, for the reason of the first such pod. Those that were deleted after it,
platform                                as the Job's controller does then, give no reason while another does
all have succeeded                      ended; the reports are those of all, since only the pod that was last has any
some run                                running; trouble that keeps another from starting is told
none runs                               pending, also where some have done their part

A pod that the platform takes away ends the launch, though its Job would replace it: who counts disruptions, waits
between them and gives up in the end is the core. The slices that are done are not written again by the next launch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum

from mergesearch.contract import Exit, MergeReport, Report
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import ChildState, ObservedChild, Run, clip
from mergesearch_operator import facts
from mergesearch_operator.delays import Delay
from mergesearch_operator.seen import Seen

NEVER = datetime.max.replace(tzinfo=UTC)


class Word(IntEnum):
    """How much the end of a slice says of why the Job has ended: less means more."""

    OWN = 0
    """It has ended by itself, or by the platform."""
    OF_JOB = 1
    """Its pod is gone, and the Job has said that it has failed."""
    ASKED = 2
    """Its pod was deleted, perhaps because another one had failed."""


@dataclass(frozen=True)
class Slice:
    """What one of the pods shows, as if it were alone."""

    seen: Seen
    word: Word = Word.OWN

    @property
    def failed(self) -> bool:
        """Whether it has ended, and not well."""
        end = self.seen.child.exit
        return self.seen.child.state is ChildState.ENDED and (end is None or end.code != ExitCode.DONE)


def together(slices: Sequence[Slice]) -> Seen:
    """The child that all slices of a Job, in their order, make up."""
    children = [one.seen.child for one in slices]
    if any(one.failed for one in slices):
        return _failed(slices)
    if all(child.state is ChildState.ENDED for child in children):
        reports = _reports(children)
        end = next((child.exit for child in children if child.reports), children[0].exit)
        # One of them must have had the last word: where none says so, it lies on the workspace.
        unread = any(child.unread for child in children) or not reports
        return _ended(slices, exit=end, unread=unread)
    return _alive(slices)


def _failed(slices: Sequence[Slice]) -> Seen:
    number = min((i for i, one in enumerate(slices) if one.failed), key=lambda i: _order(slices[i]))
    first = slices[number]
    end = first.seen.child.exit
    if end is not None and first.word is not Word.OF_JOB:
        end = end.model_copy(update={"message": _of(number, slices, end.message)})
    children = [one.seen.child for one in slices]
    seen = _ended(slices, exit=end, unread=any(child.unread for child in children))
    return replace(
        seen, child=replace(seen.child, disrupted=first.seen.child.disrupted), pod=seen.pod or first.seen.pod
    )


def _order(failed: Slice) -> tuple[Word, bool, datetime]:
    """Who gives the reason: the first one, among those that say most."""
    at = failed.seen.child.ended_at
    return failed.word, at is None, at or NEVER


def _ended(slices: Sequence[Slice], *, exit: Exit | None, unread: bool) -> Seen:  # noqa: A002 - as the field
    children = [one.seen.child for one in slices]
    pointer = next((one.seen for one in slices if one.seen.child.reports_digest is not None), None)
    child = replace(
        _common(children),
        state=ChildState.ENDED,
        exit=exit,
        unread=unread,
        reports_digest=None if pointer is None else pointer.child.reports_digest,
        started_at=min((child.started_at for child in children if child.started_at is not None), default=None),
        ended_at=max((child.ended_at for child in children if child.ended_at is not None), default=None),
    )
    return Seen(child, pod="" if pointer is None else pointer.pod)


def _alive(slices: Sequence[Slice]) -> Seen:
    children = [one.seen.child for one in slices]
    running = [child for child in children if child.state is ChildState.RUNNING]
    starts = [child.started_at for child in running if child.started_at is not None]
    state = ChildState.RUNNING if running else ChildState.PENDING
    due = min((one.seen.due for one in slices if one.seen.due is not None), default=None)
    delay = _delay(slices)
    if running and delay is not None and delay.trouble_since is None:
        delay = None
    return Seen(replace(_common(children), state=state, started_at=min(starts, default=None)), delay, due)


def _delay(slices: Sequence[Slice]) -> Delay | None:
    """What is worst of all that keeps slices from starting, with the number of the slice."""
    found = [(one.seen.delay, number) for number, one in enumerate(slices) if one.seen.delay is not None]
    if not found:
        return None
    delay, number = min(found, key=lambda one: (_badness(one[0]), one[1]))
    return replace(delay, message=_of(number, slices, delay.message)) if delay.message else delay


def _badness(delay: Delay) -> tuple[bool, bool, bool, datetime]:
    since = delay.trouble_since
    return not delay.overdue, since is None, not delay.worth_telling, since or NEVER


def _common(children: Sequence[ObservedChild]) -> ObservedChild:
    """What holds whatever has become of them."""
    images = list(dict.fromkeys(child.image for child in children if child.image))
    return ObservedChild(
        launch=children[0].launch,
        state=ChildState.PENDING,
        reports=_reports(children),
        runs=tuple(Run(child.started_at, child.ended_at) for child in children if child.started_at is not None),
        image=images[0] if images else "",
        other_images=tuple(images[1:]),
    )


def _reports(children: Iterable[ObservedChild]) -> tuple[Report, ...]:
    """One of each candidate: a slice that is repeated finds what is published, and says so once more."""
    found: dict[str, MergeReport] = {}
    said = [report for child in children for report in child.reports if isinstance(report, MergeReport)]
    for report in sorted(said, key=lambda report: (report.failure is not None, report.reused)):
        found.setdefault(report.candidate, report)
    return tuple(found.values())


def _of(number: int, slices: Sequence[Slice], message: str) -> str:
    return clip(f"slice {number} of {len(slices)}: {message}", facts.LONGEST_MESSAGE)
