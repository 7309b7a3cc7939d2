"""A kubelet without containers: pods of searches run and end as a scripted world says. Everything else is real: the API
server, the controllers, the operator.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mergesearch.contract import (
    REQUEST,
    CleanupRequest,
    Exit,
    MergeRequest,
    Request,
    Termination,
    digest_of,
    termination_message,
)
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch.worker import REQUEST_VARIABLE
from mergesearch_operator import constants, facts, faults
from mergesearch_operator.client import Client, Document
from unit.lifecycle.world import World

IMAGE_ID = "example.org/image@sha256:" + "a" * 64
Fault = Callable[[Document, Request], Document | None]
"""Says with which status a pod ends, or None where it ends well."""


@dataclass
class ScriptedKubelet:
    """Runs all pods of one namespace; each search has a world of its own."""

    client: Client
    namespace: str
    run_seconds: float = 0.0
    """How long a pod runs."""
    look_seconds: float = 0.05
    """Between two looks at all pods."""
    fault: Fault = lambda _pod, _request: None
    start: Fault = lambda _pod, _request: None
    """Says in which status a pod stays that does not start, or None where it starts."""
    held: Callable[[Request], bool] = lambda _request: False
    """Whether a pod with this request runs on and on."""
    terse: Callable[[Request], bool] = lambda _request: False
    """Whether the reports to this request are too long for a termination message; there is no log."""
    worlds: dict[str, World] = field(default_factory=dict)
    """By the UID of the search."""
    ended: list[tuple[str, float]] = field(default_factory=list)
    """Names of pods that have ended, with the time."""
    slices: dict[str, set[int]] = field(default_factory=dict)
    """Slices that lie on the workspace and wait for the others, by the merges that they are of."""
    defect: BaseException | None = None
    _started: dict[str, float] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "ScriptedKubelet":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        assert self._thread is not None
        self._thread.join()
        if self.defect is not None:
            raise self.defect

    def world(self, uid: str) -> World:
        """What lies on the volumes of a search."""
        return self.worlds.setdefault(uid, World())

    def release(self) -> None:
        """Hold nothing any more."""
        self.held = lambda _request: False

    def running_pods(self, kind: str = "") -> list[Document]:
        """Pods that run now, with a request of this kind."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        alive = [pod for pod in self.client.items(path) if not pod["metadata"].get("deletionTimestamp")]
        running = [pod for pod in alive if pod["status"].get("phase") == "Running"]
        return [pod for pod in running if not kind or request_of(pod).kind == kind]

    def end(self, pod: Document, status: Document | None = None) -> None:
        """End a pod now, well or with this status."""
        wanted = self._done(pod, request_of(pod)) if status is None else status
        while not self._write(self.client.get(self._path(pod)), wanted):
            pass

    def _run(self) -> None:
        while not self._stopped.wait(self.look_seconds):
            try:
                for pod in self.client.items(f"/api/v1/namespaces/{self.namespace}/pods", labels=constants.SEARCH_UID):
                    self._look(pod)
            except faults.ApiError:
                continue
            except BaseException as error:  # noqa: BLE001 - told by the thread that owns this object
                self.defect = error
                return

    def _look(self, pod: Document) -> None:
        uid, phase = pod["metadata"]["uid"], pod["status"].get("phase", "Pending")
        if phase in ("Succeeded", "Failed"):
            return
        if pod["metadata"].get("deletionTimestamp"):
            asked = Exit(code=ExitCode.INTERRUPTED, reason=Reason.INTERRUPTED, message="asked to end")
            self._write(pod, ended(ExitCode.INTERRUPTED, termination_message([], asked)))
            return
        request = request_of(pod)
        if uid not in self._started:
            refused = self.start(pod, request)
            self._started[uid] = math.inf if refused is not None else time.monotonic()
            self._write(pod, refused or self.running())
            return
        over = time.monotonic() - self._started[uid] >= self.run_seconds and not self.held(request)
        if over and self._write(pod, self.fault(pod, request) or self._done(pod, request)):
            self.ended.append((pod["metadata"]["name"], time.time()))

    def _done(self, pod: Document, request: Request) -> Document:
        world = self.world(pod["metadata"]["labels"][constants.SEARCH_UID])
        if isinstance(request, MergeRequest | CleanupRequest):
            world.remove(request.prune)
        answers = world.answers(request) if self._is_last(pod, request) else ()
        reports = [answer() for answer in answers]
        for report in reports:
            world.publish(request, report)
        end = Exit(code=ExitCode.DONE)
        if self.terse(request):
            return ended(0, Termination(exit=end, reports_digest=digest_of(reports)).to_json())
        return ended(0, termination_message(reports, end))

    def _is_last(self, pod: Document, request: Request) -> bool:
        """Whether a pod's process has the last word; of several that share a merge, the one that ends last has it."""
        if not isinstance(request, MergeRequest) or request.slices == 1:
            return True
        merges = " ".join(request.hash_of(candidate) for candidate in request.candidates)
        there = self.slices.setdefault(merges, set())
        there.add(facts.index(pod))
        if len(there) < request.slices:
            return False
        del self.slices[merges]
        return True

    @staticmethod
    def running() -> Document:
        """The status of a pod whose container runs."""
        return _status("Running", {"running": {"startedAt": _now()}})

    def _path(self, pod: Document) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"

    def _write(self, pod: Document, status: Document) -> bool:
        """Whether it is written, or there is nothing any more to write."""
        body = {**pod, "status": {**pod["status"], **status}}
        try:
            self.client.request("PUT", f"{self._path(pod)}/status", body=body)
        except faults.NotFoundError:
            return True
        except faults.ConflictError:
            return False
        return True


def ended(code: int, message: str, *, reason: str = "", conditions: tuple[Document, ...] = ()) -> Document:
    """The status of a pod whose container has ended."""
    terminated = {"exitCode": code, "message": message, "startedAt": _now(), "finishedAt": _now()}
    terminated["reason"] = reason or ("Completed" if code == 0 else "Error")
    status = _status("Succeeded" if code == 0 else "Failed", {"terminated": terminated})
    return status | ({"conditions": list(conditions)} if conditions else {})


def disrupted(reason: str) -> Document:
    """The status of a pod that the platform has ended."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "as the test wants"}
    return ended(143, "", conditions=({**condition, "lastTransitionTime": _now()},))


def stuck(reason: str, message: str) -> Document:
    """The status of a pod that has a node for an hour but no container, for this reason."""
    since = _stamp(datetime.now(UTC) - timedelta(hours=1))
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": since}
    status = _status("Pending", {"waiting": {"reason": reason, "message": message}})
    return status | {"conditions": [scheduled]}


def request_of(pod: Document) -> Request:
    """What a pod was made for."""
    return REQUEST.validate_json(variable(pod, REQUEST_VARIABLE))


def variable(pod: Document, name: str) -> str:
    """A variable of the pod's environment."""
    variables = pod["spec"]["containers"][0]["env"]
    return str(next(one["value"] for one in variables if one["name"] == name))


def _status(phase: str, state: Document) -> Document:
    container: dict[str, Any] = {
        "name": constants.CONTAINER,
        "state": state,
        "image": "example.org/image:1",
        "imageID": IMAGE_ID,
        "ready": phase == "Running",
        "restartCount": 0,
    }
    return {"phase": phase, "startTime": _now(), "containerStatuses": [container]}


def _now() -> str:
    return _stamp(datetime.now(UTC))


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
