"""How Jobs are made, found and deleted, so that they match a status that was written."""

import copy

import pytest

from mergesearch_operator import constants, faults
from unit.operator.documents import Document
from unit.operator.memory import FIRST, KEY, SECOND, Memory, memory, reconciler, status_of


def test_a_recorded_launch_without_a_job_gets_one_under_its_name() -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    del cluster.jobs_there[FIRST]
    cluster.acts.clear()
    reconciler(cluster).step(KEY)
    assert cluster.acts == [f"POST {FIRST}"]


def hidden(of: Memory) -> dict[str, Document]:
    """Jobs that a list does not show yet, though their names are taken."""
    reconciler(of).step(KEY)
    there = of.jobs_there
    of.jobs = lambda key, uid: []  # type: ignore[method-assign]
    of.acts.clear()
    return there


def test_a_job_of_ours_that_was_made_unseen_is_adopted() -> None:
    cluster = memory()
    hidden(cluster)
    reconciler(cluster).step(KEY)
    assert cluster.acts == [f"POST {FIRST}", f"POST {SECOND}"]
    assert status_of(cluster).stalled is None


def test_a_job_of_ours_that_is_being_deleted_is_waited_for() -> None:
    cluster = memory()
    hidden(cluster)[FIRST]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(faults.UnavailableError, match="still going"):
        reconciler(cluster).step(KEY)
    assert cluster.acts == [f"POST {FIRST}"]


def test_the_name_of_a_foreign_job_stalls_the_search_in_the_same_step() -> None:
    cluster = memory()
    cluster.jobs_there[FIRST] = {"metadata": {"name": FIRST, "labels": {}, "uid": "theirs"}}
    reconciler(cluster).step(KEY)
    stalled = status_of(cluster).stalled
    assert stalled is not None
    assert stalled.reason == "NameConflict"
    assert FIRST in cluster.jobs_there


def test_a_job_that_no_launch_stands_for_is_deleted_and_one_that_is_going_is_not_deleted_twice() -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    extra = copy.deepcopy(cluster.jobs_there[FIRST])
    extra["metadata"] |= {"name": "soup-abcde-00099-m", "uid": "u"}
    extra["metadata"]["labels"][constants.LAUNCH] = "99"
    cluster.jobs_there["soup-abcde-00099-m"] = extra
    cluster.acts.clear()
    extra["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    reconciler(cluster).step(KEY)
    assert cluster.acts == []
    del extra["metadata"]["deletionTimestamp"]
    reconciler(cluster).step(KEY)
    assert cluster.acts == ["DELETE soup-abcde-00099-m"]
