"""A client of one resource: sends what a person would send, and keeps the API server's own words."""

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from cluster.handle import Cluster
from mergesearch.api import base
from mergesearch.crd.definition import PLURAL

Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the API server answered."""

    code: int
    document: Document

    @property
    def accepted(self) -> bool:
        return self.code in (200, 201)

    @property
    def message(self) -> str:
        """Why it was refused."""
        return "" if self.accepted else str(self.document["message"])


@dataclass
class Searches:
    """The MergeSearches of one namespace; unknown fields are refused, as kubectl asks for."""

    cluster: Cluster
    namespace: str
    connection: http.client.HTTPSConnection = field(init=False)

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cafile=str(self.cluster.certificate_authority))
        context.load_cert_chain(self.cluster.client_certificate, self.cluster.client_key)
        address = urlsplit(self.cluster.server)
        self.connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=context, timeout=60)

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()

    def create(self, manifest: str | Document, *, keep: bool = False) -> Answer:
        """Create from YAML or JSON; only a try, unless it is to be kept."""
        return self._send("POST", "", manifest, keep=keep)

    def replace(self, manifest: Document, *, keep: bool = False) -> Answer:
        """Update everything but the status."""
        return self._send("PUT", f"/{manifest['metadata']['name']}", manifest, keep=keep)

    def replace_status(self, manifest: Document) -> Answer:
        """Update the status alone, for good."""
        return self._send("PUT", f"/{manifest['metadata']['name']}/status", manifest, keep=True)

    def get(self, name: str) -> Document:
        answer = self._send("GET", f"/{name}", None, keep=True)
        assert answer.accepted, answer.message
        return answer.document

    def _send(self, verb: str, path: str, body: str | Document | None, *, keep: bool) -> Answer:
        options = {"fieldValidation": "Strict"} | ({} if keep else {"dryRun": "All"})
        url = f"/apis/{base.API_VERSION}/namespaces/{self.namespace}/{PLURAL}{path}?{urlencode(options)}"
        kind = "yaml" if isinstance(body, str) else "json"
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": f"application/{kind}", "Accept": "application/json"}
        self.connection.request(verb, url, None if data is None else data.encode(), headers)
        response = self.connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
