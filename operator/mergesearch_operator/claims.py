"""What is to be done about the claim of a workspace that is made from a template; pure.

none there          it is made; where there was one before, that is told
ours, going         it is waited for: pods that run keep it, and it is made anew, empty, when they have ended
ours                it is used
somebody else's     it is never used: the search stalls
"""

from collections.abc import Sequence

from mergesearch.api.resource import MergeSearch
from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from mergesearch_operator import constants, events, faults
from mergesearch_operator.client import Document
from mergesearch_operator.observe import Seen


def ours(resource: MergeSearch, claim: Document) -> bool:
    """Whether a claim was made for the search. Who wants to keep it when the search goes may remove its owner."""
    meta, uid = claim["metadata"], resource.metadata.uid
    owners = {reference.get("uid") for reference in meta.get("ownerReferences", [])}
    return uid in owners or (not owners and meta.get("labels", {}).get(constants.SEARCH_UID) == uid)


def waited_for(seen: Seen) -> bool:
    """Whether a pod waits for a volume, which may be that of the workspace."""
    pending = seen.child.state is ChildState.PENDING
    return pending and seen.delay is not None and seen.delay.reason is Reason.VOLUME_UNAVAILABLE


def going(name: str) -> faults.UnavailableError:
    """Why nothing new starts while the claim is being deleted."""
    return faults.UnavailableError(
        f"the claim {name} of the workspace is being deleted; it is made anew when no pod uses it any more"
    )


def was_there(resource: MergeSearch, seen: Sequence[Seen]) -> bool:
    """Whether a claim that is missing has been there before: something has run, or is there to run."""
    return bool(seen) or (resource.status is not None and bool(resource.status.preflight.fingerprints))


def lost(name: str) -> events.Note:
    """What is told of it."""
    message = f"the claim {name} of the workspace was gone and is made anew: weights that are needed are merged again"
    return events.Note("Warning", Reason.VOLUME_UNAVAILABLE.value, message)
