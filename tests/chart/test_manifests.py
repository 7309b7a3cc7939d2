"""What the chart makes of its values: taken by a real API server, and what the operator's code expects."""

import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from chart import values_page
from chart.helm import CHART, EVERYTHING, POD_MONITOR, Document, Values, container, helm, only, render
from cluster import settings
from cluster.handle import Cluster
from mergesearch.api.status import Stage
from mergesearch.lifecycle.roles import EVALUATOR_STAGES
from mergesearch_operator import constants
from mergesearch_operator.settings import Images, Settings, from_environment

VALUES = {"default": {}, "everything": EVERYTHING, "pod monitor": POD_MONITOR}
VERSION = tomllib.loads((settings.ROOT / "pyproject.toml").read_text())["project"]["version"]
OF_THE_CLUSTER = ("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition")


@pytest.mark.parametrize("values", VALUES)
def test_helm_finds_no_fault(values: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=VALUES[values])


@pytest.mark.parametrize("values", VALUES)
def test_an_api_server_takes_every_object(
    serving_cluster: Cluster, namespaces: Callable[[str], str], values: str
) -> None:
    rendered = render(VALUES[values], namespace=namespaces("chart"))
    text = yaml.safe_dump_all(rendered)
    said = serving_cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(said.splitlines()) == len(rendered)
    assert "unchanged" not in said.replace("mergesearches.mergesearch.io unchanged", "")


@pytest.mark.parametrize("values", VALUES)
def test_the_pod_is_allowed_where_the_restricted_standard_is_enforced(
    serving_cluster: Cluster, namespaces: Callable[[str], str], values: str
) -> None:
    namespace = namespaces("restricted")
    serving_cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    template = only(render(VALUES[values], namespace=namespace), "Deployment")["spec"]["template"]
    # The account is not there in a dry run.
    spec = {name: part for name, part in template["spec"].items() if name != "serviceAccountName"}
    metadata = {"name": "operator", "namespace": namespace, "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    serving_cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_the_operator_is_told_what_the_values_say() -> None:
    assert from_environment(_environment({})) == Settings(
        images=Images(merger=f"mergesearch/merger:{VERSION}", evaluator=f"mergesearch/evaluator:{VERSION}")
    )
    told = _environment({**EVERYTHING, "watchNamespaces": ["a", "b"]})
    assert from_environment(told) == Settings(
        images=Images(
            merger="registry.example:5000/team/merger:2",
            evaluator=f"mergesearch/evaluator:{VERSION}",
            pull_policy="Always",
        ),
        namespaces=("a", "b"),
        workers=3,
        resync_seconds=12.5,
        probe_port=18080,
        metrics_port=19090,
    )
    assert told["A"] == "b"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, f"mergesearch/operator:{VERSION}"),
        ({"tag": "x"}, "mergesearch/operator:x"),
        ({"tag": "x", "digest": "sha256:" + "a" * 64}, "mergesearch/operator@sha256:" + "a" * 64),
        ({"repository": "localhost/a/b"}, f"localhost/a/b:{VERSION}"),
    ],
    ids=["version", "tag", "digest-wins", "repository"],
)
def test_the_image_is_named_by_digest_tag_or_version(image: dict[str, str], expected: str) -> None:
    assert container(render({"image": image}))["image"] == expected


def test_ports_probes_and_service_name_the_same_ports() -> None:
    rendered = render(EVERYTHING)
    ports = {port["name"]: port["containerPort"] for port in container(rendered)["ports"]}
    assert ports == {"probe": 18080, "metrics": 19090}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container(rendered)[probe]["httpGet"] == {"path": "/healthz", "port": "probe"}
    (port,) = only(rendered, "Service")["spec"]["ports"]
    assert port["targetPort"] == "metrics"
    monitor, pod_monitor = only(rendered, "ServiceMonitor"), only(render(POD_MONITOR), "PodMonitor")
    for (endpoint,) in (monitor["spec"]["endpoints"], pod_monitor["spec"]["podMetricsEndpoints"]):
        assert endpoint["port"] == "metrics"
        assert endpoint["honorLabels"] is True


