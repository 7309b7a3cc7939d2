"""What a test of the operator works in: a namespace, operators, a proxy before them, a scripted kubelet; and what a
person does with kubectl.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.handle import Cluster
from mergesearch.api.base import GROUP, VERSION
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch_operator import constants, faults
from mergesearch_operator.client import Client, Document
from support.api_proxy import ApiProxy, Plan
from support.history import history
from support.operator_process import OperatorProcess
from support.scripted_kubelet import ScriptedKubelet
from unit.lifecycle import world
from unit.lifecycle.consistency import check

SMALL: dict[str, Any] = {
    "checkpoints": 2,
    "heldOut": {"tasks": []},
    "search": {
        "maxEvaluations": 4,
        "parallelism": 2,
        "algorithm": {"cmaes": {"populationSize": 2}},
        "confirm": {"finalists": 1},
        "baselines": ["Uniform"],
    },
}
"""Two checkpoints, two generations of two, one finalist, one baseline: a short search that has every stage, 18 Jobs."""


@dataclass
class Bed:
    """One namespace."""

    cluster: Cluster
    client: Client
    namespace: str
    folder: Path
    operators: list[OperatorProcess] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Bed":
        self._stack.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        try:
            for operator in self.operators:
                operator.kill()
        finally:
            self._stack.close()

    # --- What runs ---

    def operator(self, kubeconfig: Path | None = None, **variables: str) -> OperatorProcess:
        """An operator for this namespace, not started yet; variables by the end of their names."""
        number = len(self.operators)
        told = {f"MERGESEARCH_{name.upper()}": value for name, value in variables.items()}
        made = OperatorProcess(
            kubeconfig or self.cluster.kubeconfig, self.namespace, self.folder / f"operator-{number}.log", told
        )
        self.operators.append(made)
        return made

    def proxy(self, plan: Plan = lambda _call: None) -> ApiProxy:
        """A proxy that runs."""
        return self._stack.enter_context(ApiProxy(self.cluster, plan))

    def behind(self, proxy: ApiProxy, **variables: str) -> OperatorProcess:
        """An operator that reaches the API server through a proxy."""
        return self.operator(proxy.kubeconfig(self.folder / "proxy.kubeconfig"), **variables)

    def kubelet(self, **script: Any) -> ScriptedKubelet:
        """A kubelet that runs."""
        return self._stack.enter_context(ScriptedKubelet(self.client, self.namespace, **script))

    # --- What a person does ---

    def create(self, name: str = "soup", **parts: Any) -> str:
        """Apply a small search; returns its UID."""
        document = manifest(name, **parts)
        document["metadata"]["namespace"] = self.namespace
        created, _ = self.client.request("POST", self._path(), body=document)
        return str(created["metadata"]["uid"])

    def edit(self, change: Callable[[Document], None], name: str = "soup") -> None:
        """Edit a search as `kubectl edit` does."""
        while True:
            document = self.client.get(self._path(name))
            change(document)
            try:
                self.client.request("PUT", self._path(name), body=document)
            except faults.ConflictError:
                continue
            return

    def annotate(self, text: str, name: str = "soup") -> None:
        """Change what nobody reads, so that every watch tells of the search."""
        self.edit(lambda document: document["metadata"].update(annotations={"note": text}), name)

    def retry(self, name: str = "soup") -> None:
        """Send a stalled search on, and wait until it is on its way."""
        self.edit(lambda document: document["spec"].update(retry="mended"), name)
        self.until(lambda now: now.retry == "mended", name)

    def put_status(self, change: Callable[[Document], None], name: str = "soup") -> Document:
        """Write a status past the operator; returns the document as it is stored."""
        while True:
            document = self.client.get(self._path(name))
            change(document.setdefault("status", {}))
            try:
                return self.client.request("PUT", f"{self._path(name)}/status", body=document)[0]
            except faults.ConflictError:
                continue

    def delete(self, name: str = "soup") -> None:
        """Delete a search."""
        self.client.request("DELETE", self._path(name))

    def delete_job(self, name: str) -> None:
        """Delete a Job with its pods."""
        body = {"propagationPolicy": "Background"}
        self.client.request("DELETE", f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{name}", body=body)

    def delete_pod(self, name: str) -> None:
        """Delete a pod at once."""
        body = {"gracePeriodSeconds": 0}
        self.client.request("DELETE", f"/api/v1/namespaces/{self.namespace}/pods/{name}", body=body)

    # --- What a person sees ---

    def document(self, name: str = "soup") -> Document:
        """A search as it is now."""
        return self.client.get(self._path(name))

    def search(self, name: str = "soup") -> MergeSearch:
        """A search as it is now."""
        return MergeSearch.model_validate(self.document(name))

    def status(self, name: str = "soup") -> MergeSearchStatus:
        return self.search(name).status or MergeSearchStatus()

    def jobs(self) -> list[Document]:
        return self.client.items(f"/apis/batch/v1/namespaces/{self.namespace}/jobs")

    def pods(self) -> list[Document]:
        return self.client.items(f"/api/v1/namespaces/{self.namespace}/pods")

    def events(self, reason: str) -> list[Document]:
        """Events with this reason."""
        found = self.client.items(f"/api/v1/namespaces/{self.namespace}/events")
        return [event for event in found if event["reason"] == reason]

    def until(
        self, wanted: Callable[[MergeSearchStatus], object], name: str = "soup", *, seconds: float = 60
    ) -> MergeSearchStatus:
        """Wait until a status is as wanted."""
        status = MergeSearchStatus()

        def so() -> bool:
            nonlocal status
            status = self.status(name)
            return bool(wanted(status))

        self.wait(so, seconds=seconds, what=lambda: f"{status.phase} {status.counts} {status.stalled}")
        return status

    def until_complete(self, name: str = "soup", *, seconds: float = 60) -> MergeSearch:
        """Wait for the end of a search, which has to be a good one."""
        status = self.until(lambda now: now.completion_time or now.stalled, name, seconds=seconds)
        assert condition(status, "Complete") == ("True", "BudgetSpent"), status.stalled or status.failed
        resource = self.search(name)
        check(resource, status, resource.spec.search.max_evaluations)
        return resource

    def wait(self, fact: Callable[[], object], *, seconds: float = 60, what: Callable[[], object] = lambda: "") -> None:
        """Wait for a fact; the operators' logs are told where it does not come."""
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                logs = "\n".join(operator.log()[-4000:] for operator in self.operators)
                raise AssertionError(f"not within {seconds:.0f} s: {what()}\n{logs}")
            time.sleep(0.05)

    def _path(self, name: str = "") -> str:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{constants.PLURAL}"
        return f"{path}/{name}" if name else path


def condition(status: MergeSearchStatus, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = ((one.status, one.reason.value) for one in status.conditions if one.type == kind)
    return next(found, ("Unknown", ""))


def manifest(name: str = "soup", **parts: Any) -> Document:
    """A manifest: the small search, with other parts where a test wants them."""
    merged = {**SMALL, **parts}
    made = world.resource(**merged)
    return {
        "apiVersion": made.api_version,
        "kind": made.kind,
        "metadata": {"name": name},
        "spec": made.spec.to_document(),
    }


def undisturbed(**parts: Any) -> tuple[dict[str, Any], world.World]:
    """History of the same search, and what lies on its volumes, where the core runs it without a cluster."""
    bench = world.Bench(world.resource(**{**SMALL, **parts}))
    status = bench.rest()
    return history(bench.resource.model_copy(update={"status": status})), bench.world
