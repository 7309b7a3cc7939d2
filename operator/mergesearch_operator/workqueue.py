"""A queue of keys: each at most once, one worker a key, with a pause after failures that grows for each key alone."""

import math
import threading
import time
from collections.abc import Callable

from mergesearch_operator.cluster import Key

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 60.0
"""Seconds after the first failure in a row, and at most."""
SETTLING = 0.2
"""Seconds after a step within which no other one of the same key begins: what a step writes comes back as a handful of
events, one after the other, and one look meets them all.
"""


class WorkQueue:
    """Keys that have to be looked at, now or later. Safe to use from many threads.

    A key that is added while a worker has it comes back once the worker is done, so nothing that happened meanwhile is
    missed, and no two workers ever have the same key.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._due: dict[Key, float] = {}
        self._taken: dict[Key, float] = {}
        self._again: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, float] = {}
        self._closed = False

    def add(self, key: Key, *, after: float = 0.0) -> None:
        """Look at a key in so many seconds; an earlier time that is already set stays, and so does the pause after a
        step: where it has failed, the server is out of reach, or has asked for it.
        """
        with self._changed:
            due = max(self._clock() + after, self._not_before.get(key, -math.inf))
            into = self._again if key in self._taken else self._due
            into[key] = min(due, into.get(key, due))
            self._changed.notify()

    def take(self) -> Key | None:
        """Wait for the next key that is due; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                key = min(self._due, key=lambda one: self._due[one], default=None)
                pause = None if key is None else self._due[key] - self._clock()
                if key is not None and pause is not None and pause <= 0:
                    self._taken[key] = self._due.pop(key)
                    # A worker that sleeps until the time of this key must not oversleep the next one's.
                    self._changed.notify()
                    return key
                self._changed.wait(pause)
            return None

    def done(self, key: Key, *, after: float | None = None) -> None:
        """The worker has met what was asked; look again in so many seconds, if given."""
        with self._changed:
            now = self._clock()
            self._failures.pop(key, None)
            self._not_before = {one: time for one, time in self._not_before.items() if time > now}
            self._not_before[key] = now + SETTLING
            self._release(key, None if after is None else now + after)

    def failed(self, key: Key, *, at_least: float = 0.0) -> float:
        """The worker could not; the key comes again after a pause, which is returned, in seconds."""
        with self._changed:
            times = self._failures.get(key, 0)
            self._failures[key] = times + 1
            pause = max(at_least, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(times, 20)))
            self._not_before[key] = self._clock() + pause
            self._release(key, self._not_before[key])
        return pause

    def close(self) -> None:
        """Let every worker go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        """Keys that are due now or taken."""
        with self._changed:
            now = self._clock()
            return len(self._taken) + sum(due <= now for due in self._due.values())

    def oldest(self) -> float:
        """Seconds for which the longest-waiting key has been due, or with a worker; 0 where none is."""
        with self._changed:
            now = self._clock()
            return max((now - due for due in (*self._due.values(), *self._taken.values()) if due <= now), default=0.0)

    def _release(self, key: Key, due: float | None) -> None:
        self._taken.pop(key, None)
        wanted = [time for time in (self._again.pop(key, None), due) if time is not None]
        if wanted:
            self._due[key] = max(min(wanted), self._not_before.get(key, -math.inf))
            self._changed.notify()
