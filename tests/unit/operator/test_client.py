"""What the API server answers becomes one of the operator's own errors; by a real server on this machine."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from mergesearch_operator import faults
from mergesearch_operator.client import Client
from mergesearch_operator.cluster import Cluster

KEY = ("n", "soup")


@dataclass
class Answer:
    """What the server says next."""

    code: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


class Server(http.server.ThreadingHTTPServer):
    """Gives prepared answers, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.accepted: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def kubeconfig(self, path: Path) -> str:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_address[1]}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path.write_text(yaml.safe_dump(document))
        return str(path)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        self.server.accepted.append(self.headers["Accept"])
        answer = self.server.answers.pop(0)
        if answer.hang_up:
            self.connection.shutdown(2)
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response_only(answer.code)
        for name, value in ({"Date": "Thu, 01 Jan 2026 12:00:00 GMT"} | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the base class looks for these names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


Counted = list[tuple[str, str, int]]


@pytest.fixture
def counted() -> Counted:
    return []


@pytest.fixture
def client(server: Server, tmp_path: Path, counted: Counted) -> Client:
    def on_request(verb: str, resource: str, code: int, seconds: float) -> None:
        assert seconds >= 0
        counted.append((verb, resource, code))

    return Client.connect(connections=2, on_request=on_request, kubeconfig=server.kubeconfig(tmp_path / "config"))


def status(code: int, reason: str, message: str = "words") -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


ERRORS = {
    "not-found": (Answer(404, status(404, "NotFound")), faults.NotFoundError, 404),
    "conflict": (Answer(409, status(409, "Conflict")), faults.ConflictError, 409),
    "exists": (Answer(409, status(409, "AlreadyExists")), faults.ExistsError, 409),
    "invalid": (Answer(422, status(422, "Invalid")), faults.RefusedError, 422),
    "forbidden": (Answer(403, status(403, "Forbidden")), faults.RefusedError, 403),
    "quota": (Answer(403, status(403, "Forbidden", "exceeded quota: jobs")), faults.ForbiddenError, 403),
    "unauthorized": (Answer(401, status(401, "Unauthorized")), faults.UnavailableError, 401),
    "too-large": (Answer(413, b"<html>too large</html>"), faults.RefusedError, 413),
    "too-large-for-etcd": (
        Answer(500, status(500, "", "etcdserver: request is too large")),
        faults.RefusedError,
        faults.TOO_LARGE,
    ),
    "too-many": (Answer(429, status(429, "TooManyRequests")), faults.UnavailableError, 429),
    "timed-out-there": (Answer(504, status(504, "Timeout")), faults.UnavailableError, 504),
    "a-proxy-speaks": (Answer(502, b"\xff<html>"), faults.UnavailableError, 502),
    "a-list-instead-of-a-status": (Answer(500, []), faults.UnavailableError, 500),
    "hung-up": (Answer(hang_up=True), faults.UnavailableError, 0),
    "nonsense": (Answer(200, b"{half"), faults.UnavailableError, 200),
}


@pytest.mark.parametrize(("answer", "kind", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_an_answer_that_is_no_success_is_an_error_of_ours(
    server: Server, client: Client, counted: Counted, answer: Answer, kind: type[faults.ApiError], code: int
) -> None:
    server.answers = [answer]
    with pytest.raises(faults.ApiError, match="/apis/batch/v1/namespaces/n/jobs/x") as caught:
        client.get("/apis/batch/v1/namespaces/n/jobs/x")
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert len(server.asked) == 1, "nothing is tried again here"
    assert counted == [("GET", "jobs", 0 if answer.hang_up else answer.code)]


def test_the_words_of_the_server_are_told(server: Server, client: Client) -> None:
    server.answers = [Answer(403, status(403, "Forbidden", "jobs is forbidden: User x cannot get"))]
    with pytest.raises(faults.RefusedError, match="403 Forbidden: jobs is forbidden: User x cannot get"):
        client.get("/apis/batch/v1/namespaces/n/jobs/x")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("soon", None), ("", None), ("-1", None)],
    ids=["seconds", "word", "none", "past"],
)
def test_the_pause_that_is_asked_for_is_known(
    server: Server, client: Client, header: str, seconds: float | None
) -> None:
    server.answers = [Answer(429, status(429, "TooManyRequests"), {"Retry-After": header} if header else {})]
    with pytest.raises(faults.UnavailableError) as caught:
        client.get("/api/v1/namespaces/n/pods")
    assert caught.value.retry_after == seconds


def test_time_is_the_servers(server: Server, client: Client) -> None:
    server.answers = [Answer(200, {"metadata": {}})]
    found = Cluster(client).search(KEY)
    assert found is not None
    assert found[1] == datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_without_the_servers_time_our_own_serves(server: Server, client: Client) -> None:
    server.answers = [Answer(200, {"metadata": {}}, {"Date": "yesterday"})]
    found = Cluster(client).search(KEY)
    assert found is not None
    assert abs(found[1] - datetime.now(UTC)) < timedelta(minutes=10)


def test_a_list_is_read_to_its_last_page(server: Server, client: Client) -> None:
    server.answers = [
        Answer(200, {"items": [{"n": 1}], "metadata": {"continue": "token+/="}}),
        Answer(200, {"items": [{"n": 2}], "metadata": {}}),
    ]
    assert Cluster(client).jobs(KEY, "u") == [{"n": 1}, {"n": 2}]
    labels = "labelSelector=mergesearch.io%2Fsearch-uid%3Du"
    first, second = (path.replace("/search-uid", "%2Fsearch-uid") for _, path, _ in server.asked)
    assert labels in first
    assert labels in second
    assert "continue" not in first
    assert "continue=token" in second


def test_of_all_searches_only_the_metadata_is_asked_for(server: Server, client: Client) -> None:
    server.answers = [Answer(200, {"items": None, "metadata": {}}), Answer(200, {"items": [], "metadata": {}})]
    assert Cluster(client).searches("n") == []
    assert Cluster(client).jobs(KEY, "u") == []
    assert [accepted.split(";")[1:2] for accepted in server.accepted] == [["as=PartialObjectMetadataList"], []]


def test_jobs_are_deleted_with_their_pods_and_only_the_same_job(server: Server, client: Client) -> None:
    server.answers = [Answer(200)]
    Cluster(client).delete_job("n", "x", "uid-1")
    (verb, path, body) = server.asked[0]
    assert (verb, path) == ("DELETE", "/apis/batch/v1/namespaces/n/jobs/x")
    assert body["propagationPolicy"] == "Background"
    assert body["preconditions"] == {"uid": "uid-1"}


@pytest.mark.parametrize("answer", [Answer(404, status(404, "NotFound")), Answer(409, status(409, "Conflict"))])
def test_a_job_that_is_gone_already_is_deleted(server: Server, client: Client, answer: Answer) -> None:
    server.answers = [answer]
    Cluster(client).delete_job("n", "x", "uid-1")
    assert len(server.asked) == 1


def test_an_event_that_is_there_already_is_posted_and_what_else_is_there_may_be_somebody_elses(
    server: Server, client: Client
) -> None:
    exists = Answer(409, status(409, "AlreadyExists"))
    server.answers = [exists, exists, exists]
    cluster = Cluster(client)
    cluster.post_event({"metadata": {"name": "e", "namespace": "n"}})
    with pytest.raises(faults.ExistsError):
        cluster.create_claim({"metadata": {"name": "c", "namespace": "n"}})
    with pytest.raises(faults.ExistsError):
        cluster.create_job({"metadata": {"name": "j", "namespace": "n"}})


PATHS = {
    "/apis/mergesearch.io/v1alpha1/mergesearches": "mergesearches",
    "/apis/mergesearch.io/v1alpha1/namespaces/n/mergesearches/soup/status": "mergesearches/status",
    "/api/v1/namespaces/n/pods": "pods",
    "/api/v1/namespaces/n/pods/p/log": "pods/log",
    "/api/v1/namespaces/n": "namespaces",
    "/apis/batch/v1/namespaces/n/jobs/x": "jobs",
}


@pytest.mark.parametrize(("path", "resource"), PATHS.items())
def test_requests_are_counted_by_kind_and_not_by_name(
    server: Server, client: Client, counted: Counted, path: str, resource: str
) -> None:
    server.answers = [Answer(200)]
    client.get(path)
    assert counted == [("GET", resource, 200)]


def test_without_any_cluster_one_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(faults.ApiError, match="no cluster"):
        Client.connect(connections=1, kubeconfig=str(tmp_path / "missing"))
