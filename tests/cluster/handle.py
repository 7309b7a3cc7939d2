"""What a test holds of a running cluster: kubectl and, where it was started here, credentials and the audit log."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cluster.control_plane import ControlPlane
from cluster.settings import ClusterError


@dataclass(frozen=True)
class Client:
    """Somebody's access to a cluster, wherever it runs.

    Attributes:
        kubeconfig: Says which cluster, and who is asking.
        programs: The folder of kubectl and helm.
    """

    kubeconfig: Path
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a child process that works on this cluster: KUBECONFIG, and PATH with kubectl and helm."""
        path = f"{self.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return dict(os.environ) | {"KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def run_kubectl(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs kubectl, whatever comes of it."""
        command = [str(self.programs / "kubectl"), *args]
        return subprocess.run(command, env=self.environment, input=stdin, capture_output=True, text=True, check=False)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """What kubectl prints.

        Raises:
            ClusterError: It failed; the message is what it said.
        """
        done = self.run_kubectl(*args, stdin=stdin)
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(args)} exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *args: str) -> Any:
        """What `kubectl get ARGS -o json` holds."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(self, *documents: dict[str, Any]) -> None:
        """Applies objects, in this order."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))


@dataclass(frozen=True)
class Cluster(Client):
    """A cluster that was started here, and its administrator's access.

    Attributes:
        plane: Its control plane.
    """

    plane: ControlPlane

    @classmethod
    def of(cls, plane: ControlPlane) -> Self:
        """The cluster of a control plane."""
        return cls(plane.kubeconfig, plane.programs, plane)

    @property
    def server(self) -> str:
        """The API's address."""
        return self.plane.server

    @property
    def certificate_authority(self) -> Path:
        return self.plane.authority.certificate

    @property
    def client_certificate(self) -> Path:
        """The administrator's, who may impersonate everybody."""
        return self.plane.authority.folder / "admin.crt"

    @property
    def client_key(self) -> Path:
        return self.plane.authority.folder / "admin.key"

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a service account: the client is that account, with its rights, for a day."""
        token = self.kubectl("create", "token", name, "--namespace", namespace, "--duration=24h").strip()
        path = self.plane.folder / f"service-account-{namespace}-{name}.kubeconfig"
        return self.plane.authority.token_kubeconfig(path, self.server, token)

    def audit(self) -> Iterator[dict[str, Any]]:
        """Every request that was answered so far, in the order of the answers; times are RFC 3339 with microseconds.

        `requestReceivedTimestamp` and `stageTimestamp` are what latencies are measured by; a watch appears when it
        starts (stage ResponseStarted) and when it ends (ResponseComplete).
        """
        with self.plane.audit_log.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)
