"""One step of one search: observe, decide, write, act.

    live GET of the resource ─> live LISTs of its Jobs and pods ─> advance ─> PUT /status, if anything changed
        ─> delete what is not wanted, create what is missing ─> Events

Killed between any two requests, the next step finds the same status and carries on. After a conflict nothing is done:
the plan is dropped, and the next step reads anew. Which event has led here does not matter.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from mergesearch.api import checks
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import STATUS_VERSION, Launch, MergeSearchStatus
from mergesearch.contract import reports_in
from mergesearch.lifecycle import children, summary
from mergesearch.lifecycle.advance import advance, next_due
from mergesearch.lifecycle.children import Child
from mergesearch.lifecycle.step import Observed, ObservedChild, Step
from mergesearch.reasons import Reason
from mergesearch_operator import adoption, claims, events, faults, kueue, observe, refusals
from mergesearch_operator.client import Document
from mergesearch_operator.cluster import Cluster, Key
from mergesearch_operator.manifests import job as jobs
from mergesearch_operator.manifests import volumes
from mergesearch_operator.observe import Seen
from mergesearch_operator.refusals import BlockedError
from mergesearch_operator.settings import Images

logger = logging.getLogger(__name__)
MAX_CONFLICTS = 2
"""Steps in a row that may find the name of a Job taken; the second one stalls the search and creates nothing."""


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


OnWritten = Callable[[Written], None]
"""Is told of every status that was written, whatever becomes of the step then."""


def _ignore(_written: Written) -> None:
    """Nobody counts."""


class Reconciler:
    """Steps searches. Holds no state of theirs."""

    def __init__(self, cluster: Cluster, images: Images, on_written: OnWritten = _ignore) -> None:
        self._cluster = cluster
        self._images = images
        self._on_written = on_written

    def step(self, key: Key) -> Done:
        """Bring one search one step further. Raises ApiError: then nothing is known, and the step is to be repeated."""
        found = self._cluster.search(key)
        if found is None:
            return Done()
        document, now = found
        if document["metadata"].get("deletionTimestamp"):
            return Done()
        resource = _parse(document)
        if isinstance(resource, str):
            logger.error("%s: %s", meta_name(document), resource)
            self._post(events.unreadable(document, resource, now))
            return Done(unreadable=True)
        taken: list[ObservedChild] = []
        for _ in range(MAX_CONFLICTS):
            seen = self._observe(key, resource, now)
            before = resource.status or MergeSearchStatus()
            observed = Observed(children=tuple(_overlaid((one.child for one in seen if not one.going), taken)))
            after = decide(resource, before, observed, now)
            if after is not before:
                document = self._write(resource, document, after, seen, now)
                resource = resource.model_copy(update={"status": after})
            try:
                taken = self._act(resource, after, seen, now)
            except BlockedError as error:
                self._wait(resource, document, seen, error, now)
                raise error.why from error
            finally:
                # The status says it already, and no later step will: what keeps the Jobs from being made may last.
                if after is not before:
                    self._tell(resource, before, after, now)
            if not taken:
                break
        return Done(resource, _pause(after, seen, now))

    def _observe(self, key: Key, resource: MergeSearch, now: datetime) -> list[Seen]:
        uid = resource.metadata.uid
        there = self._cluster.jobs(key, uid)
        seen = adoption.checked(resource, there, observe.see_all(resource, there, self._cluster.pods(key, uid), now))
        seen = kueue.explained(self._cluster, key[0], there, seen)
        launches = {launch.number for launch in (resource.status or MergeSearchStatus()).launches}
        return [self._read(key[0], one) if one.child.launch in launches else one for one in seen]

    def _read(self, namespace: str, seen: Seen) -> Seen:
        """With the reports that were too long for the termination message, while the pod's log is there."""
        digest = seen.child.reports_digest
        if digest is None or not seen.pod:
            return seen
        reports = reports_in(self._cluster.log(namespace, seen.pod) or "", digest)
        if reports is None:
            return seen
        return replace(seen, child=replace(seen.child, reports=reports, unread=False))

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
        wanted = stored(status)
        try:
            written = self._cluster.write_status({**document, "status": wanted})
        except faults.RefusedError as error:
            self._stall(resource, document, error, now)
            raise
        self._count(resource, status, seen)
        if written.get("status") != wanted:
            logger.error(
                "%s: the API server has not kept the whole status: is its CRD of this release?", meta_name(document)
            )
        return written

    def _stall(self, resource: MergeSearch, document: Document, error: faults.RefusedError, now: datetime) -> None:
        """Tell in the status that stands why the next one cannot be written, once; where not even that can be written,
        by an Event. Raises ApiError.
        """
        before = resource.status or MergeSearchStatus()
        reason = Reason.STATUS_TOO_LARGE if error.code == faults.TOO_LARGE else Reason.REQUEST_REFUSED
        message = f"the API server does not take the status: {error}"
        if before.stalled is None:
            after = summary.stalled(Step(resource, before, Observed(), now), reason, message)
            try:
                self._cluster.write_status({**document, "status": stored(after)})
            except faults.RefusedError:
                self._post(events.once(resource, events.Note("Warning", reason.value, message), now))
                raise
            self._count(resource, after, ())
            self._tell(resource, before, after, now)

    def _count(self, resource: MergeSearch, status: MergeSearchStatus, seen: Sequence[Seen]) -> None:
        before = resource.status or MergeSearchStatus()
        try:
            self._on_written(Written(resource.model_copy(update={"status": status}), before, tuple(seen)))
        except Exception:
            logger.exception("%s/%s: a defect in the metrics", resource.metadata.namespace, resource.metadata.name)

    def _wait(
        self, resource: MergeSearch, document: Document, seen: Sequence[Seen], error: BlockedError, now: datetime
    ) -> None:
        """Tell in the status what is forbidden, where it does not say so already. Raises ApiError."""
        before = resource.status or MergeSearchStatus()
        there = (one.child for one in seen if not one.going)
        after = decide(resource, before, Observed(children=tuple(_overlaid(there, [refusals.blocked(error)]))), now)
        if after is not before:
            self._write(resource, document, after, seen, now)
            self._tell(resource, before, after, now)

    def _act(
        self, resource: MergeSearch, status: MergeSearchStatus, seen: Sequence[Seen], now: datetime
    ) -> list[ObservedChild]:
        """Delete what is not wanted and create what is missing; returns launches whose name somebody else has. Raises
        BlockedError where something is forbidden for now; what follows it is not tried then.

        In this order, since a quota of Jobs counts those that are over: what is missing may wait for just these to go.
        """
        wanted = {children.name(resource, launch): launch for launch in status.launches}
        there = {found.name: found for found in seen}
        for name, found in there.items():
            if name not in wanted and not found.going:
                self._cluster.delete_job(resource.metadata.namespace, name, found.uid)
        missing = [launch for name, launch in wanted.items() if name not in there]
        taken = self._claim(resource, missing, seen, now)
        for launch in () if taken else missing:
            taken += self._create(resource, children.child(resource, status, launch))
        return taken

    def _claim(
        self, resource: MergeSearch, missing: Sequence[Launch], seen: Sequence[Seen], now: datetime
    ) -> list[ObservedChild]:
        """Make the claim of the workspace where it is not there and something needs it: a Job that is to be made, or a
        pod that waits for its volume. Returns the launches that cannot have it.
        """
        wanted = volumes.claim(resource, jobs.owner(resource))
        if wanted is None or not (missing or any(claims.waited_for(one) for one in seen)):
            return []
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        found = self._cluster.claim(namespace, name)
        if found is not None and not claims.ours(resource, found):
            message = f"a claim {namespace}/{name} belongs to somebody else; remove it, or rename the search"
            return [refusals.refused(launch, Reason.NAME_CONFLICT, message) for launch in missing]
        if found is not None:
            if missing and found["metadata"].get("deletionTimestamp"):
                raise BlockedError(missing[0], f"the Job of launch {missing[0].number}", claims.going(name))
            return []
        try:
            self._cluster.create_claim(wanted)
        except faults.ForbiddenError as error:
            launch = missing[0] if missing else None
            raise (error if launch is None else BlockedError(launch, "the claim of the workspace", error)) from error
        except faults.RefusedError as error:
            message = f"the API server refuses the claim of the workspace: {error}"
            return [refusals.refused(launch, Reason.REQUEST_REFUSED, message) for launch in missing]
        if claims.was_there(resource, seen):
            self._post(events.event(resource, claims.lost(name), now))
        return []

    def _create(self, resource: MergeSearch, child: Child) -> list[ObservedChild]:
        manifest = jobs.job(resource, child, self._images)
        try:
            self._cluster.create_job(manifest)
        except faults.ExistsError:
            return self._adopt(resource, child)
        except faults.ForbiddenError as error:
            raise BlockedError(child.launch, f"the Job {child.name}", error) from error
        except faults.RefusedError as error:
            return [refusals.refused(child.launch, Reason.REQUEST_REFUSED, f"the API server refuses the Job: {error}")]
        return []

    def _adopt(self, resource: MergeSearch, child: Child) -> list[ObservedChild]:
        """The name is taken: by our own Job, which an earlier step has created unseen, or by somebody else's."""
        namespace = resource.metadata.namespace
        job = self._cluster.job(namespace, child.name)
        if job is None:
            raise faults.UnavailableError(f"Job {namespace}/{child.name} is there and is not; once more")
        owners = {reference.get("uid") for reference in job["metadata"].get("ownerReferences", [])}
        if resource.metadata.uid not in owners:
            message = f"a Job {namespace}/{child.name} belongs to somebody else; remove it, or rename the search"
            return [refusals.refused(child.launch, Reason.NAME_CONFLICT, message)]
        if job["metadata"].get("deletionTimestamp"):
            raise faults.UnavailableError(f"Job {namespace}/{child.name} of an earlier step is still going")
        return []

    def _tell(self, resource: MergeSearch, before: MergeSearchStatus, after: MergeSearchStatus, now: datetime) -> None:
        for note in events.notes(before, after):
            self._post(events.event(resource, note, now))

    def _post(self, event: Document) -> None:
        try:
            self._cluster.post_event(event)
        except faults.ApiError as error:
            logger.warning("an Event was lost: %s", error)


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


