"""One Job as a step has found it; pure."""

from dataclasses import dataclass
from datetime import datetime

from mergesearch.lifecycle.step import ObservedChild
from mergesearch_operator.delays import Delay


@dataclass(frozen=True)
class Seen:
    """One Job with its pods, as it is now."""

    child: ObservedChild
    delay: Delay | None = None
    """Why it, or one of its pods, does not run yet."""
    due: datetime | None = None
    """When it changes by itself, if nothing else happens."""
    name: str = ""
    """Of the Job."""
    uid: str = ""
    """Of the Job."""
    pod: str = ""
    """Of the pod that has ended, while it is there; of several, of the one whose reports are to be read."""
    going: bool = False
    """The Job is being deleted: it counts no more, but its name is still taken."""
