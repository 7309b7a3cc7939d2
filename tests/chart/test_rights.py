"""The operator has every right that it needs, and none that it does not: told by the API server's own audit log."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chart.helm import container, only, render
from cluster.handle import Cluster
from mergesearch.contract import Exit, Request, Termination
from mergesearch.errors import ExitCode
from mergesearch_operator import constants
from mergesearch_operator.client import Client, Document
from support import workloads
from support.operator_bed import Bed, condition
from support.scripted_kubelet import ended

Release = Callable[[Sequence[Document]], None]
Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""
ABSENT = Termination(exit=Exit(code=ExitCode.DONE), reports_digest="0" * 64).model_dump_json()
"""What a process says whose reports are too long for this message: whoever wants them asks for the log of the pod."""
WORKSPACE = {"claimTemplate": {"size": "1Gi"}}
TALKATIVE, TAKEN = "talkative", "taken"


@pytest.fixture
def bed(serving_cluster: Cluster, namespaces: Callable[[str], str], tmp_path: Path) -> Iterator[Bed]:
    admin = Client.connect(connections=4, kubeconfig=str(serving_cluster.kubeconfig))
    with Bed(serving_cluster, admin, namespaces("searches"), tmp_path) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("everywhere", [True, False], ids=["cluster", "namespace"])
def test_the_charts_account_may_do_what_searches_need_and_nothing_else(
    bed: Bed, namespaces: Callable[[str], str], release: Release, *, everywhere: bool
) -> None:
    system = namespaces("system")
    values = {"crds": {"create": False}, "watchNamespaces": [] if everywhere else [bed.namespace], "resyncSeconds": 1}
    rendered = render(values, namespace=system)
    release(rendered)
    account = only(rendered, "ServiceAccount")["metadata"]["name"]
    variables = {
        variable["name"].removeprefix("MERGESEARCH_").lower(): variable["value"]
        for variable in container(rendered)["env"]
        if not variable["name"].endswith("_PORT")
    }
    namespaces_told = {"namespaces": ""} | variables
    kubeconfig = bed.cluster.service_account_kubeconfig(system, account)
    operator = bed.operator(kubeconfig, **namespaces_told)

    _search_with_every_request(bed, operator.start)

    user = f"system:serviceaccount:{system}:{account}"
    granted = {right for role in rendered if role["metadata"]["name"] in _bound(rendered) for right in _rights(role)}
    bed.wait(lambda: granted <= _used(bed, user), seconds=120, what=lambda: f"never used: {granted - _used(bed, user)}")
    assert _used(bed, user) == granted
    assert _refused(bed, user) == []
    assert operator.stop() == 0


def _search_with_every_request(bed: Bed, start: Callable[[], Any]) -> None:
    """One search from its claim to its winner; one whose first Job's name is taken; one with a report too long."""

    def fault(pod: Document, _: Request) -> Document | None:
        return ended(0, ABSENT) if pod["metadata"]["labels"][constants.SEARCH] == TALKATIVE else None

    bed.kubelet(fault=fault)
    uid = bed.create(TAKEN)
    bed.cluster.apply(_foreign_job(bed.namespace, f"{TAKEN}-{uid[:5]}-00001-p"))
    bed.create(TALKATIVE)
    bed.create(storage={"checkpoints": {"persistentVolumeClaim": {"claimName": "c"}}, "workspace": WORKSPACE})
    start()
    assert condition(bed.until(lambda now: now.stalled, TAKEN), "Stalled") == ("True", "NameConflict")
    bed.until_complete()
    bed.wait(lambda: not [job for job in bed.jobs() if job["metadata"]["name"].startswith("soup-")])


