"""Waits for something to become true, with a limit and a message that says what did not happen."""

import time
from collections.abc import Callable

from cluster.settings import ClusterError


def until(what: str, fact: Callable[[], bool], *, seconds: float = 60, why: Callable[[], str] = str) -> None:
    """Returns as soon as `fact` holds.

    Args:
        what: What is awaited, for the message.
        fact: Asked ten times a second; may raise ClusterError to give up.
        seconds: The limit.
        why: What to add to the message when the limit has passed, such as the end of a log.
    """
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise ClusterError(f"not within {seconds:.0f} s: {what}\n{why()}".rstrip())
        time.sleep(0.1)
