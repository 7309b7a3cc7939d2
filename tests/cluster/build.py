"""Builds the programs of the cluster from the Go modules that binaries/go.mod pins, and keeps them by its content."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cluster import locks, settings
from cluster.settings import ClusterError

SOURCES = settings.PACKAGE / "binaries"

PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "helm": "helm.sh/helm/v3/cmd/helm",
    "pause": "./pause",
}
"""Every program and the Go package that it is."""
LIGHT = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
FULL = tuple(PACKAGES)


def version_of(module: str) -> str:
    """The version that go.mod requires of a module, with its v."""
    text = (SOURCES / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)$", text, re.MULTILINE)
    if not found:
        raise ClusterError(f"{SOURCES / 'go.mod'}: requires no {module}")
    return found[1]


def folder() -> Path:
    """Where the programs of this go.mod and go.sum are kept."""
    content = b"".join((SOURCES / name).read_bytes() for name in ("go.mod", "go.sum"))
    return settings.cache_folder() / hashlib.sha256(content).hexdigest()[:16]


def ensure(programs: Sequence[str] = FULL) -> Path:
    """The folder that holds these programs; those that are missing are built first.

    Raises:
        ClusterError: Go is missing or a program does not build.
    """
    target = folder()
    if all((target / name).is_file() for name in programs):
        return target
    with locks.held(target / ".lock"):
        for name in programs:
            if not (target / name).is_file():
                _build(name, target)
    return target


def _build(name: str, target: Path) -> None:
    if not shutil.which("go"):
        raise ClusterError(f"Go 1.25 or newer is needed to build {name}; it is not on the PATH")
    started = time.monotonic()
    print(f"building {name} ...", file=sys.stderr, flush=True)
    unfinished = target / f".{name}.{os.getpid()}"
    command = ["nice", "-n", "15", "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += ["-ldflags", _linker_flags(), "-o", str(unfinished), PACKAGES[name]]
    done = subprocess.run(
        command, cwd=SOURCES, env=os.environ | {"CGO_ENABLED": "0"}, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"{PACKAGES[name]} does not build (go exited {done.returncode}):\n{done.stderr[-4000:]}")
    unfinished.replace(target / name)
    print(f"built {name} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _linker_flags() -> str:
    """The versions that the programs give as theirs: a plain build of them would claim to be v0.0.0 or v1.20."""
    kubernetes = version_of("k8s.io/kubernetes")
    major, minor = kubernetes.removeprefix("v").split(".")[:2]
    base, chart = "k8s.io/component-base/version", "helm.sh/helm/v3/pkg/chartutil"
    values = {
        f"{base}.gitVersion": kubernetes,
        f"{base}.gitMajor": major,
        f"{base}.gitMinor": minor,
        # By this one the clients name themselves to the API server.
        "k8s.io/client-go/pkg/version.gitVersion": kubernetes,
        "helm.sh/helm/v3/internal/version.version": version_of("helm.sh/helm/v3"),
        # What `helm lint` and `helm template` take for the cluster's version.
        f"{chart}.k8sVersionMajor": major,
        f"{chart}.k8sVersionMinor": minor,
    }
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])
