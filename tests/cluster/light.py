"""The light cluster: etcd, kube-apiserver and kube-controller-manager in a folder of their own; no pod ever runs."""

import shutil
from pathlib import Path

from cluster import build, processes
from cluster.control_plane import ControlPlane
from cluster.handle import Cluster


def up(folder: Path, *, attached: bool = False) -> Cluster:
    """Starts what does not run yet; returns when the API answers and controllers work.

    Args:
        folder: Made if missing; holds everything of this cluster.
        attached: The programs end with the calling process, even if it is killed.

    Raises:
        ClusterError: A program could not be built or does not come up.
    """
    plane = ControlPlane(folder.resolve(), build.ensure(build.LIGHT), attached=attached)
    plane.start()
    return Cluster.of(plane)


def down(folder: Path) -> None:
    """Ends exactly the programs that were started in this folder and removes it; nothing there is fine too."""
    for program in processes.recorded(folder.resolve()):
        program.stop(kill=True)
    shutil.rmtree(folder, ignore_errors=True)


def running(folder: Path) -> Cluster | None:
    """The cluster in this folder, if its API answers."""
    plane = ControlPlane(folder.resolve(), build.folder())
    return Cluster.of(plane) if plane.kubeconfig.exists() and plane.get("/readyz") == 200 else None
