"""One Job as a step has found it; pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from mergesearch.contract import reports_in
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

    def with_log(self, log: str) -> "Seen":
        """The same with the reports that stand in the log of its pod, if these are all that it points to. Each of
        several pods may point to some of its own: what is left then still lies on the workspace.
        """
        digest = self.child.reports_digest
        found = None if digest is None else reports_in(log, digest)
        if found is None:
            return self
        child = replace(self.child, reports=(*self.child.reports, *found), unread=bool(self.child.runs))
        return replace(self, child=child)
