"""Which Jobs and pods make up a launch, and when to look at it again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mergesearch.contract import Exit, Termination, digest_of
from mergesearch_operator import constants, observe
from unit.operator.documents import NOW, Document, at, child_of, container, disruption, job_of, pod_of, unscheduled
from unit.operator.launches import (
    CHILD,
    ENDED,
    GOOD,
    PENDING,
    REPORT,
    RESOURCE,
    RUNNING,
    Case,
    check,
    job,
    one,
    see,
    terminating,
)

CASES = {
    "running": Case(one("Running", **container("running", startedAt=at(-30))), RUNNING),
    "asked-to-end": Case(terminating("Running", -119, **container("running", startedAt=at(-30))), RUNNING),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_launch_runs_while_its_pod_does(case: Case) -> None:
    check(case)


def test_of_two_pods_the_one_that_succeeded_counts_else_the_newest() -> None:
    made = job()
    evicted = pod_of(made, "Failed", name="old", created=-500, conditions=[disruption()])
    assert see(made, evicted, pod_of(made, "Pending", name="new", created=-20)).child.disrupted
    newer = pod_of(made, "Running", name="new", created=-20, **container("running", startedAt=at(-10)))
    assert see(made, evicted, newer).child.state is RUNNING, "a replacement that runs goes on"
    well = pod_of(made, "Succeeded", name="well", created=-400, **container("terminated", exitCode=0, message=GOOD))
    assert see(made, evicted, well, newer).child.reports == (REPORT,)
    failed = pod_of(made, "Failed", name="failed", created=-500)
    assert see(made, failed, newer).child.state is RUNNING


@pytest.mark.parametrize(
    ("pods", "due"),
    [
        (terminating("Running", -20, **container("running", startedAt=at(-30))), constants.TERMINATING_SECONDS - 20),
        (one("Running", **container("running", startedAt=at(-30))), None),
        (one("Pending", conditions=[unscheduled("Insufficient nvidia.com/gpu")]), None),
    ],
    ids=["terminating", "running", "queueing"],
)
def test_it_is_known_when_to_look_again(pods: Callable[[Document], list[Document]], due: float | None) -> None:
    made = job()
    seen = see(made, *pods(made))
    assert seen.due == (None if due is None else NOW + timedelta(seconds=due))
    if due is not None:
        assert see(made, *pods(made), now=NOW + timedelta(seconds=due)).child.state is ENDED


def test_a_job_that_is_being_deleted_is_going() -> None:
    made = job()
    made["metadata"]["deletionTimestamp"] = at(-1)
    assert see(made).going
    assert (see(job()).name, see(job()).uid, see(job()).going) == (CHILD.name, f"uid-of-{CHILD.name}", False)


def test_reports_that_are_too_long_stand_in_the_log() -> None:
    made = job()
    pointer = Termination(exit=Exit(code=0), reports_digest=digest_of([REPORT])).to_json()
    seen = see(made, *one("Succeeded", **container("terminated", exitCode=0, message=pointer))(made))
    assert (seen.pod, seen.child.reports, seen.child.unread) == ("pod", (), True)
    read = seen.with_log(f"{REPORT.to_json()}\n").child
    assert (read.reports, read.unread) == ((REPORT,), False)


def _foreign(change: Callable[[Document], Any]) -> Document:
    made = job()
    change(made["metadata"])
    return made


@pytest.mark.parametrize(
    "made",
    [
        _foreign(lambda meta: meta.update(ownerReferences=[])),
        _foreign(lambda meta: meta.update(ownerReferences=[{"uid": "another"}])),
        _foreign(lambda meta: meta["labels"].pop(constants.LAUNCH)),
        _foreign(lambda meta: meta["labels"].update({constants.LAUNCH: "x"})),
        _foreign(lambda meta: meta.update(name=meta["name"] + "-copy") or meta.update(name="copy-of-" + meta["name"])),
        _foreign(lambda meta: meta["labels"].update({constants.LAUNCH: "99"})),
    ],
    ids=["unowned", "of-another", "no-launch", "odd-launch", "copied", "another-launch"],
)
def test_what_a_person_has_made_with_our_labels_is_no_child(made: Document) -> None:
    assert observe.see_all(RESOURCE, [made], [], NOW) == []


def test_pods_are_those_of_their_job_and_no_other() -> None:
    other = job_of(*child_of("Evaluate"))
    assert see(job(), pod_of(other, "Running", **container("running", startedAt=at(-30)))).child.state is PENDING
