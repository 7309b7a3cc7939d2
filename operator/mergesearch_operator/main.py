"""The operator's entry point."""

import logging
import sys

import cmaes  # noqa: F401 - it takes seconds, for which the first search to ask for candidates should not wait
import kopf
from prometheus_client import start_http_server

from mergesearch_operator import faults, handlers
from mergesearch_operator.client import Client
from mergesearch_operator.cluster import Cluster
from mergesearch_operator.metrics import Metrics
from mergesearch_operator.reconcile import Reconciler
from mergesearch_operator.settings import Settings, from_environment
from mergesearch_operator.workers import Resync, Workers
from mergesearch_operator.workqueue import WorkQueue

SPARE_CONNECTIONS = 2
"""Beside one for each worker: the resync's and one more."""


def main() -> int:
    """Run until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = from_environment()
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    try:
        run(settings)
    except (faults.ApiError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def run(settings: Settings) -> None:
    """Run until SIGTERM: kopf watches in this thread, the workers step in theirs."""
    queue = WorkQueue()
    metrics = Metrics(queue)
    client = Client.connect(connections=settings.workers + SPARE_CONNECTIONS, on_request=metrics.on_request)
    cluster = Cluster(client)
    reconciler = Reconciler(cluster, settings.images, metrics.on_written, metrics.on_read)
    workers = Workers(queue, reconciler, metrics.on_step)
    resync = Resync(cluster, queue, settings.namespaces, settings.resync_seconds)
    registry = kopf.OperatorRegistry()
    handlers.register(registry, queue, resync, settings.resync_seconds)
    start_http_server(settings.metrics_port, registry=metrics.registry)
    workers.start(settings.workers)
    resync.start(metrics.forget)
    try:
        kopf.run(
            registry=registry,
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            liveness_endpoint=f"http://0.0.0.0:{settings.probe_port}/healthz",
        )
    finally:
        resync.stop()
        workers.stop()