def stored(status: MergeSearchStatus) -> Document:
    """A status as it is written: short, but with what the columns of `kubectl get` show."""
    compact: Document = status.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    shown = {"version": status.version, "phase": status.phase.value, "counts": status.counts.to_document()}
    return compact | shown


def meta_name(document: Document) -> str:
    """Namespace and name, for people."""
    return f"{document['metadata']['namespace']}/{document['metadata']['name']}"


def _parse(document: Document) -> MergeSearch | str:
    """The resource; where this release cannot read it, why. It is then left alone."""
    version = document.get("status", {}).get("version", STATUS_VERSION)
    if isinstance(version, int) and version > STATUS_VERSION:
        return (
            f"its status has version {version}, of a newer release; this one knows {STATUS_VERSION} and leaves it alone"
        )
    try:
        return MergeSearch.model_validate(document)
    except ValidationError as error:
        return f"this release cannot read it and leaves it alone: {error}"


def _overlaid(there: Iterable[ObservedChild], taken: Sequence[ObservedChild]) -> list[ObservedChild]:
    ours = {child.launch for child in taken}
    return [*(child for child in there if child.launch not in ours), *taken]


def _pause(status: MergeSearchStatus, seen: Sequence[Seen], now: datetime) -> float | None:
    due = [one.due for one in seen if one.due is not None]
    by_itself = next_due(status, now)
    soonest = min([*due, *([by_itself] if by_itself is not None else [])], default=None)
    return None if soonest is None else max(0.1, (soonest - now).total_seconds())
