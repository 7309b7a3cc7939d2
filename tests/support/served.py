"""A cluster that serves MergeSearches, as the repository ships the definition."""

import time
from pathlib import Path

from cluster.handle import Cluster
from mergesearch.crd.definition import NAME

CRD = Path(__file__).resolve().parents[2] / "crds" / "mergesearch.io_mergesearches.yaml"
SECONDS = 60


def serve(cluster: Cluster) -> Cluster:
    """Apply the definition and wait until the API server answers for it; `kubectl wait` fails while there are no
    conditions yet.
    """
    cluster.kubectl("apply", "-f", str(CRD))
    deadline = time.monotonic() + SECONDS
    while (answer := cluster.run_kubectl("get", NAME, "--all-namespaces")).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{NAME} is not served after {SECONDS} s: {answer.stderr}")
        time.sleep(0.2)
    return cluster
