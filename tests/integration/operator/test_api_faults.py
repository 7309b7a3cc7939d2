"""The API server refuses, is overloaded, loses answers: the search has the history that it has without all that."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mergesearch_operator import constants
from support.api_proxy import Call, Fault
from support.history import history
from support.operator_bed import Bed, condition, undisturbed

OURS = ("mergesearches", "mergesearches/status", "jobs", "pods")


@dataclass
class Every:
    """A fault at every so many requests of some kind."""

    wanted: Callable[[Call], bool]
    fault: Fault
    period: int
    turn: "itertools.count[int]" = field(default_factory=itertools.count)

    def plan(self, call: Call) -> Fault | None:
        if not self.wanted(call):
            return None
        return self.fault if next(self.turn) % self.period == 0 else None


def _status(call: Call) -> bool:
    return (call.verb, call.resource) == ("PUT", "mergesearches/status")


def _read(call: Call) -> bool:
    return call.verb == "GET" and call.resource in OURS


def _write(call: Call) -> bool:
    return call.write > 0


def _create(call: Call) -> bool:
    return (call.verb, call.resource) == ("POST", "jobs")


# A step reads three times: with a fault at every third read none would come through.
CASES = {
    "conflict-on-status": (_status, Fault(answer=409, reason="Conflict"), 3),
    "too-many-requests": (_read, Fault(answer=429, reason="TooManyRequests", headers={"Retry-After": "1"}), 7),
    "server-error-on-writes": (_write, Fault(answer=500, reason="InternalError"), 7),
    "unavailable-on-reads": (_read, Fault(answer=503, reason="ServiceUnavailable"), 7),
    "answer-to-a-create-lost": (_create, Fault(lose=True), 3),
    "answer-to-a-write-lost": (_write, Fault(lose=True), 7),
    "slow-answers": (_read, Fault(seconds=0.3), 7),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_many_requests_go_wrong_and_the_history_is_the_same(bed: Bed, case: str) -> None:
    kubelet = bed.kubelet()
    proxy = bed.proxy(Every(*CASES[case]).plan)
    operator = bed.behind(proxy, resync_seconds="2").start()
    uid = bed.create()
    resource = bed.until_complete(seconds=120)
    bed.wait(lambda: not bed.jobs())
    expected, calm = undisturbed()
    assert history(resource) == expected
    assert sorted(kubelet.world(uid).written) == sorted(calm.written)
    assert proxy.served >= 3
    assert "Traceback" not in operator.log()


def test_after_a_conflict_nothing_is_acted_on_before_the_status_stands(bed: Bed) -> None:
    first = itertools.count()
    proxy = bed.proxy(lambda call: Fault(answer=409, reason="Conflict") if _status(call) and next(first) < 3 else None)
    bed.behind(proxy).start()
    bed.create()
    bed.wait(bed.jobs)
    acts = [call for call in proxy.calls if _status(call) or _create(call)]
    assert [_status(call) for call in acts[:5]] == [True, True, True, True, False]


def test_a_pause_that_the_server_asks_for_is_kept_whatever_happens_meanwhile(bed: Bed) -> None:
    refused: list[Call] = []

    def plan(call: Call) -> Fault | None:
        if not _own(call) or refused:
            return None
        refused.append(call)
        return Fault(answer=429, reason="TooManyRequests", headers={"Retry-After": "15"})

    def _own(call: Call) -> bool:
        return call.resource == "mergesearches" and call.path.endswith("/soup")

    proxy = bed.proxy(plan)
    operator = bed.behind(proxy).start()
    bed.create()
    bed.wait(lambda: refused)
    for turn in range(3):
        bed.annotate(f"turn-{turn}")
    bed.wait(bed.jobs)
    first = next(call.number for call in proxy.calls if _create(call))
    assert sum(_own(call) and not call.write and call.number < first for call in proxy.calls) == 2
    assert 'mergesearch_reconcile_errors_total{reason="Unavailable"} 1.0' in operator.metrics()


def test_a_spent_quota_is_told_and_waited_for(bed: Bed) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": bed.namespace},
        "spec": {"hard": {"count/jobs.batch": "1"}},
    }
    bed.cluster.apply(quota)
    bed.wait(lambda: bed.cluster.get("resourcequota", "few", "-n", bed.namespace).get("status", {}).get("hard"))
    bed.kubelet()
    bed.operator(resync_seconds="1").start()
    bed.create()
    bed.wait(lambda: bed.events("Forbidden"))
    assert "exceeded quota: few" in bed.events("Forbidden")[0]["message"]
    status = bed.status()
    assert status.stalled is None
    assert condition(status, "Reconciling") == ("True", "Forbidden")
    assert status.blocked is not None
    assert "used:" not in status.blocked.message, "others use the quota as well, and the status is not written for that"
    bed.cluster.kubectl("delete", "resourcequota", "few", "-n", bed.namespace)
    expected, _ = undisturbed()
    assert history(bed.until_complete(seconds=120)) == expected


def test_a_job_that_the_server_will_never_take_stalls_the_search_with_its_words(bed: Bed) -> None:
    bed.operator().start()
    bed.create(merger={"template": {"tolerations": [{"key": "gpu", "operator": "Sometimes"}]}})
    status = bed.until(lambda now: now.stalled)
    assert condition(status, "Stalled") == ("True", "RequestRefused")
    assert status.stalled is not None
    assert 'Unsupported value: "Sometimes"' in status.stalled.message
    bed.wait(lambda: bed.events("RequestRefused"))


@pytest.mark.parametrize(
    ("answer", "reason"), [(413, "StatusTooLarge"), (422, "RequestRefused")], ids=["too-large", "invalid"]
)
def test_a_status_that_the_server_does_not_take_stalls_the_search_until_a_person_acts(
    bed: Bed, answer: int, reason: str
) -> None:
    bed.kubelet()
    turn = itertools.count()
    proxy = bed.proxy(lambda call: Fault(answer=answer) if _status(call) and next(turn) == 4 else None)
    bed.behind(proxy, resync_seconds="1").start()
    bed.create()
    status = bed.until(lambda now: now.stalled)
    assert condition(status, "Stalled") == ("True", reason)
    bed.wait(lambda: bed.events(reason))
    bed.retry()
    expected, _ = undisturbed()
    assert history(bed.until_complete()) == expected


def test_a_foreign_job_with_the_name_of_ours_stalls_the_search_and_is_left_alone(bed: Bed) -> None:
    uid = bed.create()
    name = f"soup-{uid[:5]}-00001-p"
    container = {"name": "c", "image": "busybox"}
    theirs = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": bed.namespace},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }
    bed.cluster.apply(theirs)
    bed.kubelet()
    bed.operator(resync_seconds="1").start()
    status = bed.until(lambda now: now.stalled)
    assert condition(status, "Stalled") == ("True", "NameConflict")
    assert status.stalled is not None
    assert f"{bed.namespace}/{name} belongs to somebody else" in status.stalled.message
    left = bed.client.get(f"/apis/batch/v1/namespaces/{bed.namespace}/jobs/{name}")
    assert constants.SEARCH_UID not in left["metadata"].get("labels", {})

    bed.delete_job(name)
    bed.retry()
    expected, _ = undisturbed()
    assert history(bed.until_complete()) == expected


def test_a_status_of_a_newer_release_is_told_and_not_written(bed: Bed) -> None:
    operator = bed.operator(resync_seconds="1")
    bed.create()

    def newer(status: dict[str, object]) -> None:
        status.update(version=99, phase="Preflight")

    before = bed.put_status(newer)
    operator.start()
    bed.wait(lambda: bed.events("NewerStatus"))
    bed.wait(lambda: "mergesearch_unreadable_searches 1.0" in operator.metrics())
    assert bed.document()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not bed.jobs()
    assert len(bed.events("NewerStatus")) == 1
