"""The border to the API server, and the only module that imports its client: documents in, documents out.

Foreign errors become those of `faults.py` here. Nothing is retried: the queue does that, for a whole step at a time.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import kubernetes.client
import kubernetes.config
import urllib3.exceptions

from mergesearch_operator import faults

Document = dict[str, Any]
"""A Kubernetes object as JSON."""
WHOLE = "application/json, */*"
NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json"
"""What an answer may be: whole objects, or their metadata where the server can leave the rest out."""
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
RETRY_LATER = (401, 408, 429)
"""401 comes while a token is renewed."""
FORBIDDEN_FOR_NOW = re.compile(r"exceeded quota|User .* cannot \w+ resource")
"""What of 403 does not rest on the request: other things have to go first, or our role has to be mended. What else is
forbidden, by an admission policy, stays so.
"""
ETCD_TOO_LARGE = "etcdserver: request is too large"
"""What the API server answers, with a code of 500, to an object that its store does not take."""
# The client has no types.
_load_in_cluster: Callable[..., None] = kubernetes.config.load_incluster_config
_load_kubeconfig: Callable[..., None] = kubernetes.config.load_kube_config


class OnRequest(Protocol):
    """Is told of every answered or failed request."""

    def __call__(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """`code` is 0 where no answer came."""


def _ignore(verb: str, resource: str, code: int, seconds: float) -> None:
    """Nobody counts."""


class Client:
    """One connection pool to the API server; safe to use from many threads."""

    def __init__(self, api: kubernetes.client.ApiClient, on_request: OnRequest = _ignore) -> None:
        self._api = api
        self._on_request = on_request

    @classmethod
    def connect(cls, *, connections: int, on_request: OnRequest = _ignore, kubeconfig: str | None = None) -> "Client":
        """From the pod's service account, or else from a kubeconfig: this one, that of $KUBECONFIG, the home folder's.

        Raises ApiError.
        """
        configuration = kubernetes.client.Configuration()
        try:
            _load_in_cluster(client_configuration=configuration)
        except kubernetes.config.ConfigException:
            # The client reads the variable when it is imported, which may be before it is set.
            chosen = kubeconfig or os.environ.get("KUBECONFIG") or None
            try:
                _load_kubeconfig(config_file=chosen, client_configuration=configuration)
            except (kubernetes.config.ConfigException, OSError) as error:
                message = f"no cluster: not in a pod, and no kubeconfig ({chosen or 'the default one'}): {error}"
                raise faults.ApiError(message) from error
        configuration.retries = False
        configuration.connection_pool_maxsize = connections
        return cls(kubernetes.client.ApiClient(configuration), on_request)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Document:
        """Raises ApiError."""
        return self.request("GET", path, query=query)[0]

    def get_with_time(self, path: str) -> tuple[Document, datetime]:
        """The object, and the API server's own time of the answer, in whole seconds. Raises ApiError."""
        return self.request("GET", path)

    def items(self, path: str, *, labels: str = "", limit: int = 500, accept: str = WHOLE) -> list[Document]:
        """All objects of a collection, page by page; with `NAMES_ONLY` their metadata. Raises ApiError."""
        query = {"limit": str(limit)} | ({"labelSelector": labels} if labels else {})
        found: list[Document] = []
        while True:
            page = self.request("GET", path, query=query, accept=accept)[0]
            # A list of metadata that is empty has null there.
            found += page["items"] or []
            token = page["metadata"].get("continue")
            if not token:
                return found
            query["continue"] = token

    def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """What is no JSON, such as a log. Raises ApiError."""
        return self._send("GET", path, None, query, WHOLE)[0].decode(errors="replace")

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Document | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = WHOLE,
    ) -> tuple[Document, datetime]:
        """One request. Raises ApiError."""
        text, headers = self._send(method, path, body, query, accept)
        try:
            return json.loads(text), _time(headers)
        except ValueError as error:
            raise faults.UnavailableError(f"{method} {path}: the answer is no JSON: {error}", code=200) from error

    def _send(
        self, method: str, path: str, body: Document | None, query: Mapping[str, str] | None, accept: str
    ) -> tuple[bytes, Mapping[str, str]]:
        began, code = time.monotonic(), 0
        try:
            serialized = self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
            )
            response: Any = self._api.call_api(*serialized, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))
            text: bytes = response.read()
            code = response.status
            headers: Mapping[str, str] = response.getheaders()
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException, OSError) as error:
            message = f"{method} {path}: no answer: {error}"
            raise faults.UnavailableError(message) from error
        finally:
            self._on_request(method, _resource(path), code, time.monotonic() - began)
        if not 200 <= code < 300:
            raise _fault(method, path, code, text, headers)
        return text, headers


def _resource(path: str) -> str:
    """The plural, with the subresource: few values, whatever the number of objects."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    return "/".join((parts[0], *parts[2:3])) if parts else ""


def _fault(method: str, path: str, code: int, text: bytes, headers: Mapping[str, str]) -> faults.ApiError:
    try:
        status = json.loads(text)
        said, reason = str(status.get("message", "")), str(status.get("reason", ""))
    except (ValueError, AttributeError):
        said, reason = text[:500].decode(errors="replace"), ""
    message = f"{method} {path}: {code} {reason}: {said}"
    if code == 404:
        return faults.NotFoundError(message, code=code)
    if code == 409:
        kind = faults.ExistsError if reason == "AlreadyExists" else faults.ConflictError
        return kind(message, code=code)
    if ETCD_TOO_LARGE in said:
        return faults.RefusedError(message, code=faults.TOO_LARGE)
    if code == faults.FORBIDDEN and FORBIDDEN_FOR_NOW.search(said):
        return faults.ForbiddenError(message, code=code)
    if code >= 500 or code in RETRY_LATER:
        return faults.UnavailableError(message, code=code, retry_after=_seconds(headers.get("Retry-After")))
    return faults.RefusedError(message, code=code)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.strip().isdigit() else None


def _time(headers: Mapping[str, str]) -> datetime:
    """The server's time; where a proxy has lost the header, our own."""
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)
