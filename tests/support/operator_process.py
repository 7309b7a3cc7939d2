"""Operators as processes of their own, each forked from one process that has imported everything already: a test that
kills a hundred of them does not wait a hundred times for imports.
"""

import ctypes
import multiprocessing
import multiprocessing.context
import multiprocessing.process
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["mergesearch_operator.main"])
DIE_WITH_PARENT = 1
IMAGES = {"MERGESEARCH_MERGER_IMAGE": "merger:1", "MERGESEARCH_EVALUATOR_IMAGE": "evaluator:1"}


@dataclass
class OperatorProcess:
    """One operator, which can be started again and again."""

    kubeconfig: Path
    namespace: str
    log_path: Path
    variables: dict[str, str] = field(default_factory=dict)
    metrics_port: int = 0
    probe_port: int = 0
    _process: multiprocessing.process.BaseProcess | None = None

    def __post_init__(self) -> None:
        self.metrics_port, self.probe_port = free_ports(2)

    @property
    def environment(self) -> dict[str, str]:
        """All that it is told."""
        return {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.kubeconfig),
            "MERGESEARCH_NAMESPACES": self.namespace,
            "MERGESEARCH_METRICS_PORT": str(self.metrics_port),
            "MERGESEARCH_PROBE_PORT": str(self.probe_port),
            **IMAGES,
            **self.variables,
        }

    def start(self) -> "OperatorProcess":
        assert not self.alive
        self._process = CONTEXT.Process(target=_run, args=(self.environment, str(self.log_path)), daemon=True)
        self._process.start()
        return self

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def signal_kill(self) -> None:
        """End it at once, from whatever thread."""
        os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it at once."""
        if self.alive:
            self.signal_kill()
        self.wait()

    def stop(self, seconds: float = 120) -> int | None:
        """Ask it to end; returns its exit code."""
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)
        self.wait(seconds)
        return self.exit_code

    @property
    def exit_code(self) -> int | None:
        """Of the last one that has ended."""
        return None if self._process is None else self._process.exitcode

    def wait(self, seconds: float = 120) -> None:
        """Until it has ended."""
        if self._process is not None:
            self._process.join(seconds)
            assert not self._process.is_alive(), f"still there after {seconds} s:\n{self.log()}"

    def log(self) -> str:
        """What it has said since its first start."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def metrics(self) -> str:
        """What Prometheus would read."""
        return _read(f"http://127.0.0.1:{self.metrics_port}/metrics")[1]

    def health(self) -> tuple[int, str]:
        """What the kubelet's probe would see."""
        return _read(f"http://127.0.0.1:{self.probe_port}/healthz")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _run(environment: dict[str, str], log: str) -> None:
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)

    from mergesearch_operator import main

    sys.exit(main.main())


def _read(url: str) -> tuple[int, str]:
    """Code and text; 0 and nothing while nobody listens or answers."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""
