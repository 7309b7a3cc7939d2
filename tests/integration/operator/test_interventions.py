"""What people, nodes and second operators do to a search that runs."""

import re
from collections import Counter
from typing import Any

import pytest

from mergesearch.contract import Request
from mergesearch_operator import constants
from mergesearch_operator.client import Document
from support.history import history
from support.operator_bed import Bed, condition, undisturbed
from support.scripted_kubelet import disrupted, ended, request_of, stuck

CANDIDATE = re.compile(r"c\d+")


def test_two_operators_make_each_job_once_and_the_same_history(bed: Bed) -> None:
    # A pod that is over at once may be so before the slower operator has asked for its Job; none is in earnest.
    kubelet = bed.kubelet(run_seconds=0.5)
    for _ in range(2):
        bed.operator(resync_seconds="1").start()
    uid = bed.create()
    resource = bed.until_complete(seconds=240)
    expected, calm = undisturbed()
    assert history(resource) == expected
    assert sorted(kubelet.world(uid).written) == sorted(calm.written)
    jobs = Counter(name.rsplit("-", 1)[0] for name, _ in kubelet.ended)
    assert set(jobs.values()) == {1}, "one pod, so one Job, for each launch"
    for operator in bed.operators:
        assert "Traceback" not in operator.log()


def test_a_job_that_a_person_deletes_is_made_again_under_its_name(bed: Bed) -> None:
    kubelet = bed.kubelet(held=lambda request: request.kind == "evaluate")
    bed.operator().start()
    uid = bed.create()
    bed.wait(lambda: bed.status().launches and kubelet.running_pods("evaluate"))
    pod = kubelet.running_pods("evaluate")[0]
    name = pod["metadata"]["labels"]["job-name"]
    first = bed.client.get(f"/apis/batch/v1/namespaces/{bed.namespace}/jobs/{name}")["metadata"]["uid"]
    bed.delete_job(name)
    bed.wait(lambda: any(j["metadata"]["name"] == name and j["metadata"]["uid"] != first for j in bed.jobs()))
    kubelet.release()
    resource = bed.until_complete()
    expected, calm = undisturbed()
    assert history(resource) == expected
    assert sorted(kubelet.world(uid).written) == sorted(calm.written)


@pytest.mark.parametrize(
    ("how", "charged"), [("deleted", True), ("evicted", False)], ids=["deleted-by-a-person", "evicted-by-the-platform"]
)
def test_a_pod_that_vanishes_costs_a_retry_only_where_a_person_removed_it(bed: Bed, how: str, charged: bool) -> None:
    kubelet = bed.kubelet(held=lambda request: request.kind == "evaluate")
    bed.operator().start()
    bed.create()
    bed.wait(lambda: kubelet.running_pods("evaluate"))
    pod = kubelet.running_pods("evaluate")[0]
    launch = int(pod["metadata"]["labels"][constants.LAUNCH])
    (record,) = (one.candidates[0] for one in bed.status().launches if one.number == launch)
    if how == "evicted":
        kubelet.end(pod, disrupted("PreemptionByScheduler"))
    else:
        bed.delete_pod(pod["metadata"]["name"])

    def now() -> Any:
        status = bed.status()
        return next(one for one in (*status.baselines, *status.candidates) if one.id == record)

    bed.wait(lambda: now().attempt == 2)
    assert (now().charged, now().disruptions) == ((1, 0) if charged else (0, 1))
    kubelet.release()
    expected, _ = undisturbed()
    assert history(bed.until_complete()) == expected


def test_a_job_whose_pod_is_gone_with_its_report_is_read_from_the_workspace(bed: Bed) -> None:
    kubelet = bed.kubelet(held=lambda request: request.kind == "evaluate")
    operator = bed.operator().start()
    bed.create()
    bed.wait(lambda: kubelet.running_pods("evaluate"))
    pod = kubelet.running_pods("evaluate")[0]
    operator.kill()
    kubelet.end(pod)
    name = pod["metadata"]["labels"]["job-name"]
    bed.wait(lambda: _complete(bed, name))
    bed.delete_pod(pod["metadata"]["name"])
    bed.wait(lambda: pod["metadata"]["name"] not in [one["metadata"]["name"] for one in bed.pods()])
    operator.start()
    kubelet.release()
    expected, _ = undisturbed()
    resource = bed.until_complete()
    assert history(resource) == expected
    assert resource.status is not None
    assert resource.status.counts.retried == 0, "what it has published is read from the workspace"
    assert [pod for pod, _ in kubelet.ended if pod.rsplit("-", 1)[0].endswith("-r")]


