"""How a launch has ended, as its pod says."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mergesearch.contract import Exit, termination_message
from mergesearch.reasons import Reason
from mergesearch_operator import facts
from unit.operator.documents import NOW, Document, at, container, disruption, finished, scheduled
from unit.operator.launches import (
    ENDED,
    GONE,
    GOOD,
    INTERRUPTED,
    LOST,
    NOTHING,
    REPORT,
    Case,
    check,
    died,
    job,
    one,
    see,
    terminating,
)


def by_platform(pods: Callable[[Document], list[Document]], message: str) -> Case:
    """Nothing of what the process did is to blame."""
    return Case(pods, ENDED, code=LOST, reason=Reason.DISRUPTED, message=message, disrupted=True)


CASES = {
    "suspended-too-late": Case(died(0, GOOD), ENDED, code=0, job=lambda: job(suspend=True)),
    "suspended-when-it-was-over": Case(
        NOTHING,
        ENDED,
        code=0,
        message=GONE,
        job=lambda: job(suspend=True, status={"conditions": [finished("Complete")]}),
    ),
    "node-does-not-answer": by_platform(
        terminating("Running", -121, **container("running", startedAt=at(-30))), "Terminating: its node does not answer"
    ),
    "never-started-on-a-dead-node": by_platform(
        terminating("Pending", -121, conditions=[scheduled()]), "Terminating: its node does not answer"
    ),
    "done": Case(died(0, GOOD), ENDED, code=0),
    "refused-the-request": Case(
        died(64, termination_message([], Exit(code=64, reason=Reason.CHECKPOINT_MISSING, message="m-0 is missing"))),
        ENDED,
        code=64,
        reason=Reason.CHECKPOINT_MISSING,
        message="m-0 is missing",
    ),
    "ended-well-and-said-nothing": Case(
        died(0),
        ENDED,
        code=LOST,
        reason=Reason.PROCESS_DIED,
        message="the container ended with code 0 and said nothing",
    ),
    "crashed-with-a-log": Case(
        died(1, "Traceback\nValueError: x\n"), ENDED, code=1, message="Traceback\nValueError: x"
    ),
    "killed-for-memory": Case(
        died(137, reason="OOMKilled"), ENDED, code=137, reason=Reason.OUT_OF_MEMORY, message="OOMKilled"
    ),
    "killed-by-somebody": Case(
        died(137),
        ENDED,
        code=137,
        reason=Reason.PROCESS_DIED,
        message="the container ended with code 137 and said nothing",
    ),
    "ran-for-too-long": Case(
        one(
            "Failed", reason="DeadlineExceeded", message="Pod was active on the node longer than the specified deadline"
        ),
        ENDED,
        code=LOST,
        reason=Reason.DEADLINE_EXCEEDED,
        message="Pod was active on the node longer than the specified deadline",
    ),
    "evicted": by_platform(
        one("Failed", reason="Evicted", conditions=[disruption("TerminationByKubelet")]),
        "TerminationByKubelet: eviction: evicting",
    ),
    "evicted-and-still-terminating": by_platform(
        one("Running", conditions=[disruption()], **container("running", startedAt=at(-30))),
        "EvictionByEvictionAPI: eviction: evicting",
    ),
    "done-before-it-could-be-evicted": Case(
        one("Succeeded", conditions=[disruption()], **container("terminated", exitCode=0, message=GOOD)), ENDED, code=0
    ),
    "pod-gone-after-success": Case(
        NOTHING,
        ENDED,
        code=0,
        message=GONE,
        job=lambda: job(status={"conditions": [finished("SuccessCriteriaMet"), finished("Complete")]}),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_launch_has_ended_as_its_pod_says(case: Case) -> None:
    check(case)


def test_reports_come_from_the_termination_message_and_the_image_from_the_runtime() -> None:
    made = job()
    seen = see(made, *died(0, GOOD)(made))
    assert seen.child.reports == (REPORT,)
    assert seen.child.image == "example.org/merger@sha256:1"
    assert (seen.child.started_at, seen.child.ended_at) == (NOW - timedelta(seconds=60), NOW - timedelta(seconds=10))


def test_the_deadline_is_told_and_not_that_the_process_was_asked_to_end() -> None:
    made = job()
    pods = died(143, INTERRUPTED)(made)
    pods[0]["status"] |= {"reason": "DeadlineExceeded", "message": "active for too long"}
    end = see(made, *pods).child.exit
    assert end == Exit(code=143, reason=Reason.DEADLINE_EXCEEDED, message="active for too long")


def test_a_report_counts_even_where_the_platform_ended_the_pod() -> None:
    made = job()
    pods = died(143, termination_message([REPORT], Exit(code=143)), conditions=[disruption()])(made)
    seen = see(made, *pods)
    assert seen.child.reports == (REPORT,)
    assert seen.child.disrupted


def test_the_end_of_a_long_log_is_kept() -> None:
    made = job()
    end = see(made, *died(1, "x" * 3000 + "\nthe cause")(made)).child.exit
    assert end is not None
    assert len(end.message) == facts.LONGEST_MESSAGE
    assert end.message.endswith("\nthe cause")
