"""What the API server does not let us make, as an observation of the child that is missing; pure."""

import re

from mergesearch.api.status import Launch
from mergesearch.contract import Exit
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import ChildState, ObservedChild, Waiting
from mergesearch.reasons import Reason
from mergesearch_operator import faults

USED = re.compile(r", used: .*?(?=, limited: )")
"""Of the words of a quota, what changes with every other user of it."""


class BlockedError(Exception):
    """Something cannot be made for now; the step is to be repeated."""

    def __init__(self, launch: Launch, what: str, why: faults.UnavailableError) -> None:
        super().__init__(f"{what} cannot be made for now: {USED.sub('', str(why))}")
        self.launch = launch
        self.why = why


def blocked(error: BlockedError) -> ObservedChild:
    """The child waits until it can be made."""
    forbidden = isinstance(error.why, faults.ForbiddenError)
    waiting = Waiting(Reason.FORBIDDEN if forbidden else Reason.VOLUME_UNAVAILABLE, str(error))
    return ObservedChild(launch=error.launch.number, state=ChildState.PENDING, waiting=waiting, made=False)


def refused(launch: Launch, reason: Reason, message: str) -> ObservedChild:
    """As if the child had ended with a request that cannot be met: a person has to mend it."""
    end = Exit(code=ExitCode.INVALID_REQUEST, reason=reason, message=message)
    return ObservedChild(launch=launch.number, state=ChildState.ENDED, exit=end)