def test_reports_that_are_too_long_for_a_termination_message_are_read_from_the_workspace(bed: Bed) -> None:
    kubelet = bed.kubelet(terse=lambda request: request.kind == "evaluate")
    bed.operator().start()
    bed.create()
    resource = bed.until_complete(seconds=120)
    expected, _ = undisturbed()
    assert history(resource) == expected
    assert resource.status is not None
    assert resource.status.counts.retried == 0
    stages = [pod.rsplit("-", 1)[0][-1] for pod, _ in kubelet.ended]
    assert stages.count("r") == stages.count("e")


def _complete(bed: Bed, name: str) -> bool:
    job = bed.client.get(f"/apis/batch/v1/namespaces/{bed.namespace}/jobs/{name}")
    return any(c["type"] == "Complete" and c["status"] == "True" for c in job["status"].get("conditions", []))


@pytest.mark.parametrize("policy", ["Drain", "Now"])
def test_a_suspended_search_comes_to_rest_and_goes_on_with_the_same_weights(bed: Bed, policy: str) -> None:
    held = {"on": True}

    def hold(request: Request) -> bool:
        return held["on"] and request.kind == "evaluate" and bool(CANDIDATE.fullmatch(request.candidates[0].id))

    kubelet = bed.kubelet(held=hold)
    bed.operator(resync_seconds="1").start()
    bed.create()
    bed.wait(lambda: [pod for pod in kubelet.running_pods() if hold(request_of(pod))], seconds=90)
    vectors = [record.x for record in bed.status().candidates]

    def suspend(document: Document) -> None:
        document["spec"].update(suspend=True, suspendPolicy=policy)

    bed.edit(suspend)
    bed.until(lambda now: condition(now, "Suspended")[0] == "True")
    if policy == "Drain":
        assert condition(bed.status(), "Suspended")[1] == "Draining"
        assert kubelet.running_pods("evaluate"), "what runs may finish"
        kubelet.release()
    bed.until(lambda now: condition(now, "Suspended") == ("True", "Suspended"))
    bed.wait(lambda: not bed.jobs())
    assert bed.status().phase == "Suspended"
    held["on"] = False
    kubelet.release()
    bed.edit(lambda document: document["spec"].update(suspend=False))
    resource = bed.until_complete()
    assert [record.x for record in resource.status.candidates][: len(vectors)] == vectors  # type: ignore[union-attr]
    expected, _ = undisturbed()
    assert history(resource) == expected


def test_a_search_at_rest_asks_nothing_of_the_api_server(bed: Bed) -> None:
    bed.kubelet()
    proxy = bed.proxy()
    bed.behind(proxy, resync_seconds="0.5").start()
    bed.create(suspend=True)
    bed.until(lambda now: condition(now, "Suspended") == ("True", "Suspended"))
    writes = proxy.count("PUT", "mergesearches/status")
    lists = proxy.count("GET", "mergesearches")
    bed.wait(lambda: proxy.count("GET", "mergesearches") >= lists + 10)
    assert proxy.count("PUT", "mergesearches/status") == writes
    assert proxy.count("POST", "jobs") == 0


def test_deleting_a_running_search_leaves_nothing_and_hangs_on_nothing(bed: Bed) -> None:
    kubelet = bed.kubelet(held=lambda _request: True)
    operator = bed.operator(resync_seconds="1").start()
    bed.create()
    bed.wait(lambda: len(kubelet.running_pods()) == 2)
    bed.cluster.kubectl("delete", "mergesearches", "soup", "-n", bed.namespace, "--timeout=120s")
    bed.wait(lambda: not bed.jobs(), what=bed.jobs)
    bed.wait(lambda: not bed.pods())
    bed.wait(lambda: f'namespace="{bed.namespace}"' not in operator.metrics())
    assert "Traceback" not in operator.log()


