"""containerd with a root, a state and a socket of its own. Its root holds the images and outlives the cluster."""

import os
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster import mounts, network, settings, waiting
from cluster.processes import Program, is_alive
from cluster.settings import ClusterError

PAUSE = "localhost/pause:1"
NAMESPACE = "k8s.io"
"""containerd's own word for what the kubelet sees."""
_NETWORK_RESULTS = Path("/var/lib/cni/results")
_SHARED = (
    *(Path("/run/containerd", name) for name in ("fifo", "s", "runc/k8s.io", "runc", "")),
    _NETWORK_RESULTS,
    _NETWORK_RESULTS.parent,
)
"""Where every containerd puts sockets, pipes and results of network plugins, whatever its own folders."""


def remove_traces(traces: Iterable[Path]) -> None:
    """Removes what `Runtime.traces` found, and the folders for it if nobody else uses them."""
    for path in traces:
        path.unlink(missing_ok=True)
    settings.remove_empty(*_SHARED)


@dataclass(frozen=True)
class Runtime:
    """The container runtime of the cluster in `folder`, running or not."""

    folder: Path

    @property
    def root(self) -> Path:
        """Images and their unpacked layers: what is costly to bring in, so it is kept."""
        return settings.cache_folder() / "containerd"

    @property
    def state(self) -> Path:
        return self.folder / "containerd"

    @property
    def socket(self) -> Path:
        return self.state / "containerd.sock"

    @property
    def program(self) -> Program:
        return Program(self.folder, "containerd")

    def start(self) -> None:
        """Starts it if it does not run; returns when it answers."""
        if len(str(self.socket)) > 100:
            raise ClusterError(f"{self.socket}: too long for the address of a socket; choose another folder")
        self.state.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "containerd.toml"
        configuration.write_text(self._configuration())
        self.program.start(["/usr/bin/containerd", "--config", str(configuration)])
        waiting.until("the container runtime answers", self._answers, seconds=60, why=self.program.tail)

    def stop(self) -> None:
        """Ends it and the shims that would outlive it, and forgets its containers but not its images."""
        if self.program.running() is not None:
            for container in self._list("containers"):
                self.ctr("tasks", "kill", "--signal", "SIGKILL", container)
                self.ctr("tasks", "delete", "--force", container)
                self.ctr("containers", "delete", container)
        self.program.stop()
        shims = self._shims()
        for shim in shims:
            os.kill(shim, signal.SIGKILL)
        waiting.until("the shims have ended", lambda: not any(map(is_alive, shims)), seconds=20)
        mounts.unmount(self.folder)
        mounts.unmount(self.root)

    def traces(self) -> list[Path]:
        """The files outside the folder that belong to its containers; to be asked for while these are still known."""
        found = []
        for bundle in (self.state / "io.containerd.runtime.v2.task" / NAMESPACE).glob("*"):
            address = bundle / "address"
            if address.exists():
                found.append(Path(address.read_text().removeprefix("unix://")))
            found += _NETWORK_RESULTS.glob(f"*-{bundle.name}-*")
        return found

    def blobs(self) -> dict[str, int]:
        """The layers and manifests that it holds: the digest of each, without its algorithm, and its size."""
        folder = self.root / "io.containerd.content.v1.content" / "blobs" / "sha256"
        names = [digest.removeprefix("sha256:") for digest in self._list("content")]
        return {name: (folder / name).stat().st_size for name in names if (folder / name).exists()}

    def images(self) -> set[str]:
        """The names of all images."""
        return set(self._list("images"))

    def ctr(self, *args: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
        """Runs containerd's own client on it, whatever comes of it."""
        command = ["ctr", "--address", str(self.socket), "--namespace", NAMESPACE, *args]
        return subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)

    def _list(self, kind: str) -> list[str]:
        return self.ctr(kind, "list", "--quiet").stdout.split()

    def _answers(self) -> bool:
        if self.program.exited():
            raise ClusterError(f"containerd ended at once:\n{self.program.tail()}")
        return self.ctr("version").returncode == 0

    def _shims(self) -> list[int]:
        """The processes that hold containers: their command lines name the socket."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"containerd-shim" in words[0] and os.fsencode(self.socket) in words:
                found.append(int(path.parent.name))
        return found

    def _configuration(self) -> str:
        return f"""
version = 2
root = "{self.root}"
state = "{self.state}"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
address = "{self.socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
netns_mounts_under_state_dir = true
# Root of a virtual machine or a container may lack the right to make a process safer from the OOM killer than itself.
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{self.state / "runc"}"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{network.PLUGINS}"
conf_dir = "{network.plugin_configuration(self.folder)}"
"""
