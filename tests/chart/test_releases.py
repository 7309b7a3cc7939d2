"""Install, upgrade, uninstall, on a cluster of its own: searches outlive the operator and go on under the next one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chart.helm import CHART, Values, container, helm, only, render, try_helm
from cluster import light
from cluster.handle import Cluster
from mergesearch.crd.definition import NAME
from mergesearch_operator.client import Client
from support.history import history
from support.operator_bed import Bed, undisturbed
from support.operator_process import OperatorProcess

pytestmark = pytest.mark.slow
SYSTEM = "system"


class Releases:
    """helm on one cluster, in one namespace."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def helm(self, *args: str, values: Values | None = None) -> str:
        return helm(*args, "--namespace", SYSTEM, values=values, kubeconfig=self.cluster.kubeconfig)

    def install(self, name: str = "searches", *flags: str, values: Values | None = None) -> str:
        return self.helm("install", name, str(CHART), "--create-namespace", *flags, values=values or {})

    def left(self) -> list[str]:
        """What is there of any release."""
        kinds = "deployment,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,configmap,secret"
        said = self.cluster.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name")
        return said.split()

    def defined(self) -> bool:
        return self.cluster.run_kubectl("get", "crd", NAME).returncode == 0

    def operator(self, bed: Bed) -> OperatorProcess:
        """An operator with the rights of the release, as its Deployment would start it."""
        kubeconfig = self.cluster.service_account_kubeconfig(SYSTEM, "searches-mergesearch")
        return bed.operator(kubeconfig, namespaces="", resync_seconds="1").start()


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The definition comes and goes here with releases; searches of other tests would go with it."""
    folder = tmp_path_factory.mktemp("releases")
    try:
        yield light.up(folder, attached=True)
    finally:
        light.down(folder)


@pytest.fixture
def releases(own_cluster: Cluster) -> Iterator[Releases]:
    made = Releases(own_cluster)
    yield made
    for name in made.helm("list", "--short").split():
        made.helm("uninstall", name)
    own_cluster.kubectl("delete", "crd", NAME, "--ignore-not-found")


def test_a_search_goes_on_where_it_was_after_uninstall_and_a_new_install(releases: Releases, tmp_path: Path) -> None:
    cluster = releases.cluster
    releases.install()
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{NAME}")
    cluster.kubectl("create", "namespace", "team")
    admin = Client.connect(connections=4, kubeconfig=str(cluster.kubeconfig))
    with Bed(cluster, admin, "team", tmp_path) as bed:
        kubelet = bed.kubelet(held=lambda request: request.kind == "evaluate" and request.candidates[0].id == "c0002")
        operator = releases.operator(bed)
        uid = bed.create()
        bed.wait(lambda: len(bed.status().candidates) >= 2 and kubelet.running_pods("evaluate"))
        # Its roles are gone before its process is, as on a cluster with nodes; and just then pods end.
        releases.helm("uninstall", "searches")
        kubelet.release()
        bed.wait(lambda: "403" in operator.log())
        assert operator.stop() == 0
        assert releases.left() == []
        assert releases.defined()
        before = bed.status()
        assert before.completion_time is None
        assert bed.document()["metadata"]["uid"] == uid
        releases.install()
        releases.operator(bed)
        expected, calm = undisturbed()
        assert history(bed.until_complete()) == expected
        assert sorted(kubelet.world(uid).written) == sorted(calm.written)
        bed.delete()
    # Nothing holds a deletion up, operator or not.
    cluster.kubectl("delete", "namespace", "team", "--timeout=60s")


def test_an_install_says_what_to_do_next_and_an_upgrade_changes_what_it_is_told(releases: Releases) -> None:
    said = releases.install()
    for command in (
        "kubectl rollout status deployment/searches-mergesearch",
        "kubectl apply -f",
        "kubectl get msearch",
    ):
        assert command in said
    assert "REVISION: 2" in releases.helm(
        "upgrade", "searches", str(CHART), values={"workers": 5, "image": {"tag": "2"}}
    )
    deployment = releases.cluster.get("deployment", "searches-mergesearch", "--namespace", SYSTEM)
    (running,) = deployment["spec"]["template"]["spec"]["containers"]
    assert running["image"] == "mergesearch/operator:2"
    assert {"name": "MERGESEARCH_WORKERS", "value": "5"} in running["env"]
    assert "REVISION: 3" in releases.helm("upgrade", "searches", str(CHART), values={"watchNamespaces": ["default"]})
    roles = [name for name in releases.left() if "role" in name.partition("/")[0] and "aggregat" not in name]
    assert sorted(roles) == [
        "clusterrole.rbac.authorization.k8s.io/system-searches-mergesearch-edit",
        "clusterrole.rbac.authorization.k8s.io/system-searches-mergesearch-view",
        "role.rbac.authorization.k8s.io/searches-mergesearch",
        "rolebinding.rbac.authorization.k8s.io/searches-mergesearch",
    ]


def test_the_definition_goes_with_the_release_where_it_is_not_kept(releases: Releases) -> None:
    releases.install(values={"crds": {"keep": False}})
    assert releases.defined()
    releases.helm("uninstall", "searches")
    releases.cluster.kubectl("wait", "--for=delete", "--timeout=60s", f"crd/{NAME}")
    assert releases.left() == []


def test_a_definition_that_somebody_else_installed_is_taken_over_only_where_that_is_asked_for(
    releases: Releases,
) -> None:
    definition = only(render(), "CustomResourceDefinition")
    releases.cluster.apply(definition)
    refused = try_helm(
        *("install", "searches", str(CHART), "--namespace", SYSTEM, "--create-namespace"),
        kubeconfig=releases.cluster.kubeconfig,
    )
    assert refused.returncode != 0
    assert f'"{NAME}"' in refused.stderr
    assert "invalid ownership metadata" in refused.stderr
    releases.install("searches", "--take-ownership")
    releases.helm("uninstall", "searches")
    releases.install("without", values={"crds": {"create": False}})
    assert releases.defined()


def test_an_operator_may_wait_for_its_definition(releases: Releases) -> None:
    releases.install(values={"crds": {"create": False}})
    assert not releases.defined()
    assert container(render())["startupProbe"]["failureThreshold"] >= 60
