"""A cluster that only remembers, for steps of one search against it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch_operator import faults
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
