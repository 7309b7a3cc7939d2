"""What a step does while something keeps it from going on: a quota, a spec that cannot work."""

from datetime import timedelta

import pytest

from mergesearch.api.status import MergeSearchStatus
from mergesearch.lifecycle.step import Observed
from mergesearch_operator import constants, faults, reconcile
from unit.lifecycle.world import resource
from unit.operator.documents import NOW
from unit.operator.test_reconcile import FIRST, KEY, SECOND, memory, reconciler, status_of

QUOTA = faults.UnavailableError("exceeded quota: count/jobs.batch", code=403)


def test_what_is_over_is_deleted_first_since_a_quota_of_jobs_may_count_it() -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    over = cluster.jobs_there.pop(FIRST)
    over["metadata"] |= {"name": "soup-abcde-00099-m"}
    over["metadata"]["labels"][constants.LAUNCH] = "99"
    cluster.jobs_there["soup-abcde-00099-m"] = over
    cluster.faults = lambda act: QUOTA if act.startswith("POST soup") and len(cluster.jobs_there) >= 2 else None
    cluster.acts.clear()
    reconciler(cluster).step(KEY)
    assert cluster.acts == ["DELETE soup-abcde-00099-m", f"POST {FIRST}"]
    assert sorted(cluster.jobs_there) == [FIRST, SECOND]


def test_what_was_decided_is_told_although_the_jobs_cannot_be_made() -> None:
    cluster = memory()
    cluster.faults = lambda act: QUOTA if act == f"POST {FIRST}" else None
    with pytest.raises(faults.UnavailableError):
        reconciler(cluster).step(KEY)
    assert [event["reason"] for event in cluster.events] == ["Forbidden", "Preflight"]
    with pytest.raises(faults.UnavailableError):
        reconciler(cluster).step(KEY)
    assert status_of(cluster).start_time is not None
    assert [event["reason"] for event in cluster.events[2:]] == ["Forbidden"], "once is enough"


def test_where_no_status_at_all_can_be_written_an_event_says_so_once() -> None:
    cluster = memory()
    refused = faults.RefusedError("spec.search: a rule of a later release", code=422)
    cluster.faults = lambda act: refused if act == "PUT status" else None
    for _ in range(2):
        with pytest.raises(faults.RefusedError):
            reconciler(cluster).step(KEY)
    (first, again) = cluster.events
    assert first["reason"] == "RequestRefused"
    assert "a rule of a later release" in first["message"]
    assert first["metadata"]["name"] == again["metadata"]["name"], "the API server keeps one"
    assert not cluster.jobs_there


def test_a_step_that_looks_twice_tells_what_it_has_found_at_first() -> None:
    cluster = memory()
    cluster.jobs_there[FIRST] = {"metadata": {"name": FIRST, "labels": {}, "uid": "theirs"}}
    done = reconciler(cluster).step(KEY)
    assert status_of(cluster).stalled is not None
    assert done.before == MergeSearchStatus()


def test_the_problems_of_a_spec_are_told_anew_when_it_was_edited() -> None:
    both = resource(search={"maxEvaluations": 2}, merge={"tokenizerFrom": "nobody"})
    first = reconcile.decide(both, MergeSearchStatus(), Observed(), NOW)
    one = resource(search={"maxEvaluations": 9}, merge={"tokenizerFrom": "nobody"})
    edited = one.model_copy(update={"metadata": one.metadata.model_copy(update={"generation": 2})})
    second = reconcile.decide(edited, first, Observed(), NOW + timedelta(hours=1))
    assert first.stalled is not None
    assert second.stalled is not None
    assert len(first.stalled.message.splitlines()) == len(second.stalled.message.splitlines()) + 1
    assert second.observed_generation == 2
    assert second.start_time == first.start_time
    assert reconcile.decide(edited, second, Observed(), NOW + timedelta(hours=2)) is second
