"""Merges that the pods of an Indexed Job share: a real controller makes and ends these pods."""

from collections import Counter
from typing import Any

import pytest

from mergesearch.api.status import Record
from mergesearch.contract import Request
from mergesearch.reasons import Reason
from mergesearch_operator import constants, facts
from mergesearch_operator.client import Document
from support.history import history
from support.operator_bed import Bed, undisturbed
from support.scripted_kubelet import ScriptedKubelet, disrupted, ended, stuck

SLICES: dict[str, Any] = {"merger": {"slices": 3}}
CRASH = "Traceback: the node has a bad disk"


def is_merge(request: Request) -> bool:
    return request.kind == "merge"


def merging(bed: Bed, kubelet: ScriptedKubelet) -> list[Document]:
    """The pods of the first merge, once all of them run; in the order of their slices."""
    bed.wait(lambda: len(kubelet.running_pods("merge")) == 3)
    return sorted(kubelet.running_pods("merge"), key=facts.index)


def record_of(bed: Bed, pod: Document) -> str:
    launch = int(pod["metadata"]["labels"][constants.LAUNCH])
    return next(one.candidates[0] for one in bed.status().launches if one.number == launch)


def now(bed: Bed, record: str) -> Record:
    status = bed.status()
    return next(one for one in (*status.baselines, *status.candidates) if one.id == record)


def job_of(bed: Bed, pod: Document) -> Document:
    name = pod["metadata"]["labels"]["job-name"]
    return bed.client.get(f"/apis/batch/v1/namespaces/{bed.namespace}/jobs/{name}")


def test_a_search_whose_merges_are_shared_has_the_same_history(bed: Bed) -> None:
    kubelet = bed.kubelet()
    operator = bed.operator().start()
    uid = bed.create(**SLICES)
    resource = bed.until_complete(seconds=120)
    expected, calm = undisturbed()
    assert history(resource) == expected
    assert sorted(kubelet.world(uid).written) == sorted(calm.written)
    merges = [name for name, _ in kubelet.ended if "-m-" in name]
    jobs = Counter(name.rsplit("-", 2)[0] for name in merges)
    assert set(jobs.values()) == {3}
    assert Counter(name.rsplit("-", 2)[1] for name in merges) == dict.fromkeys("012", len(jobs))
    assert kubelet.slices == {}, "no slice waits for another any more"
    assert resource.status is not None
    assert resource.status.counts.retried == 0
    bed.wait(lambda: not bed.pods())
    assert "Traceback" not in operator.log()


@pytest.mark.parametrize(
    ("how", "charged"), [("deleted", True), ("evicted", False)], ids=["deleted-by-a-person", "evicted-by-the-platform"]
)
def test_one_that_vanishes_ends_them_all_and_costs_a_retry_only_where_a_person_removed_it(
    bed: Bed, how: str, charged: bool
) -> None:
    kubelet = bed.kubelet(held=is_merge)
    bed.operator().start()
    uid = bed.create(**SLICES)
    first, second, _ = merging(bed, kubelet)
    record = record_of(bed, second)
    kubelet.end(first)
    (there,) = kubelet.slices.values()
    assert there == {0}
    if how == "evicted":
        kubelet.end(second, disrupted("PreemptionByScheduler"))
    else:
        bed.delete_pod(second["metadata"]["name"])
    bed.wait(lambda: now(bed, record).attempt == 2)
    found = now(bed, record)
    assert (found.charged, found.disruptions) == ((1, 0) if charged else (0, 1))
    assert found.message.startswith("slice 1 of 3: ")
    kubelet.release()
    expected, calm = undisturbed()
    assert history(bed.until_complete(seconds=120)) == expected
    assert sorted(kubelet.world(uid).written) == sorted(calm.written), "no merge is written twice"


def test_the_reason_is_that_of_the_pod_that_failed_first_also_where_nobody_looked(bed: Bed) -> None:
    """By the time that somebody does, the controller has ended the others, and they are gone."""
    kubelet = bed.kubelet(held=is_merge)
    operator = bed.operator().start()
    bed.create(**SLICES)
    pods = merging(bed, kubelet)
    record = record_of(bed, pods[2])
    operator.kill()
    kubelet.end(pods[2], ended(1, CRASH))
    bed.wait(lambda: facts.finished(job_of(bed, pods[0])).get("Failed"))
    operator.start()
    bed.wait(lambda: now(bed, record).attempt == 2)
    found = now(bed, record)
    assert (found.charged, found.reason) == (1, Reason.PROCESS_DIED)
    assert found.message == f"slice 2 of 3: {CRASH}"
    kubelet.release()
    expected, _ = undisturbed()
    assert history(bed.until_complete(seconds=120)) == expected


def test_where_the_pod_that_was_last_is_gone_its_report_is_read_from_the_workspace(bed: Bed) -> None:
    kubelet = bed.kubelet(held=is_merge)
    operator = bed.operator().start()
    bed.create(**SLICES)
    pods = merging(bed, kubelet)
    operator.kill()
    for pod in pods:
        kubelet.end(pod)
    bed.wait(lambda: "Complete" in facts.finished(job_of(bed, pods[0])))
    bed.delete_pod(pods[2]["metadata"]["name"])
    bed.wait(lambda: len([pod for pod in bed.pods() if "-m-" in pod["metadata"]["name"]]) == 2)
    operator.start()
    kubelet.release()
    resource = bed.until_complete(seconds=120)
    expected, _ = undisturbed()
    assert history(resource) == expected
    assert resource.status is not None
    assert resource.status.counts.retried == 0, "what it has published is read from the workspace"
    assert [pod for pod, _ in kubelet.ended if pod.rsplit("-", 1)[0].endswith("-r")]


def test_one_that_does_not_start_while_the_others_do_is_taken_for_a_bad_node_and_stops_nothing(bed: Bed) -> None:
    bad: list[str] = []

    def start(pod: Document, request: Request) -> Document | None:
        if is_merge(request) and facts.index(pod) == 1 and not bad:
            bad.append(pod["metadata"]["name"])
        return stuck("ErrImagePull", "no such host") if pod["metadata"]["name"] in bad else None

    kubelet = bed.kubelet(start=start)
    bed.operator().start()
    bed.create(**SLICES)
    resource = bed.until_complete(seconds=120)
    expected, _ = undisturbed()
    assert history(resource) == expected
    assert resource.status is not None
    assert (resource.status.counts.disrupted, resource.status.counts.failed) == (1, 0)
    assert bad[0] not in [name for name, _ in kubelet.ended]
    told = [event["message"] for event in bed.events("Disrupted")]
    assert any("slice 1 of 3: not started after pendingDeadlineSeconds" in message for message in told), told
