"""One step of one search: observe, decide, write, act.

    live GET of the resource ─> live LISTs of its Jobs and pods ─> advance ─> PUT /status, if anything changed
        ─> delete what is not wanted, create what is missing ─> Events

Killed between any two requests, the next step finds the same status and carries on. After a conflict nothing is done:
the plan is dropped, and the next step reads anew. Which event has led here does not matter.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch.lifecycle import summary, waits
from mergesearch.lifecycle.step import Observed, ObservedChild, Step
from mergesearch.reasons import Reason
from mergesearch_operator import adoption, decisions, events, faults, kueue, observe, refusals, resources
from mergesearch_operator.act import Actor
from mergesearch_operator.client import Document
from mergesearch_operator.cluster import Cluster, Key
from mergesearch_operator.refusals import BlockedError
from mergesearch_operator.seen import Seen
from mergesearch_operator.settings import Images

logger = logging.getLogger(__name__)
T = TypeVar("T")
MAX_CONFLICTS = 2
"""Steps in a row that may find the name of a Job taken; the second one stalls the search and creates nothing."""
NOT_TAKEN = "the API server does not take the status"
"""How the message of such a stall begins."""


@dataclass(frozen=True)
class Done:
    """What came of a step."""

    resource: MergeSearch | None = None
    """As it is now; None where there is no such search any more."""
    look_again: float | None = None
    """Seconds after which something changes by itself."""
    unreadable: bool = False
    """There is a search, which this release cannot read and leaves alone."""


@dataclass(frozen=True)
class Written:
    """A status that the API server has taken."""

    resource: MergeSearch
    """With this status."""
    before: MergeSearchStatus
    """The one in its place before."""
    seen: tuple[Seen, ...] = ()
    """What it follows from."""


OnRead = Callable[[MergeSearch], None]
"""Is told of every search that was read, whatever becomes of the step then."""
OnWritten = Callable[[Written], None]
"""Is told of every status that was written, whatever becomes of the step then."""


def _ignore(_told: object) -> None:
    """Nobody counts."""


class Reconciler:
    """Steps searches. Holds no state of theirs."""

    def __init__(
        self, cluster: Cluster, images: Images, on_written: OnWritten = _ignore, on_read: OnRead = _ignore
    ) -> None:
        self._cluster = cluster
        self._actor = Actor(cluster, images, self._post)
        self._on_written = on_written
        self._on_read = on_read

    def step(self, key: Key) -> Done:
        """Bring one search one step further. Raises ApiError: then nothing is known, and the step is to be repeated."""
        found = self._cluster.search(key)
        if found is None:
            return Done()
        document, now = found
        if document["metadata"].get("deletionTimestamp"):
            return Done()
        try:
            resource = resources.parse(document)
        except resources.UnreadableError as error:
            logger.error("%s: %s", resources.full_name(document), error)
            self._post(events.unreadable(document, error.reason, str(error), now))
            return Done(unreadable=True)
        _count(self._on_read, resource, resource)
        taken: list[ObservedChild] = []
        for _ in range(MAX_CONFLICTS):
            seen = self._observe(key, resource, now)
            before = resource.status or MergeSearchStatus()
            observed = Observed(children=tuple(decisions.overlaid((one.child for one in seen if not one.going), taken)))
            after = decisions.decide(resource, before, observed, now)
            if after is not before:
                document = self._write(resource, document, after, seen, now)
                resource = resource.model_copy(update={"status": after})
            differences = decisions.differences(resource, after, seen)
            if after is before and (differences.missing or differences.unwanted):
                self._still(key, document)
            try:
                taken = self._actor.act(resource, after, seen, now)
            except BlockedError as error:
                self._wait(resource, document, seen, error, now)
                raise error.why from error
            finally:
                # The status says it already, and no later step will: what keeps the Jobs from being made may last.
                if after is not before:
                    self._tell(resource, before, after, now)
            if not taken:
                break
        return Done(resource, decisions.pause(after, seen, now))

    def _still(self, key: Key, document: Document) -> None:
        """Raises ConflictError where somebody has written since: what is to be made or deleted may be decided otherwise
        by now, as by a second operator, and no write of our own would tell.
        """
        found = self._cluster.search(key)
        if found is None or found[0]["metadata"]["resourceVersion"] != document["metadata"]["resourceVersion"]:
            raise faults.ConflictError(f"{resources.full_name(document)} has changed since it was read")

    def _observe(self, key: Key, resource: MergeSearch, now: datetime) -> list[Seen]:
        uid = resource.metadata.uid
        there = self._cluster.jobs(key, uid)
        seen = adoption.checked(resource, there, observe.see_all(resource, there, self._cluster.pods(key, uid), now))
        seen = kueue.explained(self._cluster, key[0], there, seen)
        launches = {launch.number for launch in (resource.status or MergeSearchStatus()).launches}
        return [self._read(key[0], one) if one.child.launch in launches else one for one in seen]

    def _read(self, namespace: str, seen: Seen) -> Seen:
        """With the reports that were too long for the termination message, while the pod's log is there."""
        if seen.child.reports_digest is None or not seen.pod:
            return seen
        return seen.with_log(self._cluster.log(namespace, seen.pod) or "")

    def _write(
        self,
        resource: MergeSearch,
        document: Document,
        status: MergeSearchStatus,
        seen: Sequence[Seen],
        now: datetime,
    ) -> Document:
        """Raises ConflictError where somebody else was first, RefusedError where the status cannot be kept; then
        nothing must be acted on.
        """
        wanted = resources.stored(status)
        try:
            written = self._cluster.write_status({**document, "status": wanted})
        except faults.RefusedError as error:
            self._stall(resource, document, error, now)
            raise
        self._written(resource, status, seen)
        if written.get("status") != wanted:
            logger.error(
                "%s: the API server has not kept the whole status: is its CRD of this release?",
                resources.full_name(document),
            )
        return written

    def _stall(self, resource: MergeSearch, document: Document, error: faults.RefusedError, now: datetime) -> None:
        """Tell in the status that stands why the next one cannot be written, once; where not even that can be written,
        or another stall stands, by an Event. A stall that only waits gives way. Raises ApiError.
        """
        before = resource.status or MergeSearchStatus()
        reason = Reason.STATUS_TOO_LARGE if error.code == faults.TOO_LARGE else Reason.REQUEST_REFUSED
        message = f"{NOT_TAKEN}: {error}"
        standing = Step(resource, before, Observed(), now)
        if before.stalled is None or waits.holds(standing):
            after = summary.stalled(standing, reason, message)
            try:
                self._cluster.write_status({**document, "status": resources.stored(after)})
            except faults.RefusedError:
                self._post(events.once(resource, events.Note("Warning", reason.value, message), now))
                raise
            self._written(resource, after, ())
            self._tell(resource, before, after, now)
        elif NOT_TAKEN not in before.stalled.message:
            self._post(events.once(resource, events.Note("Warning", reason.value, message), now))

    def _written(self, resource: MergeSearch, status: MergeSearchStatus, seen: Sequence[Seen]) -> None:
        before = resource.status or MergeSearchStatus()
        after = resource.model_copy(update={"status": status})
        _count(self._on_written, Written(after, before, tuple(seen)), resource)

    def _wait(
        self, resource: MergeSearch, document: Document, seen: Sequence[Seen], error: BlockedError, now: datetime
    ) -> None:
        """Tell in the status what is forbidden, where it does not say so already. Raises ApiError."""
        before = resource.status or MergeSearchStatus()
        there = (one.child for one in seen if not one.going)
        after = decisions.decide(
            resource, before, Observed(children=tuple(decisions.overlaid(there, [refusals.blocked(error)]))), now
        )
        if after is not before:
            self._write(resource, document, after, seen, now)
            self._tell(resource, before, after, now)

    def _tell(self, resource: MergeSearch, before: MergeSearchStatus, after: MergeSearchStatus, now: datetime) -> None:
        for note in events.notes(before, after):
            self._post(events.event(resource, note, now))

    def _post(self, event: Document) -> None:
        try:
            self._cluster.post_event(event)
        except faults.ApiError as error:
            logger.warning("an Event was lost: %s", error)


def _count(count: Callable[[T], None], told: T, resource: MergeSearch) -> None:
    """A defect there stops no step."""
    try:
        count(told)
    except Exception:
        logger.exception("%s/%s: a defect in the metrics", resource.metadata.namespace, resource.metadata.name)
