"""What a test holds of a running cluster: its kubeconfig, kubectl, credentials of service accounts, the audit log."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.control_plane import ControlPlane
from cluster.settings import ClusterError


@dataclass(frozen=True)
class Cluster:
    """A running cluster that was started here.

    Attributes:
        plane: Its control plane.
    """

    plane: ControlPlane

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; it holds its certificate, so it may be copied."""
        return self.plane.kubeconfig

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

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a child process that works on this cluster: KUBECONFIG, and PATH with kubectl and helm."""
        path = f"{self.plane.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return dict(os.environ) | {"KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def run_kubectl(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the administrator, whatever comes of it."""
        command = [str(self.plane.programs / "kubectl"), *args]
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
