"""Whether a Job that is there was made for what its launch asks for; pure.

A request follows from the spec and the status, but also from the release that renders it: after an upgrade, or while
two releases run at once, the Job of a launch may carry another request than this release would give it. What such a
Job has reported counts where it answers the request all the same, which every report says by its hash. For the rest
the Job is over: its launch ends as if the platform had ended it, so that it is deleted, its records are sent back and
nothing is charged. The pauses grow and the cap of disruptions stalls the search, so that something which edits
annotations, or another release, cannot have Jobs deleted and made for ever.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch.contract import Exit
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import children
from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from mergesearch_operator import constants
from mergesearch_operator.client import Document
from mergesearch_operator.manifests import job as manifests
from mergesearch_operator.seen import Seen


def checked(resource: MergeSearch, jobs: Iterable[Document], seen: Sequence[Seen]) -> list[Seen]:
    """The Jobs as they were seen; those that were made for another request have ended."""
    status = resource.status or MergeSearchStatus()
    launches = {launch.number: launch for launch in status.launches}
    made_for = {job["metadata"]["name"]: _digest_of(job) for job in jobs}
    found = []
    for one in seen:
        launch = launches.get(one.child.launch)
        asked = None if launch is None else manifests.request_digest(children.child(resource, status, launch))
        found.append(one if asked is None or asked == made_for[one.name] else _over(one))
    return found


def _digest_of(job: Document) -> str:
    """Of the request that a Job was made for; empty where it does not say so."""
    return str(job["metadata"].get("annotations", {}).get(constants.REQUEST_DIGEST, ""))


def _over(seen: Seen) -> Seen:
    message = (
        f"the Job {seen.name} was made for another request: by another release of the operator, or somebody has "
        f"changed its annotation {constants.REQUEST_DIGEST}"
    )
    end = Exit(code=ExitCode.TRANSIENT, reason=Reason.DISRUPTED, message=message)
    child = replace(seen.child, state=ChildState.ENDED, exit=end, disrupted=True, waiting=None)
    return replace(seen, child=child, delay=None, due=None)
