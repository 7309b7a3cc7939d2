"""The threads that step searches: workers that empty the queue, and a resync that fills it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from mergesearch_operator import faults
from mergesearch_operator.cluster import Cluster, Key
from mergesearch_operator.reconcile import Done, Reconciler
from mergesearch_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)


class OnStep(Protocol):
    """Is told of every step; `error` names the kind of what went wrong."""

    def __call__(self, key: Key, done: Done | None, error: str, seconds: float) -> None:
        """`done` is None where the step has failed."""


class Workers:
    """Steps every key of the queue until it is stopped."""

    def __init__(self, queue: WorkQueue, reconciler: Reconciler, on_step: OnStep) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._on_step = on_step
        self._threads: list[threading.Thread] = []

    def start(self, count: int) -> None:
        """Begin to work."""
        for number in range(count):
            thread = threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let every step come to its end."""
        self._queue.close()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (key := self._queue.take()) is not None:
            self._step(key)

    def _step(self, key: Key) -> None:
        began = time.monotonic()
        done, error, at_least = None, "", 0.0
        try:
            done = self._reconciler.step(key)
        except faults.ConflictError:
            error = "Conflict"
            logger.info("%s/%s: somebody else wrote first; once more", *key)
        except faults.UnavailableError as problem:
            error, at_least = "Unavailable", problem.retry_after or 0.0
            logger.warning("%s/%s: %s", *key, problem)
        except faults.ApiError as problem:
            error = type(problem).__name__.removesuffix("Error")
            logger.error("%s/%s: %s", *key, problem)
        except Exception:
            # A defect in one search must not stop the others.
            error = "Defect"
            logger.exception("%s/%s: a defect; the step is tried again", *key)
        try:
            self._on_step(key, done, error, time.monotonic() - began)
        except Exception:
            logger.exception("%s/%s: a defect in the metrics", *key)
        if done is None:
            self._queue.failed(key, at_least=at_least)
        else:
            self._queue.done(key, after=done.look_again)


class Resync:
    """Puts every search into the queue again and again: nothing rests on the watch."""

    def __init__(self, cluster: Cluster, queue: WorkQueue, namespaces: tuple[str, ...], seconds: float) -> None:
        self._cluster = cluster
        self._queue = queue
        self._namespaces = namespaces
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resync", daemon=True)
        self.last = time.monotonic()
        """When a look at all searches last came to its end; an API server out of reach is no reason to start anew."""

    def start(self, forget: Callable[[set[Key]], None]) -> None:
        """Begin; `forget` is told which searches there are."""
        self._forget = forget
        self._thread.start()

    def stop(self) -> None:
        """End after the present list."""
        self._stopped.set()
        self._thread.join()

    def once(self) -> None:
        """List all searches and put them into the queue. Raises ApiError where no namespace can be listed.

        One that cannot be, because it or our role in it is gone, does not hold up the others.
        """
        keys: set[Key] = set()
        errors: list[faults.ApiError] = []
        namespaces = self._namespaces or (None,)
        for namespace in namespaces:
            try:
                documents = self._cluster.searches(namespace)
            except faults.ApiError as error:
                logger.warning("resync: %s", error)
                errors.append(error)
                continue
            keys |= {(document["metadata"]["namespace"], document["metadata"]["name"]) for document in documents}
        if len(errors) == len(namespaces):
            raise errors[0]
        for key in sorted(keys):
            self._queue.add(key)
        if not errors:
            self._forget(keys)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.once()
            except faults.ApiError:
                logger.warning("resync: no namespace could be listed")
                self.last = time.monotonic()
            except Exception:
                logger.exception("resync: a defect")
            else:
                self.last = time.monotonic()
            self._stopped.wait(self._seconds)
