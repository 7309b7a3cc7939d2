"""A proxy between an operator and the API server, which does to requests what networks and servers do: refuses them,
loses their answers, holds them up, cuts watches, goes silent. It says what was asked, and can end the asker at any
numbered request.
"""

import http.client
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from cluster.handle import Cluster

HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive", "host")
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Call:
    """One request."""

    number: int
    """Of all requests, from 1."""
    write: int
    """Of all writes, from 1; 0 for what only reads."""
    verb: str
    path: str
    query: str

    @property
    def watch(self) -> bool:
        return "watch" in parse_qs(self.query)

    @property
    def resource(self) -> str:
        """Plural of what is asked for, with the subresource."""
        parts = self.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        parts = parts[2:] if len(parts) > 2 and parts[0] == "namespaces" else parts
        return "/".join((parts[0], *parts[2:3])) if parts else ""


@dataclass(frozen=True)
class Fault:
    """What becomes of one request, in this order."""

    seconds: float = 0.0
    """It is held up for so long."""
    before: Callable[[], None] | None = None
    """Called before it is passed on; then nothing is."""
    answer: int = 0
    """It is not passed on, but answered with this code."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of that answer."""
    reason: str = ""
    """Of that answer, as a Status has it."""
    expired: bool = False
    """A watch that is answered with 410 in its first event."""
    after: Callable[[], None] | None = None
    """Called once the API server has answered; the asker never learns what."""
    lose: bool = False
    """It is passed on, and the answer is lost."""


Plan = Callable[[Call], Fault | None]


class ApiProxy:
    """Speaks HTTP to the operator and TLS, as the administrator, to the API server."""

    def __init__(self, cluster: Cluster, plan: Plan = lambda _call: None) -> None:
        self.plan = plan
        self.calls: list[Call] = []
        self.deaf = False
        """Watches go on and tell nothing."""
        self.served = 0
        """Faults so far."""
        self._lock = threading.Lock()
        self._writes = 0
        self._watches: set[Handler] = set()
        self.upstream = urlsplit(cluster.server)
        self.context = ssl.create_default_context(cafile=str(cluster.certificate_authority))
        self.context.load_cert_chain(cluster.client_certificate, cluster.client_key)
        proxy = self

        class Bound(Handler):
            owner = proxy

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "ApiProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.cut_watches()

    def kubeconfig(self, path: Path) -> Path:
        """A kubeconfig whose server is this proxy."""
        host, port = self._server.server_address[:2]
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://{host!s}:{port}"}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "current-context": "proxy",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def cut_watches(self) -> int:
        """Break every watch in the middle; returns how many there were."""
        with self._lock:
            watches, self._watches = self._watches, set()
        for watch in watches:
            watch.cut()
        return len(watches)

    def count(self, verb: str, resource: str) -> int:
        """How often something was asked."""
        with self._lock:
            return sum((call.verb, call.resource) == (verb, resource) for call in self.calls)

    def note(self, verb: str, target: str) -> tuple[Call, Fault | None]:
        """A request has come: what becomes of it."""
        parts = urlsplit(target)
        with self._lock:
            self._writes += verb in WRITES
            write = self._writes if verb in WRITES else 0
            call = Call(len(self.calls) + 1, write, verb, parts.path, parts.query)
            self.calls.append(call)
            fault = self.plan(call)
            self.served += fault is not None
        return call, fault

    def watching(self, handler: "Handler") -> None:
        """A watch has begun."""
        with self._lock:
            self._watches.add(handler)

    def watched(self, handler: "Handler") -> None:
        """A watch is over."""
        with self._lock:
            self._watches.discard(handler)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of the operator, with one of its own to the API server."""

    owner: ApiProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    _upstream: http.client.HTTPSConnection | None = None

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        try:
            super().finish()
        except OSError:
            return

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Nothing: the proxy remembers the calls."""

    def cut(self) -> None:
        """Break the connection, whoever is reading."""
        self.close_connection = True
        try:
            self.connection.shutdown(2)
        except OSError:
            return

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call, fault = self.owner.note(self.command, self.path)
        fault = fault or Fault()
        time.sleep(fault.seconds)
        if fault.before is not None:
            fault.before()
            self.cut()
        elif fault.answer:
            self._answer(fault)
        elif fault.expired:
            self._expired()
        elif call.watch:
            self._stream()
        else:
            self._pass_on(body, fault)

    def _pass_on(self, body: bytes, fault: Fault) -> None:
        response = self._ask(body, timeout=60)
        content = response.read()
        if fault.after is not None:
            fault.after()
        if fault.lose or fault.after is not None:
            self.cut()
            return
        self._head(response.status, dict(response.getheaders()))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _ask(self, body: bytes, *, timeout: float) -> http.client.HTTPResponse:
        if self._upstream is None:
            host, port = self.owner.upstream.hostname or "", self.owner.upstream.port
            self._upstream = http.client.HTTPSConnection(host, port, context=self.owner.context, timeout=timeout)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        self._upstream.request(self.command, self.path, body or None, headers)
        return self._upstream.getresponse()

    def _stream(self) -> None:
        response = self._ask(b"", timeout=700)
        self._head(response.status, dict(response.getheaders()))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.owner.watching(self)
        try:
            while data := response.readline():
                if not self.owner.deaf:
                    self._chunk(data)
            self._chunk(b"")
        finally:
            self.owner.watched(self)
            self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _expired(self) -> None:
        status = _status(410, "Expired", "too old resource version")
        self._head(200, {"Content-Type": "application/json"})
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
        self._chunk(b"")

    def _answer(self, fault: Fault) -> None:
        content = json.dumps(_status(fault.answer, fault.reason, "as the test wants")).encode()
        self._head(fault.answer, {"Content-Type": "application/json", **fault.headers})
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _head(self, code: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(code)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
