"""Which child cannot be made for now, as by a quota or for a missing right; pure.

The status remembers it, so that a shell that tries again, or is started anew, need not write that nothing has changed.
It is forgotten when the child is there, or is not wanted any more.
"""

from mergesearch.api.status import Blocked
from mergesearch.lifecycle.step import ChildState, ObservedChild, Step, clip
from mergesearch.reasons import Reason

LONGEST = 1000


def note(step: Step) -> Step:
    """Keep what stands there, unless it is known to be over or to be something else."""
    standing, blocked = step.status.blocked, None
    for launch in step.status.launches:
        child = step.observed.child(launch.number)
        words = _forbidden(child)
        if words:
            blocked = blocked or Blocked(launch=launch.number, message=clip(words, LONGEST))
        elif child is None and standing is not None and standing.launch == launch.number:
            blocked = blocked or standing
    return step.change(blocked=blocked)


def _forbidden(child: ObservedChild | None) -> str:
    """Why a child is not there; empty where it is, or where nobody has tried to make it."""
    waiting = child.waiting if child is not None and child.state is ChildState.PENDING else None
    return waiting.message if waiting is not None and waiting.reason is Reason.FORBIDDEN else ""
