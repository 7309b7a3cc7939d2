"""Watches break, expire, fall silent: they only make things faster."""

import itertools
import time

import pytest

from mergesearch_operator.cluster import Cluster
from mergesearch_operator.handlers import SHORTEST_STALE_SECONDS
from support.api_proxy import Call, Fault
from support.history import history
from support.operator_bed import Bed, undisturbed


def test_a_search_completes_where_watches_tell_nothing(bed: Bed) -> None:
    bed.kubelet()
    proxy = bed.proxy()
    proxy.deaf = True
    bed.behind(proxy, resync_seconds="0.3").start()
    bed.create()
    expected, _ = undisturbed()
    assert history(bed.until_complete()) == expected


@pytest.mark.slow
def test_a_search_completes_while_watches_are_cut_and_expire(bed: Bed) -> None:
    bed.kubelet()
    turn = itertools.count()

    def plan(call: Call) -> Fault | None:
        if not call.watch:
            return None
        return (None, Fault(expired=True), None, Fault(answer=503, reason="ServiceUnavailable"))[next(turn) % 4]

    proxy = bed.proxy(plan)
    bed.behind(proxy, resync_seconds="2").start()
    bed.create()
    cuts = 0

    def complete() -> bool:
        nonlocal cuts
        cuts += proxy.cut_watches()
        time.sleep(0.2)
        return bed.status().completion_time is not None

    bed.wait(complete, seconds=120)
    expected, _ = undisturbed()
    assert history(bed.until_complete()) == expected
    assert cuts >= 3


def test_the_list_of_a_resync_carries_no_specs_and_no_statuses(bed: Bed) -> None:
    """Hundreds of large statuses at once would be the most memory that the operator ever needs."""
    assert Cluster(bed.client).searches(bed.namespace) == []
    bed.create()
    bed.put_status(lambda status: status.update(version=1, phase="Searching", counts={}))
    (listed,) = Cluster(bed.client).searches(bed.namespace)
    assert (listed["metadata"]["namespace"], listed["metadata"]["name"]) == (bed.namespace, "soup")
    assert not {"spec", "status"} & set(listed)


def test_an_operator_that_may_not_watch_goes_on_by_its_resyncs(bed: Bed) -> None:
    bed.kubelet()
    proxy = bed.proxy(lambda call: Fault(answer=403, reason="Forbidden") if call.watch else None)
    operator = bed.behind(proxy, resync_seconds="0.3").start()
    bed.create()
    expected, _ = undisturbed()
    assert history(bed.until_complete()) == expected
    assert operator.stop() == 0


def test_a_search_that_was_deleted_unseen_is_forgotten_at_the_next_resync(bed: Bed) -> None:
    proxy = bed.proxy()
    operator = bed.behind(proxy, resync_seconds="0.5").start()
    bed.create()
    bed.wait(lambda: f'namespace="{bed.namespace}"' in operator.metrics())
    proxy.deaf = True
    bed.delete()
    bed.wait(lambda: f'namespace="{bed.namespace}"' not in operator.metrics())
    assert "mergesearch_queue_depth" in operator.metrics()


@pytest.mark.slow
def test_the_probe_fails_once_a_resync_hangs(bed: Bed) -> None:
    hangs = False
    proxy = bed.proxy(lambda call: Fault(seconds=30.0) if hangs and not call.watch else None)
    operator = bed.behind(proxy, resync_seconds="0.1").start()
    bed.wait(lambda: proxy.count("GET", "mergesearches") > 2)
    bed.wait(lambda: operator.health()[0] == 200)
    hangs = True
    bed.wait(lambda: operator.health()[0] >= 500, what=operator.health)


@pytest.mark.slow
def test_an_api_server_out_of_reach_is_no_reason_to_start_the_operator_anew(bed: Bed) -> None:
    down = False
    proxy = bed.proxy(lambda call: Fault(answer=503) if down and not call.watch else None)
    operator = bed.behind(proxy, resync_seconds="0.1").start()
    bed.wait(lambda: operator.health()[0] == 200)
    down, before = True, proxy.count("GET", "mergesearches")
    # For longer than the probe would wait for a look that hangs.
    bed.wait(lambda: proxy.count("GET", "mergesearches") > before + 12 * SHORTEST_STALE_SECONDS)
    assert operator.health()[0] == 200
