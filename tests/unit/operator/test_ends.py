"""Jobs that have failed and whose pods are gone: what is charged, and what is not."""

from datetime import timedelta

import pytest

from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import ChildState
from mergesearch.reasons import Reason
from mergesearch_operator import observe
from unit.operator.documents import NOW, Document, at, child_of, finished, job_of
from unit.operator.memory import KEY, memory, reconciler, status_of

RESOURCE, CHILD = child_of("Evaluate")
RULE = "Container main for pod default/soup-x failed with exit code {} matching FailJob rule at index 1"
LOST = int(ExitCode.TRANSIENT)
LIMIT = "Job has reached the specified backoff limit"
LONG = "Job was active longer than specified deadline"
FAILED: dict[str, tuple[Document, int, Reason | None, bool]] = {
    "nobody-knows": ({"reason": "BackoffLimitExceeded", "message": LIMIT}, LOST, Reason.DISRUPTED, True),
    "no-words": ({}, LOST, Reason.DISRUPTED, True),
    "our-request-was-wrong": ({"reason": "PodFailurePolicy", "message": RULE.format(64)}, 64, None, False),
    "our-candidate-was-wrong": ({"reason": "PodFailurePolicy", "message": RULE.format(65)}, 65, None, False),
    "no-space": ({"reason": "PodFailurePolicy", "message": RULE.format(66)}, 66, None, False),
    "a-rule-of-others": ({"reason": "PodFailurePolicy", "message": "by a condition"}, LOST, Reason.DISRUPTED, True),
    "a-deadline-of-others": ({"reason": "DeadlineExceeded", "message": LONG}, LOST, Reason.DEADLINE_EXCEEDED, False),
}


@pytest.mark.parametrize("kind", ["Failed", "FailureTarget"])
@pytest.mark.parametrize(("facts", "code", "reason", "disrupted"), FAILED.values(), ids=FAILED.keys())
def test_only_what_the_job_says_of_our_process_is_charged_when_its_pod_is_gone(
    facts: Document, code: int, reason: Reason | None, disrupted: bool, kind: str
) -> None:
    made = job_of(RESOURCE, CHILD, startTime=at(-60), conditions=[finished(kind, **facts)])
    (seen,) = observe.see_all(RESOURCE, [made], [], NOW)
    child = seen.child
    assert child.state is ChildState.ENDED
    assert child.exit is not None
    assert (child.exit.code, child.exit.reason, child.disrupted) == (code, reason, disrupted)
    assert child.exit.message.endswith("its pod is gone")
    assert child.unread, "what a batch has published before lies on the workspace"
    assert child.ended_at == NOW - timedelta(seconds=3)


def test_pods_that_always_vanish_stall_the_search_in_the_end() -> None:
    cluster = memory()
    for _ in range(40):
        reconciler(cluster).step(KEY)
        for job in cluster.jobs_there.values():
            job["status"] = {"conditions": [finished("Failed", reason="BackoffLimitExceeded", message=LIMIT)]}
        cluster.now += timedelta(minutes=10)
    status = status_of(cluster)
    assert status.stage_failures == {}
    assert status.stalled is not None
    assert status.stalled.reason is Reason.DISRUPTED_TOO_OFTEN
    assert sum(act.startswith("POST soup") for act in cluster.acts) == 22, "two halves, eleven times each"


def test_words_of_a_job_that_are_cut_carry_a_mark() -> None:
    made = job_of(RESOURCE, CHILD, conditions=[finished("Failed", reason="Failed", message="x" * 900)])
    end = observe.see_all(RESOURCE, [made], [], NOW)[0].child.exit
    assert end is not None
    assert end.message.endswith("x…")
