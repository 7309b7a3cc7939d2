"""Many searches at once: each gets its Jobs and nobody else's, none starves."""

from collections import Counter

import pytest

from mergesearch.contract import Request
from mergesearch_operator import constants
from support.history import history
from support.operator_bed import Bed, undisturbed

SEARCHES = 50


def _beyond_preflight(request: Request) -> bool:
    return not request.kind.startswith("preflight")


@pytest.mark.slow
def test_fifty_searches_at_once_all_get_on(bed: Bed) -> None:
    kubelet = bed.kubelet(held=_beyond_preflight)
    operator = bed.operator().start()
    names = [f"soup-{number}" for number in range(SEARCHES)]
    uids = {name: bed.create(name) for name in names}
    bed.wait(lambda: f'mergesearch_searches{{phase="Baselines"}} {SEARCHES}.0' in operator.metrics(), seconds=240)
    bed.wait(lambda: "mergesearch_queue_depth 0.0" in operator.metrics())
    jobs = bed.jobs()
    wanted = {name: {launch.number for launch in bed.status(name).launches} for name in names}
    found: dict[str, list[int]] = {name: [] for name in names}
    for job in jobs:
        labels = job["metadata"]["labels"]
        assert labels[constants.SEARCH_UID] == uids[labels[constants.SEARCH]]
        found[labels[constants.SEARCH]].append(int(labels[constants.LAUNCH]))
    assert {name: set(numbers) for name, numbers in found.items()} == wanted
    assert max(Counter(job["metadata"]["name"] for job in jobs).values()) == 1
    assert "Traceback" not in operator.log()

    for name in names[1:]:
        bed.delete(name)
    kubelet.release()
    expected, _ = undisturbed()
    assert history(bed.until_complete(names[0], seconds=240)) == expected
