"""What the machine must have before a node can be started; nothing is installed from here."""

import os
import shutil
import sys

from cluster import network
from cluster.settings import ClusterError

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    str(network.PLUGINS / "bridge"): "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ip": "iproute2",
    "mount": "mount",
    "buildah": "buildah",
    "skopeo": "skopeo",
    "debootstrap": "debootstrap",
}
"""A command that is needed, and Debian's package that brings it."""


def missing() -> list[str]:
    """The Debian packages that would bring what is not there."""
    return sorted({package for command, package in PACKAGES.items() if not shutil.which(command)})


def check() -> None:
    """Returns if a node can be started here.

    Raises:
        ClusterError: Names everything that is missing and the one command that installs it.
    """
    if not sys.platform.startswith("linux"):
        raise ClusterError("a node needs Linux; set KUBECONFIG to use a cluster that runs elsewhere")
    if os.geteuid() != 0:
        raise ClusterError("a node needs root; set KUBECONFIG to use a cluster that is there already")
    names = " ".join(missing())
    if names:
        raise ClusterError(
            f"missing on this machine: {names}\n"
            f"on Debian: apt-get update && apt-get install --yes --no-install-recommends {names}\n"
            "or set KUBECONFIG to use a cluster that is there already"
        )
