"""What the operator asks of a cluster, as requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from mergesearch_operator import faults
from mergesearch_operator.client import Client
from mergesearch_operator.cluster import Cluster


@dataclass
class Asked:
    """A client that remembers what it was asked for a text, and answers like a kubelet with one long log."""

    log: bytes
    queries: list[Mapping[str, str]] = field(default_factory=list)

    def text(self, path: str, query: Mapping[str, str]) -> str:
        self.queries.append(query)
        if not path.startswith("/api/v1/namespaces/n/pods/there/"):
            raise faults.NotFoundError(path)
        return self.log[: int(query.get("limitBytes", len(self.log)))].decode()


def test_a_log_is_read_up_to_a_limit_whatever_a_process_prints() -> None:
    asked = Asked(b"x" * (64 << 20))
    cluster = Cluster(cast("Client", asked))
    assert len(cluster.log("n", "there") or "") == 8 << 20
    assert asked.queries == [{"container": "main", "limitBytes": str(8 << 20)}]


def test_the_log_of_a_pod_that_is_gone_is_none() -> None:
    assert Cluster(cast("Client", Asked(b""))).log("n", "gone") is None
