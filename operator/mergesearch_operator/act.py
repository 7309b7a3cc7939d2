"""Making the children match a status that was written: delete what is not wanted, create what is missing."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus
from mergesearch.lifecycle import children
from mergesearch.lifecycle.children import Child
from mergesearch.lifecycle.step import ObservedChild
from mergesearch.reasons import Reason
from mergesearch_operator import claims, decisions, events, faults, refusals
from mergesearch_operator.client import Document
from mergesearch_operator.cluster import Cluster
from mergesearch_operator.manifests import job as jobs
from mergesearch_operator.manifests import volumes
from mergesearch_operator.refusals import BlockedError
from mergesearch_operator.seen import Seen
from mergesearch_operator.settings import Images

logger = logging.getLogger(__name__)
Post = Callable[[Document], None]
"""Tells an Event."""


class Actor:
    """Deletes and creates; killed in between, it does the rest when it is asked again."""

    def __init__(self, cluster: Cluster, images: Images, post: Post) -> None:
        self._cluster = cluster
        self._images = images
        self._post = post

    def act(
        self, resource: MergeSearch, status: MergeSearchStatus, seen: Sequence[Seen], now: datetime
    ) -> list[ObservedChild]:
        """Delete what is not wanted and create what is missing; returns launches whose name somebody else has. Raises
        BlockedError where something is forbidden for now; what follows it is not tried then.

        In this order, since a quota of Jobs counts those that are over: what is missing may wait for just these to go.
        """
        found = decisions.differences(resource, status, seen)
        for one in found.unwanted:
            self._cluster.delete_job(resource.metadata.namespace, one.name, one.uid)
        taken: list[ObservedChild] = []
        if found.missing or any(claims.waited_for(one) for one in found.kept):
            taken = self._claim(resource, found.missing, seen, now)
        for launch in () if taken else found.missing:
            taken += self._create(resource, children.child(resource, status, launch))
        return taken

    def _claim(
        self, resource: MergeSearch, missing: Sequence[Launch], seen: Sequence[Seen], now: datetime
    ) -> list[ObservedChild]:
        """Look whose the claim of the workspace is, and make it where there is none. Returns the launches that cannot
        have it.
        """
        wanted = volumes.claim(resource, jobs.owner(resource))
        if wanted is None:
            return []
        try:
            found = self._cluster.claim(wanted["metadata"]["namespace"], wanted["metadata"]["name"])
            if found is not None:
                return claims.unusable(resource, found, missing)
            refusal = self._make_claim(resource, wanted, seen, now)
        except faults.ForbiddenError as error:
            if missing:
                raise BlockedError(missing[0], claims.WHAT, error) from error
            logger.warning("%s for which a pod waits cannot be made for now: %s", claims.WHAT, error)
            return []
        return [refusals.refused(launch, Reason.REQUEST_REFUSED, refusal) for launch in missing] if refusal else []

    def _make_claim(self, resource: MergeSearch, wanted: Document, seen: Sequence[Seen], now: datetime) -> str:
        """Returns why the API server refuses it, or nothing. Raises ApiError."""
        name = wanted["metadata"]["name"]
        try:
            self._cluster.create_claim(wanted)
        except faults.ExistsError as error:
            # Another operator was faster, or it is somebody else's: the next step looks, before anything uses it.
            raise faults.UnavailableError(f"the claim {name} was made meanwhile; once more") from error
        except faults.RefusedError as error:
            return f"the API server refuses {claims.WHAT}: {error}"
        if claims.was_there(resource, seen):
            self._post(events.event(resource, claims.lost(name), now))
        return ""

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
