"""What both benchmarks of the operator need: a light cluster, the real operator, searches whose pods are scripted."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))


from cluster import light
from cluster.handle import Cluster
from mergesearch_operator.client import Client
from support import served
from support.operator_process import IMAGES, free_ports
from support.scripted_kubelet import ScriptedKubelet
from unit.lifecycle.world import resource

NAMESPACE = "bench"
SECONDS_PER_LOOK = 0.5


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
        self.cluster.kubectl("create", "-f", "-", stdin=json.dumps(document))

    def phases(self) -> Mapping[str, str]:
        """Phase of every search, by name."""
        items = json.loads(self.cluster.kubectl("get", "mergesearches", "-n", NAMESPACE, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item.get("status", {}).get("phase", "") for item in items}

    def wait(self, wanted: str, seconds: float) -> None:
        """Until every search is in this phase. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while set(self.phases().values()) != {wanted}:
            if time.monotonic() > until:
                raise TimeoutError(f"not all {wanted} after {seconds:.0f} s: {self.phases()}")
            time.sleep(SECONDS_PER_LOOK)

    def resident_bytes(self) -> int:
        """Memory of the operator's process now."""
        status = Path(f"/proc/{self.operator.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


@contextmanager
def bench(*, run_seconds: float) -> Iterator[Bench]:
    """Everything up; everything gone afterwards. Pods run so many seconds."""
    with tempfile.TemporaryDirectory(prefix="operator-bench-") as folder:
        place = Path(folder)
        try:
            cluster = light.up(place / "light", attached=True)
            served.serve(cluster)
            cluster.kubectl("create", "namespace", NAMESPACE)
            with ScriptedKubelet(
                Client.connect(connections=4, kubeconfig=str(cluster.kubeconfig)), NAMESPACE, run_seconds=run_seconds
            ) as kubelet:
                yield from _with_operator(place, cluster, kubelet)
        finally:
            light.down(place / "light")


def _with_operator(place: Path, cluster: Cluster, kubelet: ScriptedKubelet) -> Iterator[Bench]:
    metrics, probe = free_ports(2)
    environment = cluster.environment | {
        **IMAGES,
        "MERGESEARCH_METRICS_PORT": str(metrics),
        "MERGESEARCH_PROBE_PORT": str(probe),
    }
    command = [str(Path(sys.executable).parent / "mergesearch-operator")]
    with (place / "operator.log").open("wb") as log:
        operator = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Bench(cluster, operator, kubelet, metrics)
    finally:
        operator.terminate()
        operator.wait()
