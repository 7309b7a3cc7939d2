"""What Argo CD and Flux make of a search: the health check of examples/gitops in a real Lua, and the rules of kstatus,
over statuses as the operator writes them.
"""

import re
import time
from collections.abc import Callable, Iterator

import pytest
import yaml
from lupa import lua51

from chart.helm import CHART, EVERYTHING, Document, render
from chart.searches import CASES, WAITS, complete, document
from cluster import settings
from cluster.handle import Cluster
from mergesearch_operator.client import Client
from mergesearch_operator.faults import RefusedError
from support.operator_bed import manifest

GITOPS = settings.ROOT / "examples" / "gitops"
KEY = "resource.customizations.health.mergesearch.io_MergeSearch"
PATCH: Document = yaml.safe_load((GITOPS / "argocd-cm.yaml").read_text())
FLUX: Document = yaml.safe_load((GITOPS / "flux.yaml").read_text())["spec"]
ORDER = {"inProgress": "InProgress", "failed": "Failed", "current": "Current"}
"""In which Flux asks its expressions, and what each of them says."""
NOT_THERE = ("string", "math", "io", "os", "debug", "coroutine")
"""Libraries that Argo CD does not open for a health check."""


@pytest.fixture
def flux(serving_cluster: Cluster, namespaces: Callable[[str], str]) -> Iterator[Callable[[Document], str]]:
    """What Flux would say of a search. The API server is asked for the expressions, as an admission policy that tells
    by its refusal which of them holds: the language is the same.
    """
    namespace = namespaces("flux")
    client = Client.connect(connections=1, kubeconfig=str(serving_cluster.kubeconfig))
    base = f"/apis/mergesearch.io/v1alpha1/namespaces/{namespace}/mergesearches"
    stored_search = client.request("POST", base, body=manifest())[0]
    policy = _policy(namespace)
    serving_cluster.apply(*policy)

    def ask(found: Document) -> str:
        if found["status"]["observedGeneration"] != found["metadata"]["generation"]:
            return "InProgress"
        try:
            body = {**stored_search, "status": found["status"]}
            client.request("PUT", f"{base}/soup/status", body=body, query={"dryRun": "All"})
        except RefusedError as error:
            (said,) = re.findall(r"flux says (\w+)", str(error))
            return str(said)
        return "InProgress"

    # The API server learns of a policy a little later.
    deadline = time.monotonic() + 60
    while ask(document(complete())) != "Current":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield ask
    for made in policy:
        serving_cluster.kubectl("delete", made["kind"], namespace)


