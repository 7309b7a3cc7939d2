"""What Jobs and pods state of themselves, read from their documents; pure."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from mergesearch.contract import Termination
from mergesearch_operator import constants
from mergesearch_operator.client import Document

DEADLINE = "DeadlineExceeded"
"""Reason of a pod that has run for longer than it may."""
FORGOTTEN = "ContainerStatusUnknown"
"""Reason of a container that its node, started anew, has not found again."""
LONGEST_MESSAGE = 500


def finished(job: Document) -> dict[str, Document]:
    """The conditions by which a Job says that it is over; none while it is not."""
    ends = ("Complete", "SuccessCriteriaMet", "Failed", "FailureTarget")
    conditions = job.get("status", {}).get("conditions", [])
    return {one["type"]: one for one in conditions if one["type"] in ends and one["status"] == "True"}


def slices(job: Document) -> int:
    """How many pods share the request of a Job."""
    spec = job["spec"]
    return int(spec.get("completions") or 1) if spec.get("completionMode") == "Indexed" else 1


def index(pod: Document) -> int:
    """Which of the slices of its Job a pod is; 0 where it has no index."""
    text = pod["metadata"].get("annotations", {}).get(constants.COMPLETION_INDEX, "")
    return int(text) if text.isdecimal() else 0


def completed(job: Document) -> set[int]:
    """The slices that have succeeded as far as their Job says, whose pods may be gone."""
    found: set[int] = set()
    for part in job.get("status", {}).get("completedIndexes", "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            found |= set(range(int(first), int(last or first) + 1))
    return found


def succeeded(pod: Document) -> bool:
    """Whether its process has ended well."""
    return bool(pod.get("status", {}).get("phase") == "Succeeded")


def disrupted(pod: Document) -> bool:
    """Whether the platform ends it: eviction, preemption, a lost node."""
    found = condition(pod, "DisruptionTarget")
    return found is not None and found["status"] == "True"


def never_ran(pod: Document) -> bool:
    """Whether a failed pod says itself why, and not its container: its node could not take it after all, having lost
    its GPUs for instance, or has restarted under it.
    """
    reason, terminated = pod["status"].get("reason"), container_state(pod, "terminated")
    return terminated.get("reason") == FORGOTTEN or (bool(reason) and reason != DEADLINE and not terminated)


def asked_to_end(pod: Document) -> bool:
    """Whether somebody has deleted it who has not said why: a person, or the controller of its Job when another pod has
    failed.
    """
    return bool(pod["metadata"].get("deletionTimestamp")) and not disrupted(pod)


def lost_at(pod: Document) -> datetime | None:
    """When a pod that is being deleted counts as lost; its deletionTimestamp includes the grace period."""
    deleted = time(pod["metadata"].get("deletionTimestamp"))
    return None if deleted is None else deleted + timedelta(seconds=constants.TERMINATING_SECONDS)


def condition(pod: Document, kind: str) -> dict[str, Any] | None:
    """A condition, whether it holds or not."""
    conditions: list[dict[str, Any]] = pod.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), None)


def said_at(pod: Document, kind: str) -> datetime | None:
    """When a condition was last written in other words, as the record of who has written what says. The transition of
    the condition itself stays as it is while only its reason and its message change.
    """
    key = f'k:{{"type":"{kind}"}}'
    times = [
        time(entry.get("time"))
        for entry in pod["metadata"].get("managedFields", [])
        if key in entry.get("fieldsV1", {}).get("f:status", {}).get("f:conditions", {})
    ]
    return max((at for at in times if at is not None), default=None)


def waiting(pod: Document) -> Document:
    """What a container says that waits: one that has to start before the others first, for which they all wait."""
    before: list[Document] = pod.get("status", {}).get("initContainerStatuses", [])
    states = [status.get("state", {}).get("waiting") for status in before]
    return next((state for state in states if state), container_state(pod, "waiting"))


def container_state(pod: Document, which: str) -> Document:
    """What the container that meets the request says of a state; nothing where it is in another."""
    state: Document = _container(pod).get("state", {}).get(which) or {}
    return state


def image(pod: Document) -> str:
    """The image that ran, as the container runtime has resolved it."""
    container = _container(pod)
    return str(container.get("imageID") or container.get("image") or "")


def _container(pod: Document) -> Document:
    """The status of the container that meets the request; nothing where it has none yet."""
    statuses: list[Document] = pod.get("status", {}).get("containerStatuses", [])
    return next((status for status in statuses if status["name"] == constants.CONTAINER), {})


def termination(message: str) -> Termination | None:
    """What the process said at its end; None where it was killed, and the message is the end of its log."""
    try:
        return Termination.model_validate_json(message)
    except ValidationError:
        return None


def tail(text: str) -> str:
    """The end of a text: of a log, the last lines say most."""
    text = text.strip()
    return text if len(text) <= LONGEST_MESSAGE else "…" + text[-LONGEST_MESSAGE + 1 :]


def time(text: str | None) -> datetime | None:
    """A time as Kubernetes writes it."""
    return None if not text else datetime.fromisoformat(text)
