"""The full cluster: a control plane and one node that runs pods. There is at most one on a machine."""

import shutil
from pathlib import Path

from cluster import build, images, locks, mounts, network, processes, requirements
from cluster.control_plane import ControlPlane
from cluster.handle import Cluster
from cluster.node import Node
from cluster.runtime import Runtime, remove_traces


def up(folder: Path) -> Cluster:
    """Starts what does not run yet; returns when pods can run.

    Args:
        folder: Made if missing; holds everything of this cluster but its images.

    Raises:
        ClusterError: Something is missing on this machine, or a program does not come up.
    """
    folder = folder.resolve()
    requirements.check()
    programs = build.ensure(build.FULL)
    with locks.held(_lock(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        network.up(folder)
        runtime = Runtime(folder)
        runtime.start()
        images.ensure_pause(runtime, programs)
        plane = _plane(folder, programs)
        plane.start()
        cluster = Cluster.of(plane)
        _let_proxy_work(cluster)
        Node(plane, runtime).start()
    return cluster


def down(folder: Path) -> None:
    """Ends exactly what was started in this folder, removes it and what the node left elsewhere; images stay."""
    folder = folder.resolve()
    with locks.held(_lock(folder)):
        runtime = Runtime(folder)
        traces = runtime.traces()
        Node(_plane(folder, build.folder()), runtime).stop()
        runtime.stop()
        for program in processes.recorded(folder):
            program.stop(kill=True)
        if network.bridge_owner() in (None, "", str(folder)):
            network.down(folder)
        mounts.unmount(folder)
        remove_traces(traces)
        shutil.rmtree(folder, ignore_errors=True)


def running(folder: Path) -> Cluster | None:
    """The cluster in this folder, if its API answers."""
    plane = _plane(folder.resolve(), build.folder())
    return Cluster.of(plane) if plane.kubeconfig.exists() and plane.get("/readyz") == 200 else None


def _plane(folder: Path, programs: Path) -> ControlPlane:
    return ControlPlane(folder, programs, address="0.0.0.0", advertised=network.NODE_ADDRESS)


def _let_proxy_work(cluster: Cluster) -> None:
    binding = ("create", "clusterrolebinding", "test-cluster:node-proxier", "--dry-run=client", "-o", "yaml")
    rights = ("--clusterrole=system:node-proxier", "--user=system:kube-proxy")
    cluster.kubectl("apply", "-f", "-", stdin=cluster.kubectl(*binding, *rights))


def _lock(folder: Path) -> Path:
    """Beside the folder, which `down` removes."""
    return folder.with_name(f".{folder.name}.lock")
