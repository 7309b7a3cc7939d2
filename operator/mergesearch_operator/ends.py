"""How the process of a launch has ended, as its pod says or, where that is gone, its Job; pure."""

import re
from dataclasses import replace

from mergesearch.contract import Exit
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import ChildState, ObservedChild, clip
from mergesearch.reasons import Reason
from mergesearch_operator import facts
from mergesearch_operator.client import Document

KILLED = 137
POLICY = "PodFailurePolicy"
"""Reason of a Job that a rule of its podFailurePolicy has ended."""
EXIT_CODE = re.compile(r"failed with exit code (\d+)")
"""What the Job controller says then."""
EMPTY_WORDS = ("Completed", "Error")
"""Reasons of a container that say no more than its exit code."""


def of_pod(launch: int, pod: Document) -> ObservedChild:
    """The end of a pod that has succeeded or failed: what its process said itself, or else its container."""
    terminated = facts.container_state(pod, "terminated")
    child = ObservedChild(
        launch=launch,
        state=ChildState.ENDED,
        started_at=facts.time(terminated.get("startedAt")),
        ended_at=facts.time(terminated.get("finishedAt")),
        image=facts.image(pod),
    )
    said = facts.termination(terminated.get("message", ""))
    status = pod["status"]
    if said is not None:
        unread, end = said.reports_digest is not None, said.exit
        if status.get("reason") == facts.DEADLINE and end.code != ExitCode.DONE:
            # The process only knows that it was asked to end.
            end = end.model_copy(update={"reason": Reason.DEADLINE_EXCEEDED, "message": status.get("message", "")})
        return replace(child, reports=said.reports, exit=end, unread=unread, reports_digest=said.reports_digest)
    code = int(terminated.get("exitCode", ExitCode.TRANSIENT))
    told = [terminated.get("message"), status.get("message"), terminated.get("reason"), status.get("reason")]
    words = next((text for text in told if text and text not in EMPTY_WORDS), "")
    reason = _reason_of_death(status.get("reason"), terminated.get("reason"), code)
    message = facts.tail(words) or f"the container ended with code {code} and said nothing"
    # A process that says nothing has not met its request, whatever its code.
    return replace(child, exit=Exit(code=code or ExitCode.TRANSIENT, reason=reason, message=message))


def _reason_of_death(pod: str | None, container: str | None, code: int) -> Reason | None:
    if pod == facts.DEADLINE:
        return Reason.DEADLINE_EXCEEDED
    if container == "OOMKilled":
        return Reason.OUT_OF_MEMORY
    return Reason.PROCESS_DIED if code in (0, KILLED) else None


def by_platform(launch: int, pod: Document) -> ObservedChild:
    """The end of a pod that the platform has taken away, or its node has refused or forgotten."""
    terminated = facts.container_state(pod, "terminated")
    condition = facts.condition(pod, "DisruptionTarget") or {}
    where = "has restarted under it" if terminated.get("reason") == facts.FORGOTTEN else "does not answer"
    words = condition.get("message") or pod.get("status", {}).get("message") or f"its node {where}"
    reason = condition.get("reason") or pod["status"].get("reason") or "Terminating"
    said = facts.termination(terminated.get("message", ""))
    return ObservedChild(
        launch=launch,
        state=ChildState.ENDED,
        reports=said.reports if said is not None else (),
        exit=Exit(
            code=ExitCode.TRANSIENT, reason=Reason.DISRUPTED, message=clip(f"{reason}: {words}", facts.LONGEST_MESSAGE)
        ),
        disrupted=True,
        started_at=facts.time(terminated.get("startedAt")) or facts.time(pod["status"].get("startTime")),
        ended_at=facts.time(terminated.get("finishedAt")) or facts.time(condition.get("lastTransitionTime")),
        image=facts.image(pod),
    )


def of_job(launch: int, job: Document) -> ObservedChild | None:
    """The end of a Job whose pod is gone; None where it has not ended."""
    conditions = facts.finished(job)
    child = done_and_gone(launch, job)
    if "Complete" in conditions or "SuccessCriteriaMet" in conditions:
        return child
    failed = conditions.get("Failed") or conditions.get("FailureTarget")
    if failed is None:
        return None
    end, disrupted = _of_failed(failed)
    at = facts.time(failed.get("lastTransitionTime"))
    return replace(child, exit=end, ended_at=at, disrupted=disrupted)


def done_and_gone(launch: int, job: Document) -> ObservedChild:
    """The end of a pod that has succeeded, as its Job says, and is gone."""
    status = job.get("status", {})
    return ObservedChild(
        launch=launch,
        state=ChildState.ENDED,
        exit=Exit(code=ExitCode.DONE, message="the pod is gone, and its termination message with it"),
        unread=True,
        started_at=facts.time(status.get("startTime")),
        ended_at=facts.time(status.get("completionTime")),
    )


def _of_failed(condition: Document) -> tuple[Exit, bool]:
    """How the process of a Job that has failed has ended, and whether nothing says that it failed itself.

    The Job controller names an exit code only where a rule of our own matched it, and a deadline only where somebody
    has given the Job one. `BackoffLimitExceeded` stands for all other ends: a process that has died, and as well a pod
    that its node has refused, that was removed, or that was lost with its node and its conditions. Then nobody is
    charged; there is a cap on that.
    """
    reason, words = condition.get("reason", "Failed"), condition.get("message", "")
    message = clip(f"{reason}: {words}; its pod is gone", facts.LONGEST_MESSAGE)
    code = EXIT_CODE.search(words) if reason == POLICY else None
    if code is not None:
        return Exit(code=int(code.group(1)), message=message), False
    if reason == facts.DEADLINE:
        return Exit(code=ExitCode.TRANSIENT, reason=Reason.DEADLINE_EXCEEDED, message=message), False
    return Exit(code=ExitCode.TRANSIENT, reason=Reason.DISRUPTED, message=message), True
