"""Pods that were never made, never ran, or whose containers nobody found again: no candidate's doing."""

from datetime import timedelta
from typing import Any

import pytest

from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from mergesearch_operator import delays, observe
from unit.operator.documents import NOW, at, child_of, container, job_of, pod_of

RESOURCE, CHILD = child_of("Merge")
PODS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "no-gpu-after-all": (
        {"reason": "UnexpectedAdmissionError", "message": "no healthy devices present"},
        "UnexpectedAdmissionError: no healthy devices present",
        True,
    ),
    "no-room-after-all": ({"reason": "OutOfcpu", "message": "Node is full"}, "OutOfcpu: Node is full", True),
    "forgotten-by-its-node": (
        container("terminated", exitCode=137, reason="ContainerStatusUnknown"),
        "Terminating: its node has restarted under it",
        True,
    ),
    "over-its-deadline": ({"reason": "DeadlineExceeded", "message": "too long"}, "too long", False),
    "killed": (container("terminated", exitCode=137, reason="Error"), "the container ended with code 137", False),
}


@pytest.mark.parametrize(("status", "message", "disrupted"), PODS.values(), ids=PODS.keys())
def test_what_a_node_has_refused_or_forgotten_is_charged_to_nobody(
    status: dict[str, Any], message: str, disrupted: bool
) -> None:
    made = job_of(RESOURCE, CHILD)
    (seen,) = observe.see_all(RESOURCE, [made], [pod_of(made, "Failed", **status)], NOW)
    assert seen.child.state is ChildState.ENDED
    assert seen.child.disrupted is disrupted
    assert seen.child.exit is not None
    assert seen.child.exit.message.startswith(message)
    assert (seen.child.exit.reason is Reason.DISRUPTED) is disrupted


def test_a_job_that_gets_no_pod_says_so_after_a_while_and_waits_for_ever() -> None:
    made = job_of(RESOURCE, CHILD, startTime=at(-10))
    (young,) = observe.see_all(RESOURCE, [made], [], NOW)
    assert young.child.waiting is None
    assert young.due == NOW - timedelta(seconds=10) + delays.STARTING
    (old,) = observe.see_all(RESOURCE, [made], [], NOW + timedelta(days=3))
    assert old.child.state is ChildState.PENDING
    assert old.child.waiting is not None
    assert f"kubectl describe job {CHILD.name}" in old.child.waiting.message
    assert old.due is None
