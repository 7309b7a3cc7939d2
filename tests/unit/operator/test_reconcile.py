"""One step of one search, against a cluster that only remembers: what is asked of it, in which order, what is not."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch_operator import constants, faults, resources
from mergesearch_operator.cluster import Cluster, Key
from mergesearch_operator.reconcile import Reconciler
from unit.lifecycle import world
from unit.operator.documents import IMAGES, NOW, Document, at

KEY = ("default", "soup")
TEMPLATE = {
    "checkpoints": {"persistentVolumeClaim": {"claimName": "c"}},
    "workspace": {"claimTemplate": {"size": "1Gi"}},
}
Fault = Callable[[str], Exception | None]


@dataclass
class Memory:
    """A cluster that does what it is asked, unless a test says otherwise, and writes down what it was."""

    document: Document | None
    faults: Fault = lambda _act: None
    jobs_there: dict[str, Document] = field(default_factory=dict)
    acts: list[str] = field(default_factory=list)
    events: list[Document] = field(default_factory=list)
    claims: list[Document] = field(default_factory=list)
    now: datetime = NOW

    def act(self, what: str) -> None:
        self.acts.append(what)
        self.meet(what)

    def meet(self, what: str) -> None:
        fault = self.faults(what)
        if fault is not None:
            raise fault

    def search(self, key: Key) -> Any:
        return None if self.document is None else (copy.deepcopy(self.document), self.now)

    def jobs(self, key: Key, uid: str) -> list[Document]:
        return list(self.jobs_there.values())

    def pods(self, key: Key, uid: str) -> list[Document]:
        return []

    def job(self, namespace: str, name: str) -> Document | None:
        return self.jobs_there.get(name)

    def write_status(self, document: Document) -> Document:
        self.act("PUT status")
        self.document = copy.deepcopy(document)
        return document

    def create_job(self, manifest: Document) -> Document:
        name = manifest["metadata"]["name"]
        self.act(f"POST {name}")
        if name in self.jobs_there:
            raise faults.ExistsError(name)
        made = copy.deepcopy(manifest)
        made["metadata"] |= {"uid": f"uid-{len(self.acts)}", "creationTimestamp": at(0)}
        self.jobs_there[name] = made
        return made

    def delete_job(self, namespace: str, name: str, uid: str) -> None:
        assert self.jobs_there[name]["metadata"]["uid"] == uid
        self.act(f"DELETE {name}")
        del self.jobs_there[name]

    def claim(self, namespace: str, name: str) -> Document | None:
        self.meet("GET claim")
        return next((claim for claim in self.claims if claim["metadata"]["name"] == name), None)

    def create_claim(self, manifest: Document) -> None:
        self.act("POST claim")
        self.claims.append(copy.deepcopy(manifest))

    def post_event(self, event: Document) -> None:
        self.act("POST event")
        self.events.append(event)


def memory(**parts: Any) -> Memory:
    made = world.resource(**parts)
    metadata = {**made.metadata.to_document(), "namespace": "default", "uid": made.metadata.uid, "resourceVersion": "1"}
    spec = made.spec.to_document()
    return Memory({"apiVersion": made.api_version, "kind": made.kind, "metadata": metadata, "spec": spec})


def reconciler(of: Memory) -> Reconciler:
    return Reconciler(cast("Cluster", of), IMAGES)


def status_of(of: Memory) -> MergeSearchStatus:
    assert of.document is not None
    return MergeSearch.model_validate(of.document).status or MergeSearchStatus()


FIRST, SECOND = "soup-abcde-00001-p", "soup-abcde-00002-p"


def test_the_status_is_written_before_anything_is_created_and_events_come_last() -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    assert cluster.acts == ["PUT status", f"POST {FIRST}", f"POST {SECOND}", "POST event"]


def test_a_step_with_nothing_new_writes_nothing() -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    cluster.acts.clear()
    done = reconciler(cluster).step(KEY)
    assert cluster.acts == []
    assert done.resource is not None


def test_after_a_conflict_nothing_is_done() -> None:
    cluster = memory()
    cluster.faults = lambda act: faults.ConflictError("x") if act == "PUT status" else None
    with pytest.raises(faults.ConflictError):
        reconciler(cluster).step(KEY)
    assert cluster.acts == ["PUT status"]


@pytest.mark.parametrize(
    "point", range(4), ids=["at-the-status", "at-the-first-job", "at-the-second-job", "at-the-event"]
)
def test_what_was_not_done_is_done_by_the_next_step(point: int) -> None:
    cluster = memory()
    count = iter(range(100))
    cluster.faults = lambda _act: faults.UnavailableError("x") if next(count) == point else None
    try:
        reconciler(cluster).step(KEY)
    except faults.UnavailableError:
        reconciler(cluster).step(KEY)
    assert sorted(cluster.jobs_there) == [FIRST, SECOND]
    assert [launch.number for launch in status_of(cluster).launches] == [1, 2]


@pytest.mark.parametrize("change", ["job-gone", "job-too-many"])
def test_nothing_is_made_or_deleted_by_a_status_that_somebody_has_replaced_meanwhile(change: str) -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    job = cluster.jobs_there.pop(FIRST)
    if change == "job-too-many":
        job["metadata"] |= {"name": "soup-abcde-00003-p"}
        job["metadata"]["labels"][constants.LAUNCH] = "3"
        cluster.jobs_there["soup-abcde-00003-p"] = job
    versions = iter(["1", "2"])

    def search(key: Key) -> Any:
        assert cluster.document is not None
        cluster.document["metadata"]["resourceVersion"] = next(versions)
        return copy.deepcopy(cluster.document), NOW

    cluster.search = search  # type: ignore[method-assign]
    cluster.acts.clear()
    with pytest.raises(faults.ConflictError, match="has changed since it was read"):
        reconciler(cluster).step(KEY)
    assert cluster.acts == []


def test_a_lost_event_stops_nothing() -> None:
    cluster = memory()
    cluster.faults = lambda act: faults.RefusedError("x") if act == "POST event" else None
    assert reconciler(cluster).step(KEY).resource is not None


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


@pytest.mark.parametrize(("code", "reason"), [(413, "StatusTooLarge"), (422, "RequestRefused")])
def test_a_status_that_cannot_be_kept_stalls_the_search_once_and_nothing_is_acted_on(code: int, reason: str) -> None:
    cluster = memory()
    refusals = iter([faults.RefusedError("words", code=code)])
    cluster.faults = lambda act: next(refusals, None) if act == "PUT status" else None
    with pytest.raises(faults.RefusedError):
        reconciler(cluster).step(KEY)
    stalled = status_of(cluster).stalled
    assert stalled is not None
    assert (stalled.reason, stalled.message) == (reason, "the API server does not take the status: words")
    assert not cluster.jobs_there

    cluster.faults = lambda act: faults.RefusedError("words", code=code) if act == "PUT status" else None
    cluster.acts.clear()
    with pytest.raises(faults.RefusedError):
        reconciler(cluster).step(KEY)
    assert cluster.acts == ["PUT status"], "it is told once; then only the pauses grow"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda document: document.update(status={"version": 99}), "NewerStatus"),
        (lambda document: document["spec"].update(checkpoints=1), "Unreadable"),
        (lambda document: document.update(status={"phase": "Dreaming"}), "Unreadable"),
    ],
    ids=["newer-status", "unreadable-spec", "unreadable-status"],
)
def test_what_this_release_cannot_read_is_told_and_left_alone(change: Callable[[Document], None], reason: str) -> None:
    cluster = memory()
    assert cluster.document is not None
    change(cluster.document)
    done = reconciler(cluster).step(KEY)
    assert done.unreadable
    assert cluster.acts == ["POST event"]
    assert "leaves it alone" in cluster.events[0]["message"]
    assert cluster.events[0]["reason"] == reason


def test_a_search_that_is_gone_or_going_is_left_alone() -> None:
    gone, going = Memory(None), memory()
    assert going.document is not None
    going.document["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert reconciler(gone).step(KEY).resource is None
    assert reconciler(going).step(KEY).resource is None
    assert gone.acts == going.acts == []


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


def test_a_status_is_stored_short_but_with_what_the_columns_show() -> None:
    assert resources.stored(MergeSearchStatus()).keys() == {"version", "phase", "counts"}


def test_a_crd_that_drops_fields_is_told(caplog: pytest.LogCaptureFixture) -> None:
    cluster = memory()
    cluster.write_status = lambda document: {**document, "status": {"phase": "Preflight"}}  # type: ignore[method-assign]
    reconciler(cluster).step(KEY)
    assert "is its CRD of this release?" in caplog.text
