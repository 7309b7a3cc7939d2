"""A search whose operator and pods are killed at random moments, again and again, ends as an undisturbed one does.

`make e2e-chaos` kills often; `make e2e` runs the same with fewer kills.
"""

import os
import random
import time
from pathlib import Path

import pytest

from support import history
from support.installation import Installation, Place, manifest
from support.local_run import on_this_machine

pytestmark = pytest.mark.cluster

OPERATOR_KILLS = int(os.environ.get("MERGESEARCH_OPERATOR_KILLS", "4"))
POD_KILLS = int(os.environ.get("MERGESEARCH_POD_KILLS", "2"))
EVALUATIONS = max(8, 2 * POD_KILLS)
"""So that there are processes enough to be killed."""


def test_a_search_in_a_storm_ends_as_one_in_a_calm(
    installation: Installation, place: Place, family: Path, tmp_path: Path
) -> None:
    document = manifest("storm", maxEvaluations=EVALUATIONS, parallelism=2)
    # Small batches make many processes; a person who deletes a pod is charged to what it scores.
    document["spec"]["evaluator"] |= {"batch": 2, "retries": 10}
    document["spec"]["merger"] |= {"batch": 2, "retries": 10}
    place.apply(document)
    stream = random.Random(5)
    todo = ["operator"] * OPERATOR_KILLS + ["pod"] * POD_KILLS
    stream.shuffle(todo)
    for killed, what in enumerate(todo):
        time.sleep(stream.uniform(0.5, 8.0))
        assert not ended(place), f"complete after {killed} of {len(todo)} kills: more evaluations are needed"
        if what == "operator":
            installation.kill_operator()
        else:
            kill_a_pod(place, stream)
    place.wait("storm", "Complete", 3600)
    found = place.read("storm")
    assert found.status is not None
    ids = [record.id for record in found.status.candidates]
    assert ids == [f"c{number:04d}" for number in range(1, EVALUATIONS + 1)]
    expected = on_this_machine(document, family, tmp_path / "calm")
    assert history.history(found) == history.history(expected)
    print(f"{OPERATOR_KILLS} operators and {POD_KILLS} pods killed; {len(ids)} candidates, none lost, none twice")


def ended(place: Place) -> bool:
    """Whether the search has come to its end."""
    status = place.read("storm").status
    return status is not None and status.completion_time is not None


def kill_a_pod(place: Place, stream: random.Random) -> None:
    """Delete a pod that merges or scores, once there is one."""
    until = time.monotonic() + 120
    while not (pods := [*place.pods("Evaluate"), *place.pods("Merge")]):
        assert time.monotonic() < until, place.describe("storm")
        assert not ended(place), "complete before all pods were killed: more evaluations are needed"
        time.sleep(0.2)
    options = ["--wait=false", "--grace-period=0", "--force"] if stream.random() < 0.5 else ["--wait=false"]
    place.cluster.run_kubectl("delete", "pod", stream.choice(pods), "-n", place.namespace, *options)