def _foreign_job(namespace: str, name: str) -> Document:
    container = {"name": "c", "image": "busybox"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


def _bound(rendered: list[Document]) -> set[str]:
    return {document["roleRef"]["name"] for document in rendered if document["kind"].endswith("RoleBinding")}


def _rights(role: Document) -> Iterator[Right]:
    for rule in role.get("rules", []):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def _used(bed: Bed, user: str) -> set[Right]:
    return {_right(event["objectRef"] | {"verb": event["verb"]}) for event in _events(bed, user)}


def _refused(bed: Bed, user: str) -> list[str]:
    return [event["requestURI"] for event in _events(bed, user) if event["responseStatus"]["code"] in (401, 403)]


def _events(bed: Bed, user: str) -> Iterator[dict[str, Any]]:
    """The requests about objects; in other namespaces searches of other tests are being deleted."""
    for event in bed.cluster.audit():
        asked = event.get("objectRef", {})
        if event["user"]["username"] == user and asked and asked.get("namespace", bed.namespace) == bed.namespace:
            yield event


def _right(asked: dict[str, str]) -> Right:
    subresource = f"/{asked['subresource']}" if "subresource" in asked else ""
    return asked.get("apiGroup", ""), asked["resource"] + subresource, asked["verb"]


@pytest.fixture(params=["v1beta1", "v1beta2"])
def kueue(serving_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The version of Kueue's API that this cluster can serve; it does once a test asks for it."""
    workloads.uninstall(serving_cluster)
    yield request.param
    workloads.uninstall(serving_cluster)


OURS, WORDS = "the Job is suspended: it waits in a queue", "insufficient unused quota for nvidia.com/gpu"


@pytest.mark.parametrize("enabled", [True, False], ids=["granted", "not-granted"])
def test_a_search_in_a_queue_tells_kueues_words_where_the_chart_grants_their_right(
    bed: Bed, namespaces: Callable[[str], str], release: Release, kueue: str, *, enabled: bool
) -> None:
    system = namespaces("system")
    values = {"crds": {"create": False}, "watchNamespaces": [bed.namespace], "kueue": {"enabled": enabled}}
    rendered = render(values, namespace=system)
    release(rendered)
    account = only(rendered, "ServiceAccount")["metadata"]["name"]
    operator = bed.operator(bed.cluster.service_account_kubeconfig(system, account), resync_seconds="1")
    bed.create(merger={"queueName": "cpus"}, evaluator={"queueName": "gpus"})
    operator.start()

    # Two halves of a preflight, of which Kueue lets none in; at first there is no Kueue.
    bed.wait(lambda: len(bed.jobs()) == 2)
    for job in bed.jobs():
        workloads.hold(bed.cluster, job)
    bed.wait(lambda: _waits(bed) == f"2 of 2 processes wait: {OURS}", what=lambda: _waits(bed))

    workloads.install(bed.cluster, kueue)
    for job in bed.jobs():
        workloads.tell(bed.client, job, kueue, reason="Pending", message=WORDS)
    told = f"2 of 2 processes wait: {f'queued: {WORDS}' if enabled else OURS}"
    user = f"system:serviceaccount:{system}:{account}"
    bed.wait(lambda: _asked_for_workloads(bed, user, 200 if enabled else 403))
    bed.wait(lambda: _waits(bed) == told, what=lambda: _waits(bed))
    assert condition(bed.status(), "Reconciling") == ("True", "Queued")
    assert condition(bed.status(), "Stalled")[0] == "False"
    assert operator.stop() == 0


def _waits(bed: Bed) -> str:
    return next((one.message for one in bed.status().conditions if one.type == "Reconciling"), "")


def _asked_for_workloads(bed: Bed, user: str, code: int) -> bool:
    found = (event for event in _events(bed, user) if event["objectRef"]["resource"] == "workloads")
    return any(event["responseStatus"]["code"] == code for event in found)


SEEING, CHANGING = ("get", "list", "watch"), ("create", "update", "patch", "delete", "deletecollection")


@pytest.mark.parametrize(
    ("role", "allowed"), [("view", SEEING), ("edit", SEEING + CHANGING), ("admin", SEEING + CHANGING)]
)
def test_people_with_the_usual_roles_see_or_change_searches(
    bed: Bed, release: Release, role: str, allowed: tuple[str, ...]
) -> None:
    cluster, namespace = bed.cluster, bed.namespace
    release(render({"crds": {"create": False}}, namespace=namespace))
    person = f"--serviceaccount={namespace}:default"
    cluster.kubectl("create", "rolebinding", "person", f"--clusterrole={role}", person, "--namespace", namespace)

    def may(verb: str) -> bool:
        asked = ("auth", "can-i", verb, "mergesearches", "--namespace", namespace)
        return cluster.run_kubectl(*asked, f"--as=system:serviceaccount:{namespace}:default").returncode == 0

    # A controller adds up the roles.
    bed.wait(lambda: may(allowed[-1]))
    assert [verb for verb in (*SEEING, *CHANGING) if may(verb)] == list(allowed)
