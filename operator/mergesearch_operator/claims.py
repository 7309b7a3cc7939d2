"""What is to be done about the claim of a workspace that is made from a template; pure.

none there          it is made; where there was one before, that is told
ours, going         it is waited for: pods that run keep it, and it is made anew, empty, when they have ended
ours                it is used
somebody else's     it is never used: the search stalls
"""

from collections.abc import Sequence

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch
from mergesearch.lifecycle.step import ObservedChild
from mergesearch.reasons import Reason
from mergesearch_operator import constants, events, faults, refusals
from mergesearch_operator.client import Document
from mergesearch_operator.refusals import BlockedError
from mergesearch_operator.seen import Seen

WHAT = "the claim of the workspace"


def ours(resource: MergeSearch, claim: Document) -> bool:
    """Whether a claim was made for the search. Who wants to keep it when the search goes may remove its owner."""
    meta, uid = claim["metadata"], resource.metadata.uid
    owners = {reference.get("uid") for reference in meta.get("ownerReferences", [])}
    return uid in owners or (not owners and meta.get("labels", {}).get(constants.SEARCH_UID) == uid)


def waited_for(seen: Seen) -> bool:
    """Whether a pod waits for a volume, which may be that of the workspace."""
    return seen.delay is not None and seen.delay.reason is Reason.VOLUME_UNAVAILABLE


def unusable(resource: MergeSearch, claim: Document, missing: Sequence[Launch]) -> list[ObservedChild]:
    """The launches that cannot have the claim that is there. Raises BlockedError while it is being deleted."""
    meta = claim["metadata"]
    if not ours(resource, claim):
        message = f"a claim {resource.metadata.namespace}/{meta['name']} belongs to somebody else; "
        message += "remove it, or rename the search"
        return [refusals.refused(launch, Reason.NAME_CONFLICT, message) for launch in missing]
    if missing and meta.get("deletionTimestamp"):
        why = f"the claim {meta['name']} of the workspace is being deleted; "
        why += "it is made anew when no pod uses it any more"
        raise BlockedError(missing[0], f"the Job of launch {missing[0].number}", faults.UnavailableError(why))
    return []


def was_there(resource: MergeSearch, seen: Sequence[Seen]) -> bool:
    """Whether a claim that is missing has been there before: something has run, or is there to run."""
    return bool(seen) or (resource.status is not None and bool(resource.status.preflight.fingerprints))


def lost(name: str) -> events.Note:
    """What is told of it."""
    message = f"the claim {name} of the workspace was gone and is made anew: weights that are needed are merged again"
    return events.Note("Warning", Reason.VOLUME_UNAVAILABLE.value, message)
