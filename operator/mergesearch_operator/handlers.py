"""kopf as watch, start-up, login and probe, and as nothing else: every event only puts a key into the queue.

kopf keeps no state here: no handler patches, no finalizer is set, so `kubectl delete` never waits for the operator.
"""

import dataclasses
import itertools
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import kopf

from mergesearch.api.base import GROUP, VERSION
from mergesearch_operator import constants
from mergesearch_operator.workers import Resync
from mergesearch_operator.workqueue import WorkQueue

STALE_RESYNCS, SHORTEST_STALE_SECONDS = 5, 10.0
"""Resyncs that may be missed before the operator is taken for stuck, and the seconds that must pass at least."""
OLDEST_SECONDS = 300.0
"""How long a key may have been due before the operator is taken for stuck."""


class Patience:
    """Seconds between tries of a watch, without end: an operator that gives up would sit in its pod's back-off for
    minutes after the API server is back, and the resync needs no watch.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1.0, 2.0, 4.0, 8.0, 16.0), itertools.repeat(30.0))


class NoDifferences(kopf.DiffBaseStorage):
    """What kopf compares an object with, which no handler asks for: else it copies every object of every event, with
    its whole status, twice.
    """

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:  # noqa: ARG002
        """Nothing is worth comparing."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        """Nothing was kept."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is kept."""


def register(registry: kopf.OperatorRegistry, queue: WorkQueue, resync: Resync, resync_seconds: float) -> None:
    """Tell kopf what to watch."""
    ours: dict[str, Any] = {"labels": {constants.SEARCH: kopf.PRESENT}, "registry": registry}

    @kopf.on.startup(registry=registry)
    async def settings(settings: kopf.OperatorSettings, **_: object) -> None:
        configure(settings)

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return by_address(kopf.login_with_service_account(**kwargs)) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(GROUP, VERSION, constants.PLURAL, registry=registry)
    async def search_changed(*, namespace: str | None, name: str, **_: Any) -> None:
        queue.add((namespace or "", name))

    @kopf.on.event("batch", "v1", "jobs", **ours)
    async def job_changed(*, namespace: str | None, meta: kopf.Meta, **_: Any) -> None:
        queue.add((namespace or "", meta.labels[constants.SEARCH]))

    # The Job controller waits a second before it tells what became of a pod.
    @kopf.on.event("", "v1", "pods", **ours)
    async def pod_changed(*, namespace: str | None, meta: kopf.Meta, **_: Any) -> None:
        queue.add((namespace or "", meta.labels[constants.SEARCH]))

    @kopf.on.probe(id="work", registry=registry)
    async def alive(**_: object) -> str:
        stuck = why_stuck(time.monotonic() - resync.last, queue.oldest(), resync_seconds)
        if stuck is not None:
            # Any other exception is retried by kopf, and the probe hangs.
            raise kopf.PermanentError(stuck)
        return "ok"


def by_address(
    login: kopf.ConnectionInfo | None, environment: Mapping[str, str] = os.environ
) -> kopf.ConnectionInfo | None:
    """The login of a pod at the API server's address: its name is known only while the cluster's DNS works."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if login is None or not host:
        return login
    return dataclasses.replace(login, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def configure(settings: kopf.OperatorSettings) -> None:
    """Watches that end by themselves and are noticed when they have died; nothing that writes."""
    settings.watching.server_timeout = 600
    settings.watching.connect_timeout = 10
    settings.watching.client_timeout = 660
    settings.watching.inactivity_timeout = 70
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = Patience()
    # Without these the API server would send every pod and Job of the cluster.
    settings.watching.label_selectors["", "v1", "pods"] = constants.SEARCH
    settings.watching.label_selectors["batch", "v1", "jobs"] = constants.SEARCH
    settings.persistence.diffbase_storage = NoDifferences()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    for noisy in ("kopf.objects", "kopf.activities", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def why_stuck(since_resync: float, oldest: float, resync_seconds: float) -> str | None:
    """Why the operator should be started again; None while it works. All in seconds."""
    if since_resync > max(STALE_RESYNCS * resync_seconds, SHORTEST_STALE_SECONDS):
        return f"no resync for {since_resync:.0f} s"
    return f"a search has waited {oldest:.0f} s for its step" if oldest > OLDEST_SECONDS else None
