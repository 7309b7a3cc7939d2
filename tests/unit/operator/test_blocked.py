"""What a step does while something keeps it from going on: a quota, a spec that cannot work."""

from datetime import timedelta
from typing import Any, cast

import pytest

from mergesearch.api.status import MergeSearchStatus
from mergesearch.lifecycle.step import Observed
from mergesearch_operator import constants, decisions, faults
from mergesearch_operator.cluster import Cluster
from mergesearch_operator.reconcile import Reconciler, Written
from unit.lifecycle.world import resource
from unit.operator.documents import IMAGES, NOW
from unit.operator.memory import FIRST, KEY, SECOND, TEMPLATE, Memory, memory, reconciler, status_of

QUOTA = faults.ForbiddenError("exceeded quota: few, requested: a=1, used: a=7, limited: a=7", code=403)


def blocked(at: str, used: int = 7, **parts: Any) -> Memory:
    """A search whose first step is forbidden to make something."""
    cluster = memory(**parts)
    forbid(cluster, at, used)
    with pytest.raises(faults.ForbiddenError):
        reconciler(cluster).step(KEY)
    return cluster


def forbid(cluster: Memory, at: str, used: int = 7) -> None:
    error = faults.ForbiddenError(f"exceeded quota: few, requested: a=1, used: a={used}, limited: a=7", code=403)
    cluster.faults = lambda act: error if act == at else None


def told(cluster: Memory) -> tuple[str, str]:
    """Reason and message of what `kubectl get` shows while a search goes on."""
    return next((str(c.reason), c.message) for c in status_of(cluster).conditions if c.type == "Reconciling")


WAITS = {"claim": ("POST claim", "the claim of the workspace"), "job": (f"POST {FIRST}", f"the Job {FIRST}")}


@pytest.mark.parametrize(("act", "what"), WAITS.values(), ids=WAITS.keys())
def test_what_is_forbidden_stands_in_the_condition_and_nothing_is_charged(act: str, what: str) -> None:
    cluster = blocked(act, storage=TEMPLATE)
    message = f"{what} cannot be made for now: exceeded quota: few, requested: a=1, limited: a=7"
    assert told(cluster) == ("Forbidden", message)
    assert status_of(cluster).stalled is None
    assert [(event["reason"], event["message"]) for event in cluster.events][:1] == [("Forbidden", message)]


def test_a_further_try_that_is_forbidden_writes_and_tells_nothing_whoever_makes_it() -> None:
    cluster = blocked(f"POST {FIRST}")
    cluster.acts.clear()
    for used in (7, 9):
        forbid(cluster, f"POST {FIRST}", used)
        cluster.now += timedelta(minutes=5)
        with pytest.raises(faults.ForbiddenError):
            reconciler(cluster).step(KEY)
    assert cluster.acts == [f"POST {FIRST}"] * 2
    assert told(cluster)[0] == "Forbidden"


def test_what_was_forbidden_is_forgotten_when_it_is_there() -> None:
    cluster = blocked(f"POST {FIRST}")
    cluster.faults = lambda _act: None
    for _ in range(2):
        reconciler(cluster).step(KEY)
    assert told(cluster) == ("Running", "")
    assert status_of(cluster).blocked is None


def test_what_was_forbidden_is_forgotten_when_it_is_not_wanted_any_more() -> None:
    cluster = blocked(f"POST {FIRST}")
    assert cluster.document is not None
    cluster.document["spec"] |= {"suspend": True, "suspendPolicy": "Now"}
    reconciler(cluster).step(KEY)
    assert status_of(cluster).blocked is None
    assert status_of(cluster).launches == ()


def test_another_thing_that_is_forbidden_takes_the_place_of_the_first() -> None:
    cluster = blocked(f"POST {FIRST}")
    forbid(cluster, f"POST {SECOND}")
    for _ in range(2):
        with pytest.raises(faults.ForbiddenError):
            reconciler(cluster).step(KEY)
    assert told(cluster)[1].startswith(f"the Job {SECOND} cannot be made")


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
    cluster = blocked(f"POST {FIRST}")
    assert [event["reason"] for event in cluster.events] == ["Forbidden", "Preflight"]
    assert status_of(cluster).start_time is not None


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


def refused_while(reason: str, code: int, times: int | None) -> Memory:
    """A search that is stalled for something, whose next status is refused so many times."""
    cluster = memory()
    reconciler(cluster).step(KEY)
    assert cluster.document is not None
    cluster.document["status"]["stalled"] = {"reason": reason, "message": "words"}
    cluster.events.clear()
    left = iter(range(100 if times is None else times))
    refused = faults.RefusedError("no", code=code)
    cluster.faults = lambda act: refused if act == "PUT status" and next(left, None) is not None else None
    with pytest.raises(faults.RefusedError):
        reconciler(cluster).step(KEY)
    return cluster


def test_a_status_that_is_refused_takes_the_place_of_a_stall_that_only_waits() -> None:
    stalled = status_of(refused_while("ImageUnavailable", 413, 1)).stalled
    assert stalled is not None
    assert (stalled.reason, stalled.message) == ("StatusTooLarge", "the API server does not take the status: no")


@pytest.mark.parametrize(("reason", "times"), [("NameConflict", 1), ("ImageUnavailable", None)])
def test_a_status_that_is_refused_while_another_stall_stands_is_told_by_an_event(
    reason: str, times: int | None
) -> None:
    cluster = refused_while(reason, 422, times)
    (event,) = cluster.events
    assert (event["reason"], event["message"]) == ("RequestRefused", "the API server does not take the status: no")
    stalled = status_of(cluster).stalled
    assert stalled is not None
    assert stalled.reason == reason


def test_every_status_of_a_step_that_looks_twice_is_told() -> None:
    cluster = memory()
    cluster.jobs_there[FIRST] = {"metadata": {"name": FIRST, "labels": {}, "uid": "theirs"}, "spec": {}}
    told: list[Written] = []
    Reconciler(cast("Cluster", cluster), IMAGES, told.append).step(KEY)
    first, second = told
    assert first.before == MergeSearchStatus()
    assert second.before == first.resource.status
    assert second.resource.status == status_of(cluster)


def test_the_problems_of_a_spec_are_told_anew_when_it_was_edited() -> None:
    both = resource(search={"maxEvaluations": 2}, merge={"tokenizerFrom": "nobody"})
    first = decisions.decide(both, MergeSearchStatus(), Observed(), NOW)
    one = resource(search={"maxEvaluations": 9}, merge={"tokenizerFrom": "nobody"})
    edited = one.model_copy(update={"metadata": one.metadata.model_copy(update={"generation": 2})})
    second = decisions.decide(edited, first, Observed(), NOW + timedelta(hours=1))
    assert first.stalled is not None
    assert second.stalled is not None
    assert len(first.stalled.message.splitlines()) == len(second.stalled.message.splitlines()) + 1
    assert second.observed_generation == 2
    assert second.start_time == first.start_time
    assert decisions.decide(edited, second, Observed(), NOW + timedelta(hours=2)) is second
