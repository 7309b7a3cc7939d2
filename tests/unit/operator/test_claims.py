"""The claim of a workspace that is made from a template, when it is gone, is going, or is somebody else's."""

from datetime import timedelta

import pytest

from mergesearch_operator import constants, faults
from unit.operator.documents import Document, pod_of, unscheduled
from unit.operator.memory import FIRST, KEY, SECOND, TEMPLATE, Memory, memory, reconciler, status_of
from unit.operator.test_blocked import told

NAME = "soup-abcde-workspace"
GONE = 'persistentvolumeclaim "soup-abcde-workspace" not found'


def begun() -> Memory:
    """A search whose claim and first two Jobs were made."""
    cluster = memory(storage=TEMPLATE)
    reconciler(cluster).step(KEY)
    cluster.acts.clear()
    cluster.events.clear()
    return cluster


def test_a_workspace_is_claimed_before_the_first_job() -> None:
    cluster = memory(storage=TEMPLATE)
    reconciler(cluster).step(KEY)
    assert cluster.acts[:3] == ["PUT status", "POST claim", f"POST {FIRST}"]
    (claim,) = cluster.claims
    assert claim["metadata"]["name"] == "soup-abcde-workspace"


def test_a_claim_that_is_refused_stalls_the_search_with_the_words_of_the_server() -> None:
    cluster = memory(storage=TEMPLATE)
    cluster.faults = lambda act: faults.RefusedError("no such class", code=422) if act == "POST claim" else None
    reconciler(cluster).step(KEY)
    stalled = status_of(cluster).stalled
    assert stalled is not None
    assert "refuses the claim of the workspace: no such class" in stalled.message
    assert not cluster.jobs_there


def wait_for_the_claim(cluster: Memory) -> None:
    """The pod of the first Job finds no claim."""
    pod = pod_of(cluster.jobs_there[FIRST], "Pending", conditions=[unscheduled(GONE)])
    cluster.pods = lambda key, uid: [pod]  # type: ignore[method-assign]


def test_a_claim_that_is_gone_is_made_anew_before_a_job_that_needs_it_although_others_run() -> None:
    cluster = begun()
    cluster.claims.clear()
    del cluster.jobs_there[FIRST]
    reconciler(cluster).step(KEY)
    assert cluster.acts == ["POST claim", "POST event", f"POST {FIRST}"]
    (event,) = cluster.events
    assert event["reason"] == "VolumeUnavailable"
    assert f"the claim {NAME} of the workspace was gone" in event["message"]


def test_a_claim_that_a_pod_waits_for_is_made_anew() -> None:
    cluster = begun()
    cluster.claims.clear()
    wait_for_the_claim(cluster)
    reconciler(cluster).step(KEY)
    assert "POST claim" in cluster.acts


def test_the_first_claim_is_no_loss_and_one_that_nothing_needs_is_not_made() -> None:
    cluster = memory(storage=TEMPLATE)
    reconciler(cluster).step(KEY)
    assert [event["reason"] for event in cluster.events] == ["Preflight"]
    cluster.claims.clear()
    cluster.acts.clear()
    reconciler(cluster).step(KEY)
    assert cluster.acts == []


def test_nothing_starts_on_a_claim_that_is_being_deleted_and_the_condition_says_so_once() -> None:
    cluster = begun()
    cluster.claims[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    del cluster.jobs_there[FIRST]
    for _ in range(2):
        with pytest.raises(faults.UnavailableError):
            reconciler(cluster).step(KEY)
        cluster.now += timedelta(minutes=5)
    assert cluster.acts == ["PUT status", "POST event"]
    reason, message = told(cluster)
    assert reason == "VolumeUnavailable"
    assert f"the claim {NAME} of the workspace is being deleted" in message
    cluster.claims.clear()
    for _ in range(2):
        reconciler(cluster).step(KEY)
    assert sorted(cluster.jobs_there) == [FIRST, SECOND]
    assert status_of(cluster).blocked is None


FOREIGN: dict[str, Document] = {
    "of-nobody": {"name": NAME},
    "of-another": {"name": NAME, "ownerReferences": [{"uid": "another"}], "labels": {constants.SEARCH_UID: "abcdef-1"}},
}


@pytest.mark.parametrize("meta", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_claim_of_somebody_else_is_not_used_and_stalls_the_search(meta: Document) -> None:
    cluster = memory(storage=TEMPLATE)
    cluster.claims.append({"metadata": meta})
    reconciler(cluster).step(KEY)
    stalled = status_of(cluster).stalled
    assert stalled is not None
    assert stalled.reason == "NameConflict"
    assert f"a claim default/{NAME} belongs to somebody else" in stalled.message
    assert not cluster.jobs_there


def test_a_claim_whose_owner_was_removed_so_that_it_stays_is_still_used() -> None:
    cluster = begun()
    del cluster.claims[0]["metadata"]["ownerReferences"]
    del cluster.jobs_there[FIRST]
    reconciler(cluster).step(KEY)
    assert cluster.acts == [f"POST {FIRST}"]


FORBIDDEN = faults.ForbiddenError(
    'User "system:serviceaccount:x" cannot get resource "persistentvolumeclaims"', code=403
)


def test_without_the_right_to_look_for_the_claim_nothing_starts_and_the_condition_says_so_once() -> None:
    cluster = memory(storage=TEMPLATE)
    cluster.faults = lambda act: FORBIDDEN if act == "GET claim" else None
    for _ in range(2):
        with pytest.raises(faults.ForbiddenError):
            reconciler(cluster).step(KEY)
    reason, message = told(cluster)
    assert reason == "Forbidden"
    assert message.startswith("the claim of the workspace cannot be made for now: User")
    assert cluster.acts.count("PUT status") == 2
    assert not cluster.jobs_there


@pytest.mark.parametrize("act", ["GET claim", "POST claim"])
def test_what_is_forbidden_of_the_claim_stops_no_step_of_a_search_that_makes_no_job(act: str) -> None:
    cluster = begun()
    cluster.claims.clear()
    wait_for_the_claim(cluster)
    cluster.faults = lambda what: FORBIDDEN if what == act else None
    assert reconciler(cluster).step(KEY).resource is not None


@pytest.mark.parametrize("how", ["not-wanted", "going"])
def test_no_claim_is_made_for_a_pod_that_goes(how: str) -> None:
    cluster = begun()
    cluster.claims.clear()
    wait_for_the_claim(cluster)
    if how == "not-wanted":
        assert cluster.document is not None
        cluster.document["spec"] |= {"suspend": True, "suspendPolicy": "Now"}
    else:
        for job in cluster.jobs_there.values():
            job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    reconciler(cluster).step(KEY)
    assert "POST claim" not in cluster.acts


def test_nothing_is_made_on_a_claim_that_was_made_meanwhile_before_it_is_known_whose_it_is() -> None:
    cluster = memory(storage=TEMPLATE)

    def another(act: str) -> Exception | None:
        if act != "POST claim":
            return None
        cluster.claims.append({"metadata": FOREIGN["of-another"]})
        return faults.ExistsError("taken")

    cluster.faults = another
    with pytest.raises(faults.UnavailableError, match=f"the claim {NAME} was made meanwhile"):
        reconciler(cluster).step(KEY)
    reconciler(cluster).step(KEY)
    assert not cluster.jobs_there
    stalled = status_of(cluster).stalled
    assert stalled is not None
    assert stalled.reason == "NameConflict"
