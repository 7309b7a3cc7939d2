"""The control plane: etcd, kube-apiserver and kube-controller-manager, and the scheduler where there is a node."""

import json
import random
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cluster import waiting
from cluster.pki import Authority, Identity
from cluster.processes import Program
from cluster.settings import ClusterError

SERVICES = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
"""The first address of SERVICES: where pods reach the API."""

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "Metadata"},
    ],
}
"""One line for each request, with the microseconds of its arrival and its answer; renewals of leases are left out."""


@dataclass(frozen=True)
class ControlPlane:
    """What stands in `folder`, running or not.

    Attributes:
        folder: Everything of it: data, keys, logs, ports.
        programs: The folder of the built programs.
        address: Where the API server listens.
        advertised: Where pods are told that it listens; empty where there are no pods.
        attached: Its programs end with the process that started them.
    """

    folder: Path
    programs: Path
    address: str = "127.0.0.1"
    advertised: str = ""
    attached: bool = False

    @property
    def authority(self) -> Authority:
        return Authority(self.folder / "pki")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    @property
    def server(self) -> str:
        """The API's address for this machine."""
        return f"https://127.0.0.1:{self.port('apiserver')}"

    def port(self, name: str) -> int:
        """A free port, the same one each time for the same name."""
        path = self.folder / "ports.json"
        ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        if name not in ports:
            ports[name] = _free_port(set(ports.values()))
            unfinished = path.with_suffix(".tmp")
            unfinished.write_text(json.dumps(ports))
            unfinished.replace(path)
        return ports[name]

    def start(self) -> None:
        """Starts what does not run; returns when the API answers and pods could be created."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_credentials()
        self._program("etcd", self._etcd())
        apiserver = self._program("kube-apiserver", self._apiserver())
        waiting.until("the API server is ready", lambda: self._ready(apiserver), seconds=120, why=apiserver.tail)
        manager = self._program("kube-controller-manager", self._controller_manager())
        if self.advertised:
            self._program("kube-scheduler", self._scheduler())
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        waiting.until("the controllers work", lambda: self.get(account) == 200, seconds=120, why=manager.tail)

    def get(self, path: str) -> int:
        """The status of a GET as the administrator; 0 where nothing answers."""
        certificate, key = self.authority.issue("admin", ADMIN)
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(certificate, key)
        try:
            with urllib.request.urlopen(self.server + path, context=context, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def _ready(self, apiserver: Program) -> bool:
        if apiserver.exited():
            raise ClusterError(f"{apiserver.name} ended at once:\n{apiserver.tail()}")
        return self.get("/readyz") == 200

    def _program(self, name: str, flags: list[str]) -> Program:
        program = Program(self.folder, name)
        program.start([str(self.programs / name), *flags], attached=self.attached)
        return program

    def _write_credentials(self) -> None:
        self.authority.create()
        self.authority.issue("apiserver", _server_identity(self.advertised))
        clients = {"admin": ADMIN, "controller-manager": MANAGER, "scheduler": SCHEDULER}
        for name, identity in clients.items():
            self.client(name, identity)
        (self.folder / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))

    def client(self, name: str, identity: Identity) -> Path:
        """The kubeconfig of a client with a certificate."""
        certificate, key = self.authority.issue(name, identity)
        path = self.folder / f"{name}.kubeconfig"
        return self.authority.kubeconfig(path, self.server, certificate=certificate, key=key)

    def _etcd(self) -> list[str]:
        client = f"http://127.0.0.1:{self.port('etcd')}"
        peer = f"http://127.0.0.1:{self.port('etcd-peer')}"
        return [
            "--name=default",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
            # The data is not to outlive the machine.
            "--unsafe-no-fsync",
        ]

    def _apiserver(self) -> list[str]:
        pki = self.authority.folder
        # Without pods nobody reads the endpoints of the service `kubernetes`, and a loopback address is refused there.
        reach = ["--endpoint-reconciler-type=none", "--advertise-address=127.0.0.1"]
        if self.advertised:
            reach = [f"--advertise-address={self.advertised}"]
        return [
            f"--etcd-servers=http://127.0.0.1:{self.port('etcd')}",
            f"--bind-address={self.address}",
            f"--secure-port={self.port('apiserver')}",
            *reach,
            f"--service-cluster-ip-range={SERVICES}",
            f"--client-ca-file={self.authority.certificate}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--kubelet-client-certificate={pki / 'admin.crt'}",
            f"--kubelet-client-key={pki / 'admin.key'}",
            # The default begins with the node's host name, which nobody resolves: logs and exec would fail.
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={pki / 'service-account.key'}",
            f"--service-account-signing-key-file={pki / 'service-account.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--audit-policy-file={self.folder / 'audit-policy.json'}",
            f"--audit-log-path={self.audit_log}",
            # Never rotated within a test run.
            "--audit-log-maxsize=4096",
        ]

    def _controller_manager(self) -> list[str]:
        # Without a kubelet no node ever reports: a test that creates one wants it to stay as it wrote it.
        controllers = [] if self.advertised else ["--controllers=*,-node-lifecycle-controller"]
        return [
            f"--kubeconfig={self.folder / 'controller-manager.kubeconfig'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port('controller-manager')}",
            f"--root-ca-file={self.authority.certificate}",
            f"--service-account-private-key-file={self.authority.folder / 'service-account.key'}",
            "--use-service-account-credentials",
            # With the default of 20 requests a second, the Job controller brings three Jobs a second to their ends.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            # A claim and its volume find each other at the next look, which is 15 s away by default.
            "--pvclaimbinder-sync-period=1s",
            "--leader-elect=false",
            *controllers,
        ]

    def _scheduler(self) -> list[str]:
        return [
            f"--kubeconfig={self.folder / 'scheduler.kubeconfig'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port('scheduler')}",
            "--leader-elect=false",
        ]


ADMIN = Identity("admin", groups=("system:masters",))
MANAGER = Identity("system:kube-controller-manager")
SCHEDULER = Identity("system:kube-scheduler")


def _server_identity(advertised: str) -> Identity:
    host = "kubernetes.default.svc"
    names = ["127.0.0.1", "localhost", SERVICE_ADDRESS, "kubernetes", "kubernetes.default", host]
    names += [f"{host}.cluster.local", *([advertised] if advertised else [])]
    return Identity("kube-apiserver", names=tuple(names))


def _free_port(taken: set[int]) -> int:
    """One below those that the system gives to clients and those of node ports, so that nobody takes it meanwhile."""
    for port in random.sample(range(18000, 30000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            return port
    raise ClusterError("no free port between 18000 and 30000")
