"""Which child cannot be made for now, as for a quota, a missing right or a volume that is being deleted; pure.

The status remembers it, so that a shell that tries again, or is started anew, need not write that nothing has changed.
It is forgotten when the child is there, or is not wanted any more.
"""

from mergesearch.api.status import Blocked
from mergesearch.lifecycle.step import Step, clip

LONGEST = 1000


def note(step: Step) -> Step:
    """Keep what stands there, unless it is known to be over or to be something else."""
    standing, blocked = step.status.blocked, None
    for launch in step.status.launches:
        child = step.observed.child(launch.number)
        if child is not None and not child.made and child.waiting is not None:
            why = child.waiting
            blocked = blocked or Blocked(launch=launch.number, reason=why.reason, message=clip(why.message, LONGEST))
        elif child is None and standing is not None and standing.launch == launch.number:
            blocked = blocked or standing
    return step.change(blocked=blocked)
