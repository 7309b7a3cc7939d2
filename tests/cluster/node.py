"""The one node: kubelet and kube-proxy, and the GPUs that it says it has."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import cgroups, network, settings, waiting
from cluster.control_plane import ControlPlane
from cluster.handle import Cluster
from cluster.pki import Identity
from cluster.processes import Program
from cluster.runtime import Runtime
from cluster.settings import ClusterError

NAME = "mergesearch-node"
GPUS = 2
"""How many `nvidia.com/gpu` the node claims: Jobs that ask for them are scheduled, and queue when they are taken."""

_KUBELET_LEFTOVERS = (Path("/var/lib/kubelet/device-plugins"), Path("/var/log/containers"))
"""Folders of fixed names that a kubelet makes wherever its own root is."""


@dataclass(frozen=True)
class Node:
    """The node of a control plane, running or not."""

    plane: ControlPlane
    runtime: Runtime

    @property
    def folder(self) -> Path:
        return self.plane.folder

    @property
    def kubelet(self) -> Program:
        return Program(self.folder, "kubelet")

    @property
    def proxy(self) -> Program:
        return Program(self.folder, "kube-proxy")

    def start(self) -> None:
        """Starts what does not run; returns when pods can be scheduled and the GPUs are offered."""
        cgroups.create()
        kubelet = self.plane.client("kubelet", Identity(f"system:node:{NAME}", groups=("system:nodes",)))
        proxy = self.plane.client("kube-proxy", Identity("system:kube-proxy"))
        programs = self.plane.programs
        configuration = self._write("kubelet-configuration.json", self._kubelet_configuration())
        self.kubelet.start(
            [
                str(programs / "kubelet"),
                f"--config={configuration}",
                f"--kubeconfig={kubelet}",
                f"--root-dir={self.folder / 'kubelet'}",
                f"--cert-dir={self.folder / 'kubelet-pki'}",
                f"--hostname-override={NAME}",
                f"--node-ip={network.NODE_ADDRESS}",
            ]
        )
        configuration = self._write("proxy-configuration.json", self._proxy_configuration(proxy))
        self.proxy.start([str(programs / "kube-proxy"), f"--config={configuration}"])
        cluster = Cluster.of(self.plane)
        waiting.until("the node is ready", lambda: self._ready(cluster), seconds=180, why=self.kubelet.tail)
        offer_gpus(cluster)

    def stop(self) -> None:
        """Ends both and every pod; what they leave outside the folder goes too."""
        self.kubelet.stop(patience=5)
        self.proxy.stop(patience=5)
        cgroups.remove()
        for folder in _KUBELET_LEFTOVERS:
            self._remove_leftover(folder)

    def _remove_leftover(self, folder: Path) -> None:
        for path in folder.glob("*"):
            ours = path.is_symlink() and path.readlink().is_relative_to(self.folder)
            if ours or path.name in ("kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION"):
                path.unlink()
        settings.remove_empty(folder, *([folder.parent] if folder.parent.name == "kubelet" else []))

    def _ready(self, cluster: Cluster) -> bool:
        for program in (self.kubelet, self.proxy):
            if program.exited():
                raise ClusterError(f"{program.name} ended at once:\n{program.tail()}")
        shown = cluster.run_kubectl("get", "node", NAME, "-o", "json")
        if shown.returncode:
            return False
        conditions = json.loads(shown.stdout)["status"].get("conditions", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _write(self, name: str, document: dict[str, Any]) -> Path:
        path = self.folder / name
        # kube-proxy ends when its configuration is written, even with what it had.
        if not path.exists() or path.read_text() != json.dumps(document):
            path.write_text(json.dumps(document))
        return path

    def _kubelet_configuration(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.NODE_ADDRESS,
            "port": self.plane.port("kubelet"),
            "healthzPort": self.plane.port("kubelet-health"),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.plane.authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{self.runtime.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroups.NAME}",
            "failCgroupV1": False,
            "failSwapOn": False,
            # Nobody listens there: a name that is not in a pod's hosts file is refused at once instead of timing out.
            "clusterDNS": [network.NODE_ADDRESS],
            "clusterDomain": "cluster.local",
            "podLogsDir": str(self.folder / "pod-logs"),
            "volumePluginDir": str(self.folder / "volume-plugins"),
            # A full disk of the machine that runs the tests is not what they are about, and images are costly here.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            # What was brought to the node may be used, even if the same image was pulled before under another name.
            "imagePullCredentialsVerificationPolicy": "NeverVerify",
            "nodeStatusUpdateFrequency": "5s",
            "logging": {"verbosity": 1},
        }

    def _proxy_configuration(self, kubeconfig: Path) -> dict[str, Any]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "hostnameOverride": NAME,
            "mode": "iptables",
            "clusterCIDR": network.PODS,
            "healthzBindAddress": f"127.0.0.1:{self.plane.port('proxy-health')}",
            "metricsBindAddress": f"127.0.0.1:{self.plane.port('proxy-metrics')}",
            # Zero leaves the machine's own limits as they are.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }


def offer_gpus(cluster: Cluster, count: int = GPUS) -> None:
    """Makes the node say that it has GPUs. A kubelet that starts sets them to zero, so this follows every start."""
    patch = [{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": str(count)}]

    def offered() -> bool:
        node = cluster.get("node", NAME)["status"]
        if node["capacity"].get("nvidia.com/gpu") != str(count):
            cluster.kubectl(
                "patch", "node", NAME, "--subresource=status", "--type=json", f"--patch={json.dumps(patch)}"
            )
        return bool(node["allocatable"].get("nvidia.com/gpu") == str(count))

    waiting.until(f"the node offers {count} GPUs", offered, seconds=60)