def test_a_search_that_is_created_again_under_its_name_starts_anew(bed: Bed) -> None:
    kubelet = bed.kubelet(held=lambda _request: True)
    bed.operator(resync_seconds="1").start()
    first = bed.create()
    bed.wait(kubelet.running_pods)
    bed.delete()
    second = bed.create()
    assert first != second
    kubelet.held = lambda _request: False
    kubelet.release()
    resource = bed.until_complete()
    expected, calm = undisturbed()
    assert history(resource) == expected
    assert sorted(kubelet.world(second).written) == sorted(calm.written)
    assert resource.metadata.uid == second


def test_an_image_that_cannot_be_pulled_stalls_the_search_until_another_pod_can_have_it(bed: Bed) -> None:
    broken = [True]

    def start(_pod: Document, request: Request) -> Document | None:
        stays = broken[0] and request.kind == "preflight-tasks"
        return stuck("ImagePullBackOff", "Back-off pulling image") if stays else None

    bed.kubelet(start=start)
    bed.operator(resync_seconds="1").start()
    bed.create(evaluator={"image": "example.org/nowhere:1"})
    status = bed.until(lambda now: now.stalled, seconds=90)
    assert condition(status, "Stalled") == ("True", "ImageUnavailable")
    assert status.stalled is not None
    assert "pendingDeadlineSeconds = 1800: the image example.org/nowhere:1 cannot be pulled" in status.stalled.message
    bed.wait(lambda: bed.events("ImageUnavailable"))
    broken[0] = False
    bed.edit(lambda document: document["spec"].update(retry="pushed"))
    bed.until(lambda now: now.stalled is None)
    assert history(bed.until_complete()) == undisturbed()[0]


def test_a_workspace_is_claimed_and_goes_with_its_search(bed: Bed) -> None:
    bed.operator(resync_seconds="1").start()
    storage = {
        "checkpoints": {"persistentVolumeClaim": {"claimName": "c"}},
        "workspace": {"claimTemplate": {"size": "1Gi", "accessModes": ["ReadWriteMany"]}},
    }
    uid = bed.create(storage=storage)
    bed.wait(bed.pods)
    claims = f"/api/v1/namespaces/{bed.namespace}/persistentvolumeclaims"
    (claim,) = bed.client.items(claims)
    assert claim["metadata"]["name"] == f"soup-{uid[:5]}-workspace"
    bed.delete()
    bed.wait(lambda: not bed.jobs() and not bed.pods())
    bed.wait(lambda: all(one["metadata"].get("deletionTimestamp") for one in bed.client.items(claims)))


def test_a_raised_budget_resumes_a_complete_search(bed: Bed) -> None:
    bed.kubelet()
    bed.operator().start()
    bed.create()
    bed.until_complete()
    bed.edit(lambda document: document["spec"]["search"].update(maxEvaluations=6))
    bed.until(lambda now: condition(now, "Complete")[0] == "False" or len(now.candidates) > 4)
    resource = bed.until_complete()
    assert resource.status is not None
    assert len(resource.status.candidates) == 6
    assert [c.x for c in resource.status.candidates][:4] == [c[3] for c in undisturbed()[0]["candidates"]]


def test_a_process_that_dies_is_tried_again_and_its_reason_is_told(bed: Bed) -> None:
    died: list[str] = []

    def fault(pod: Document, request: Request) -> Document | None:
        if request.kind != "evaluate" or died:
            return None
        died.append(pod["metadata"]["name"])
        return ended(137, "torch.OutOfMemoryError: tried to allocate", reason="OOMKilled")

    bed.kubelet(fault=fault)
    operator = bed.operator().start()
    bed.create()
    resource = bed.until_complete()
    assert resource.status is not None
    assert resource.status.counts.retried == 1
    bed.wait(lambda: bed.events("OutOfMemory"))
    bed.wait(lambda: 'mergesearch_retries_total{reason="OutOfMemory"} 1.0' in operator.metrics())
    expected, _ = undisturbed()
    assert history(resource) == expected
