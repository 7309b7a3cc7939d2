"""One step of one search, against a cluster that only remembers: what is asked of it, in which order, what is not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch_cli import whole
from mergesearch_operator import constants, faults, resources
from mergesearch_operator.cluster import Key
from unit.operator.documents import NOW, Document
from unit.operator.memory import FIRST, KEY, SECOND, Memory, memory, reconciler, status_of


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
    assert whole.lacking(MergeSearch.model_validate(cluster.document)) is None, "who wants to read it can"
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


def test_a_status_is_stored_short_but_with_what_the_columns_show() -> None:
    assert resources.stored(MergeSearchStatus()).keys() == {"version", "phase", "counts"}


def test_a_crd_that_drops_fields_is_told(caplog: pytest.LogCaptureFixture) -> None:
    cluster = memory()
    cluster.write_status = lambda document: {**document, "status": {"phase": "Preflight"}}  # type: ignore[method-assign]
    reconciler(cluster).step(KEY)
    assert "is its CRD of this release?" in caplog.text