def _policy(namespace: str) -> list[Document]:
    """One that refuses every status of which an expression holds, in the order in which Flux asks them."""
    (expressions,) = FLUX["healthCheckExprs"]
    asked = {
        ORDER[name]: expressions[name].replace("status.conditions", "object.status.conditions")
        for name in ORDER
        if name in expressions
    }
    rule = {"apiGroups": ["mergesearch.io"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["*/status"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
        "validations": [{"expression": f"!({text})", "message": f"flux says {says}"} for says, text in asked.items()],
    }
    kinds = {
        "ValidatingAdmissionPolicy": spec,
        "ValidatingAdmissionPolicyBinding": {"policyName": namespace, "validationActions": ["Deny"]},
    }
    return [
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": namespace}, "spec": spec}
        for kind, spec in kinds.items()
    ]


@pytest.mark.parametrize("case", CASES)
def test_argo_cd_is_told_how_a_search_is_doing(case: str) -> None:
    made, health, message, _ = CASES[case]
    found = argo_cd(document(made()))
    assert found["status"] == health
    assert message in found["message"]


@pytest.mark.parametrize("case", CASES)
def test_what_comes_after_a_search_waits_for_its_end(case: str) -> None:
    made, _, _, status = CASES[case]
    assert kstatus(document(made())) == status


def test_a_search_that_no_operator_has_seen_and_one_that_goes_are_on_their_way() -> None:
    meta = {"name": "soup", "generation": 1}
    assert argo_cd({"metadata": meta}) == {"status": "Progressing", "message": WAITS}
    assert argo_cd({"metadata": meta, "status": {}}) == {"status": "Progressing", "message": WAITS}
    going = document(complete())
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert argo_cd(going) == {"status": "Progressing", "message": "being deleted"}


def test_the_check_is_added_to_what_argo_cd_is_told_already(
    serving_cluster: Cluster, namespaces: Callable[[str], str]
) -> None:
    namespace = namespaces("argocd")
    place = ("--namespace", namespace)
    serving_cluster.kubectl("create", "configmap", "argocd-cm", "--from-literal=url=https://argocd.example.org", *place)
    said = serving_cluster.kubectl(
        "patch", "configmap", "argocd-cm", "--patch-file", str(GITOPS / "argocd-cm.yaml"), *place
    )
    assert said.strip() == "configmap/argocd-cm patched"
    data = serving_cluster.get("configmap", "argocd-cm", *place)["data"]
    assert data == {"url": "https://argocd.example.org", KEY: PATCH["data"][KEY]}


def test_the_expressions_for_flux_find_the_end_and_every_trouble(
    flux: Callable[[Document], str],
) -> None:
    """Flux compares the generations first, and takes what no expression finds for in progress."""
    for case, (made, health, _, _) in CASES.items():
        expected = {"Healthy": "Current", "Degraded": "Failed"}.get(health, "InProgress")
        assert flux(document(made())) == ("InProgress" if case == "failed-and-edited" else expected), case


def test_flux_is_told_of_the_kind_that_it_waits_for() -> None:
    (check,), (expressions,) = FLUX["healthChecks"], FLUX["healthCheckExprs"]
    for found in (check, expressions):
        assert (found["apiVersion"], found["kind"]) == ("mergesearch.io/v1alpha1", "MergeSearch")


def test_the_page_has_the_lines_for_flux_as_they_are_tested() -> None:
    page = (settings.ROOT / "docs" / "operations.md").read_text()
    told = yaml.safe_load(page.partition("```yaml\nhealthCheckExprs:")[2].partition("```")[0])
    assert told == FLUX["healthCheckExprs"]


def test_the_chart_renders_alike_every_time_and_asks_no_cluster() -> None:
    """`helm template` sees no cluster, so that what a template looks up would be missing there in silence."""
    assert render(EVERYTHING) == render(EVERYTHING)
    unsteady = re.compile(r"\{\{[^}]*\b(lookup|rand\w+|uuidv4|now|gen\w+|derivePassword|htpasswd|bcrypt)\b")
    for template in (CHART / "templates").iterdir():
        assert not unsteady.search(template.read_text()), template.name
        assert "helm.sh/hook" not in template.read_text(), template.name


def argo_cd(found: Document) -> dict[str, str]:
    """What the script returns in a Lua like Argo CD's: version 5.1, with the basic library and that of tables."""
    lua = lua51.LuaRuntime(register_eval=False)
    for name in NOT_THERE:
        lua.globals()[name] = None
    lua.globals()["obj"] = lua.table_from(found, recursive=True)
    return dict(lua.execute(PATCH["data"][KEY]))


def kstatus(found: Document) -> str:
    """The rules of kstatus for kinds that it does not know: the generation, then Reconciling and Stalled as they come,
    then Ready.
    """
    status = found["status"]
    if status["observedGeneration"] != found["metadata"]["generation"]:
        return "InProgress"
    for condition in status["conditions"]:
        if condition["status"] == "True" and condition["type"] in ("Reconciling", "Stalled"):
            return "InProgress" if condition["type"] == "Reconciling" else "Failed"
    ready = next(condition for condition in status["conditions"] if condition["type"] == "Ready")
    return "Current" if ready["status"] == "True" else "InProgress"
