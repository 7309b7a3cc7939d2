"""What both benchmarks of the operator need: a light cluster, the real operator, searches whose pods are scripted."""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))


from cluster import light
from cluster.handle import Cluster
from mergesearch.api.base import GROUP, VERSION
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, RecordState
from mergesearch_operator import constants
from mergesearch_operator.client import Client, Document
from support import served
from support.operator_process import IMAGES, free_ports
from support.scripted_kubelet import ScriptedKubelet
from unit.lifecycle.world import resource

NAMESPACE = "bench"
PATH = f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{constants.PLURAL}"
SECONDS_PER_LOOK = 2.0
BESIDE_PYTHON = Path(sys.executable).parent / "mergesearch-operator"


@dataclass(frozen=True)
class Bench:
    """A cluster with an operator."""

    cluster: Cluster
    operator: subprocess.Popen[bytes]
    kubelet: ScriptedKubelet
    metrics_port: int

    def create(self, name: str, **parts: Any) -> None:
        """A search over three checkpoints."""
        model = resource(**parts)
        document = {
            "apiVersion": model.api_version,
            "kind": model.kind,
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": model.spec.to_document(),
        }
        self.kubelet.client.request("POST", PATH, body=document)

    def searches(self) -> list[Document]:
        """All of them, as they are now."""
        return self.kubelet.client.items(PATH)

    def phases(self) -> Counter[str]:
        """How many searches are in each phase."""
        return Counter(one.get("status", {}).get("phase", "") for one in self.searches())

    def evaluations(self) -> int:
        """Records of all searches that have a score."""
        found = [MergeSearch.model_validate(one).status or MergeSearchStatus() for one in self.searches()]
        lists = [part for status in found for part in (status.baselines, status.candidates, status.confirmations)]
        return sum(record.state is RecordState.SCORED for part in lists for record in part)

    def wait(self, wanted: str, seconds: float) -> None:
        """Until every search is in this phase. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while set(self.phases()) != {wanted}:
            if time.monotonic() > until:
                raise TimeoutError(f"not all {wanted} after {seconds:.0f} s: {self.phases()}")
            time.sleep(SECONDS_PER_LOOK)

    def resident_bytes(self) -> tuple[int, int]:
        """Memory of the operator's process: now, and the most it has had."""
        lines = Path(f"/proc/{self.operator.pid}/status").read_text().splitlines()
        sizes = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.split()}
        return int(sizes["VmRSS"]) * 1024, int(sizes["VmHWM"]) * 1024

    def processor_seconds(self) -> float:
        """What the operator's process has used so far."""
        # The name of the program, in brackets, may hold blanks.
        fields = Path(f"/proc/{self.operator.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def bench(*, run_seconds: float, kubelet_looks: float = 0.05, program: Path = BESIDE_PYTHON) -> Iterator[Bench]:
    """Everything up; everything gone afterwards. Pods run so many seconds; the kubelet looks at them at such intervals;
    `program` is the operator.
    """
    with tempfile.TemporaryDirectory(prefix="operator-bench-") as folder:
        place = Path(folder)
        try:
            cluster = light.up(place / "light", attached=True)
            served.serve(cluster)
            cluster.kubectl("create", "namespace", NAMESPACE)
            client = Client.connect(connections=4, kubeconfig=str(cluster.kubeconfig))
            with ScriptedKubelet(client, NAMESPACE, run_seconds=run_seconds, look_seconds=kubelet_looks) as kubelet:
                yield from _with_operator(place, cluster, kubelet, program)
        finally:
            light.down(place / "light")


def _with_operator(place: Path, cluster: Cluster, kubelet: ScriptedKubelet, program: Path) -> Iterator[Bench]:
    metrics, probe = free_ports(2)
    environment = cluster.environment | {
        **IMAGES,
        "MERGESEARCH_METRICS_PORT": str(metrics),
        "MERGESEARCH_PROBE_PORT": str(probe),
    }
    with (place / "operator.log").open("wb") as log:
        operator = subprocess.Popen([program], env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Bench(cluster, operator, kubelet, metrics)
    finally:
        operator.terminate()
        operator.wait()
