"""What the core makes of what a step has seen; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from mergesearch.api import checks
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch.lifecycle import children, summary
from mergesearch.lifecycle.advance import advance, next_due
from mergesearch.lifecycle.step import Observed, ObservedChild, Step
from mergesearch.reasons import Reason
from mergesearch_operator.observe import Seen


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


def matched(resource: MergeSearch, status: MergeSearchStatus, seen: Sequence[Seen]) -> bool:
    """Whether the Jobs are those that the status wants; what is going needs nobody."""
    wanted = {children.name(resource, launch) for launch in status.launches}
    there = {one.name for one in seen}
    return wanted <= there and all(one.going for one in seen if one.name not in wanted)


def pause(status: MergeSearchStatus, seen: Sequence[Seen], now: datetime) -> float | None:
    """Seconds after which something changes by itself."""
    due = [one.due for one in seen if one.due is not None]
    by_itself = next_due(status, now)
    soonest = min([*due, *([by_itself] if by_itself is not None else [])], default=None)
    return None if soonest is None else max(0.1, (soonest - now).total_seconds())