def test_services_and_monitors_select_the_operators_pod() -> None:
    rendered = render(EVERYTHING)
    labels = only(rendered, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert only(rendered, "Service")["spec"]["selector"].items() <= labels
    pod_monitor = only(render(POD_MONITOR), "PodMonitor")
    for one in (pod_monitor, only(rendered, "Deployment"), only(rendered, "PodDisruptionBudget")):
        assert one["spec"]["selector"]["matchLabels"].items() <= labels
    service = only(rendered, "Service")["metadata"]["labels"].items()
    assert only(rendered, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items() <= service


def test_there_is_never_more_than_one_operator() -> None:
    spec = only(render(), "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_network_policy_selects_the_evaluators_and_lets_nothing_out() -> None:
    values = {"watchNamespaces": ["a", "b"], "networkPolicy": {"evaluators": {"enabled": True}}}
    policies = [document for document in render(values) if document["kind"] == "NetworkPolicy"]
    assert [policy["metadata"]["namespace"] for policy in policies] == ["a", "b"]
    for policy in policies:
        spec = policy["spec"]
        assert spec["podSelector"]["matchLabels"] == {constants.MANAGED_BY: constants.MANAGER}
        (expression,) = spec["podSelector"]["matchExpressions"]
        assert (expression["key"], expression["operator"]) == (constants.STAGE, "In")
        assert {Stage(value) for value in expression["values"]} == set(EVALUATOR_STAGES)
        assert (spec["policyTypes"], spec["egress"]) == (["Egress"], [])


def test_only_what_a_user_asks_for_is_made() -> None:
    kinds = {document["kind"] for document in render()}
    assert kinds == {*OF_THE_CLUSTER, "ServiceAccount", "Deployment", "Service"}


def test_named_namespaces_need_no_right_on_the_cluster() -> None:
    values = {"watchNamespaces": ["a", "b"], "rbac": {"aggregate": False}, "crds": {"create": False}}
    rendered = render(values)
    assert not [document for document in rendered if document["kind"] in OF_THE_CLUSTER]
    for kind in ("Role", "RoleBinding"):
        made = [document["metadata"]["namespace"] for document in rendered if document["kind"] == kind]
        assert made == ["a", "b"]


def test_roles_are_bound_to_the_account_of_the_pod() -> None:
    values: Values
    for values in ({}, EVERYTHING, {"watchNamespaces": ["a"]}, {"serviceAccount": {"create": False, "name": "theirs"}}):
        rendered = render(values)
        account = only(rendered, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
        bindings = [document for document in rendered if document["kind"].endswith("RoleBinding")]
        assert bindings
        for binding in bindings:
            assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "system"}]
        accounts = [document["metadata"]["name"] for document in rendered if document["kind"] == "ServiceAccount"]
        assert accounts == ([] if account == "theirs" else [account])


@pytest.mark.parametrize("keep", [True, False])
def test_the_definition_is_kept_where_it_is_asked_for(keep: bool) -> None:
    definition = only(render({"crds": {"keep": keep}}), "CustomResourceDefinition")
    annotations = definition["metadata"].get("annotations", {})
    assert (annotations.get("helm.sh/resource-policy") == "keep") is keep


def test_labels_of_the_user_do_not_change_what_is_selected() -> None:
    rendered = render({"podLabels": {"app.kubernetes.io/name": "other", "team": "x"}})
    labels = only(rendered, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert (labels["app.kubernetes.io/name"], labels["team"]) == ("mergesearch", "x")


def test_two_releases_share_no_name_on_the_cluster() -> None:
    def names(documents: list[Document]) -> set[str]:
        return {d["metadata"]["name"] for d in documents if d["kind"].startswith("ClusterRole")}

    assert names(render(namespace="a")).isdisjoint(names(render(namespace="b")))


def test_chart_images_and_package_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
    for name in ("operator", "merger_image", "evaluator_image"):
        assert f"\nARG VERSION={VERSION}\n" in (settings.ROOT / name / "Dockerfile").read_text()


def test_every_value_says_what_it_is_for() -> None:
    parts = [value.path for value in values_page.values() if value.part]
    told = {value.path for value in values_page.values()}

    def check(document: dict[str, Any], above: str) -> None:
        for name, value in document.items():
            path = f"{above}{name}"
            assert path in told
            if path in parts:
                check(value, f"{path}.")

    check(yaml.safe_load((CHART / "values.yaml").read_text()), "")


def _environment(values: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container(render(values))["env"]}


REGISTRY = {"repository": "registry.example/mergesearch/operator"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "mergesearch/operator"),
        ({"image": REGISTRY}, "mergesearch/merger"),
        ({"image": REGISTRY, "searches": {"merger": REGISTRY, "evaluator": {"repository": "localhost/e"}}}, None),
        ({"image": REGISTRY, "searches": {"merger": REGISTRY, "evaluator": {"repository": "here:5000/e"}}}, None),
    ],
    ids=["all", "one", "none", "port"],
)
def test_the_notes_tell_of_images_without_a_registry(light_cluster: Cluster, values: Values, told: str | None) -> None:
    dry = ("install", "x", str(CHART), "--dry-run=client")
    # The definition may be there, and does not belong to this release.
    values = {**values, "crds": {"create": False}}
    said = helm(*dry, values=values, kubeconfig=light_cluster.kubeconfig)
    words = [line for line in said.splitlines() if "names no registry" in line]
    assert [line.split()[2] for line in words] == ([told] if told else [])
