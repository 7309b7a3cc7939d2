"""A real Prometheus scrapes the operator, and the series that the documentation names are there."""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.installation import SYSTEM, Installation, Place, manifest

pytestmark = pytest.mark.cluster

PER_SEARCH = ("mergesearch_candidates", "mergesearch_evaluations_total", "mergesearch_gpu_seconds_total")


class Prometheus:
    """A server that scrapes one address."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query; empty while the server starts."""
        try:
            with urllib.request.urlopen(
                f"{self._address}/api/v1/query?query={urllib.parse.quote(expression)}"
            ) as found:
                result: list[dict[str, Any]] = json.load(found)["data"]["result"]
                return result
        except OSError:
            return []

    def wait(self, expression: str, *, there: bool = True, seconds: float = 90) -> list[dict[str, Any]]:
        """Until the query has a result, or none any more."""
        until = time.monotonic() + seconds
        while bool(found := self.query(expression)) is not there:
            assert time.monotonic() < until, f"{expression}: {found}"
            time.sleep(1)
        return found


@pytest.fixture
def prometheus(installation: Installation, tmp_path: Path) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    assert program is not None, "install Debian's package prometheus"
    service = installation.cluster.get("services", "-n", SYSTEM)["items"][0]["spec"]
    target = f"{service['clusterIP']}:{service['ports'][0]['port']}"
    jobs = [{"job_name": "operator", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}]
    config = tmp_path / "prometheus.json"
    config.write_text(json.dumps({"scrape_configs": jobs}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    server = subprocess.Popen(
        [program, *options, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield Prometheus(port)
    server.terminate()
    server.wait()


def test_series_of_a_search_come_and_go_with_it(prometheus: Prometheus, place: Place) -> None:
    assert prometheus.wait("up")[0]["value"][1] == "1"
    place.apply(manifest("watched"))
    mine = f'{{namespace="{place.namespace}",name="watched"}}'
    # Prometheus gives a scraped label of its own labels' name another one only where they clash; ours do not.
    for name in PER_SEARCH:
        assert prometheus.wait(name + mine), name
    assert prometheus.wait('mergesearch_searches{phase="Preflight"}')
    assert prometheus.wait("mergesearch_api_requests_total")
    assert prometheus.wait("mergesearch_reconcile_duration_seconds_count > 0")
    place.cluster.kubectl("delete", "msearch", "watched", "-n", place.namespace)
    prometheus.wait(PER_SEARCH[0] + mine, there=False)


def test_nothing_is_left_of_a_search_that_was_deleted(place: Place) -> None:
    place.apply(manifest("gone"))
    place.wait_until("gone", lambda search: search.status is not None and bool(search.status.launches), 60)
    place.cluster.kubectl("delete", "msearch", "gone", "-n", place.namespace, "--timeout=60s")
    until = time.monotonic() + 90
    while left := place.cluster.get("jobs,pods", "-n", place.namespace)["items"]:
        assert time.monotonic() < until, [item["metadata"]["name"] for item in left]
        time.sleep(1)
