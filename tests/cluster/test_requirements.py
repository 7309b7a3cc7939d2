"""A machine that lacks something is told all of it at once, and nothing is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import settings


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told about packages")
def test_every_missing_package_is_named_with_the_command_that_installs_them(tmp_path: Path) -> None:
    for present in ("ip", "mount", "iptables"):
        (tmp_path / present).touch(mode=0o755)
    folder = tmp_path / "cluster"

    done = subprocess.run(
        [sys.executable, "-m", "cluster", "up", "--folder", str(folder)],
        cwd=settings.PACKAGE.parent,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    missing = "buildah conntrack containerd"
    assert f"missing on this machine: {missing}" in done.stderr
    assert f"apt-get install --yes --no-install-recommends {missing}" in done.stderr
    assert "iptables" not in done.stderr
    assert not folder.exists()


def test_the_missing_packages_are_printed_for_a_script_to_install(tmp_path: Path) -> None:
    for present in ("ip", "mount", "iptables", "conntrack", "socat"):
        (tmp_path / present).touch(mode=0o755)

    done = subprocess.run(
        [sys.executable, "-m", "cluster", "packages"],
        cwd=settings.PACKAGE.parent,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert {"buildah", "containerd", "debootstrap", "runc", "skopeo"} <= set(done.stdout.split())
    assert not {"iproute2", "mount", "iptables", "conntrack", "socat"} & set(done.stdout.split())


def test_a_cluster_of_the_caller_needs_a_registry_for_images(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    code = "from cluster import images; images.deliver(['localhost/mergesearch/sample:1'])"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.PACKAGE.parent,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "KUBECONFIG names a cluster of yours: E2E_REGISTRY must say where it pulls from" in done.stderr
