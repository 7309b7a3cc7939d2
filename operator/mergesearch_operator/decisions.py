"""What the core makes of what a step has seen; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mergesearch.api import checks
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus
from mergesearch.lifecycle import children, summary
from mergesearch.lifecycle.advance import advance, next_due
from mergesearch.lifecycle.step import Observed, ObservedChild, Step
from mergesearch.reasons import Reason
from mergesearch_operator.seen import Seen


def decide(resource: MergeSearch, before: MergeSearchStatus, observed: Observed, now: datetime) -> MergeSearchStatus:
    """What the core decides; but a spec that can never work stalls before anything starts, with all its problems. The
    API server has checked only what its rules can say.
    """
    problems = checks.check(resource) if before.next_launch == 1 else []
    if not problems:
        return advance(resource, before, observed, now)
    told = "\n".join(str(problem) for problem in problems)
    step = Step(resource, before, observed, now).change(start_time=before.start_time or now)
    # Told anew each time: an edit may have mended some of it.
    after = summary.stalled(step, Reason.INVALID_SPEC, told)
    return before if after == before else after


def overlaid(there: Iterable[ObservedChild], taken: Sequence[ObservedChild]) -> list[ObservedChild]:
    """The children that are there, with what is known better of some."""
    ours = {child.launch for child in taken}
    return [*(child for child in there if child.launch not in ours), *taken]


@dataclass(frozen=True)
class Differences:
    """Between the Jobs that the status wants and those that are there."""

    missing: tuple[Launch, ...]
    """To be made, in the order of the launches."""
    unwanted: tuple[Seen, ...]
    """To be deleted; what is going needs nobody."""
    kept: tuple[Seen, ...]
    """Wanted and there to stay."""


def differences(resource: MergeSearch, status: MergeSearchStatus, seen: Sequence[Seen]) -> Differences:
    """What is to be made and deleted."""
    wanted = {children.name(resource, launch): launch for launch in status.launches}
    there, staying = {one.name for one in seen}, [one for one in seen if not one.going]
    return Differences(
        missing=tuple(launch for name, launch in wanted.items() if name not in there),
        unwanted=tuple(one for one in staying if one.name not in wanted),
        kept=tuple(one for one in staying if one.name in wanted),
    )


def pause(status: MergeSearchStatus, seen: Sequence[Seen], now: datetime) -> float | None:
    """Seconds after which something changes by itself."""
    due = [one.due for one in seen if one.due is not None]
    by_itself = next_due(status, now)
    soonest = min([*due, *([by_itself] if by_itself is not None else [])], default=None)
    return None if soonest is None else max(0.1, (soonest - now).total_seconds())
