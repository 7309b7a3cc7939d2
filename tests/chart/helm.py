"""The chart as its users meet it: rendered, installed, upgraded and removed by helm."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cluster import build, settings
from cluster.settings import ClusterError

CHART = settings.ROOT / "charts" / "mergesearch"
Document = dict[str, Any]
Values = Mapping[str, Any]

EVERYTHING: Values = {
    "image": {"digest": "sha256:" + "1" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "searches": {"merger": {"repository": "registry.example:5000/team/merger", "tag": "2"}, "pullPolicy": "Always"},
    "workers": 3,
    "resyncSeconds": 12.5,
    "serviceAccount": {"name": "searcher", "annotations": {"example.org/a": "b"}},
    "kueue": {"enabled": True},
    "podLabels": {"team": "x"},
    "podAnnotations": {"example.org/c": "d"},
    "resources": {"limits": {"cpu": 1, "memory": "2Gi"}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "priorityClassName": "system-cluster-critical",
    "extraEnv": [{"name": "A", "value": "b"}],
    "probe": {"port": 18080},
    "metrics": {
        "port": 19090,
        "service": {"annotations": {"example.org/e": "f"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True, "annotations": {"folder": "x"}},
    },
    "podDisruptionBudget": {"enabled": True},
    "networkPolicy": {
        "evaluators": {
            "enabled": True,
            "namespaces": ["default"],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 53, "protocol": "UDP"}]}],
        }
    },
}
"""Values with which everything that the chart can make is made, and everything that can be set is."""
POD_MONITOR: Values = {
    **EVERYTHING,
    "metrics": {
        **EVERYTHING["metrics"],
        "serviceMonitor": {"enabled": False},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    },
}
"""The same with the monitor that excludes the other one."""


def helm(*args: str, values: Values | None = None, kubeconfig: Path | None = None) -> str:
    """What helm prints. Raises ClusterError with what it said where it fails."""
    done = try_helm(*args, values=values, kubeconfig=kubeconfig)
    if done.returncode:
        raise ClusterError(f"helm {' '.join(args)} exited {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def try_helm(
    *args: str, values: Values | None = None, kubeconfig: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs helm, whatever comes of it. It sees no cluster but the one that is named."""
    program = build.ensure(("helm",)) / "helm"
    command = [str(program), *args, *(["--values", "-"] if values is not None else [])]
    environment = dict(os.environ) | {"KUBECONFIG": str(kubeconfig or os.devnull)}
    given = None if values is None else json.dumps(values)
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=False)


def render(values: Values | None = None, *, namespace: str = "system", extra: Sequence[str] = ()) -> list[Document]:
    """All objects of a release named `searches`."""
    text = helm("template", "searches", str(CHART), "--namespace", namespace, *extra, values=values or {})
    return [document for document in yaml.safe_load_all(text) if document]


def only(documents: Sequence[Document], kind: str) -> Document:
    """The one object of a kind."""
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def container(documents: Sequence[Document]) -> Document:
    """The operator's container."""
    (found,) = only(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)
