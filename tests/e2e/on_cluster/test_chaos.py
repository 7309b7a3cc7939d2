"""A search whose operator and pods are killed at random moments, again and again, ends as an undisturbed one does.

Run by `make e2e-chaos`; the disturbed search of `make e2e` is a shorter storm.
"""

import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from mergesearch.api.resource import MergeSearch
from support import history
from support.installation import Installation, Place, manifest
from support.local_run import on_this_machine
from support.quickstart import QUICKSTART

pytestmark = [pytest.mark.cluster, pytest.mark.chaos]

OPERATOR_KILLS, POD_KILLS = 20, 10
EVALUATIONS = 20
"""So that there are processes enough to be killed."""


def test_a_search_in_a_storm_ends_as_one_in_a_calm(
    installation: Installation, place: Place, family: Path, tmp_path: Path
) -> None:
    document = manifest("storm", maxEvaluations=EVALUATIONS, parallelism=2)
    # Small batches make many processes; a person who deletes a pod is charged to what it scores.
    document["spec"]["evaluator"] |= {"batch": 2, "retries": 10}
    document["spec"]["merger"] |= {"batch": 2, "retries": 10}
    place.apply(document)
    storm(installation, place, "storm", longest_calm=8.0)
    compare(place, document, on_this_machine(document, family, tmp_path / "calm"))


def test_the_quickstart_as_it_is_ends_in_a_storm_as_it_does_on_one_machine(
    installation: Installation, place: Place, family: Path, tmp_path: Path
) -> None:
    file = QUICKSTART / "mergesearch.yaml"
    document = yaml.safe_load(file.read_text())
    name = document["metadata"]["name"]
    installation.cluster.kubectl("apply", "-n", place.namespace, "-f", str(file))
    # Some hundred processes: the storm lasts for most of the search, however fast this machine is.
    storm(installation, place, name, longest_calm=4.0, launches=2)
    compare(place, document, on_this_machine(document, family, tmp_path / "calm"))


def storm(installation: Installation, place: Place, name: str, *, longest_calm: float, launches: int = 0) -> None:
    """Kill operators and pods in a random order, a random time and so many launches after one another, and wait until
    the search is complete.
    """
    stream = random.Random(5)
    todo = ["operator"] * OPERATOR_KILLS + ["pod"] * POD_KILLS
    stream.shuffle(todo)
    for killed, what in enumerate(todo):
        follow(place, name, launches)
        time.sleep(stream.uniform(0.5, longest_calm))
        assert not ended(place, name), f"complete after {killed} of {len(todo)} kills: more evaluations are needed"
        if what == "operator":
            installation.kill_operator()
        else:
            kill_a_pod(place, name, stream)
    place.wait(name, "Complete", 3600)


def compare(place: Place, document: dict[str, Any], expected: MergeSearch) -> None:
    """Every candidate is there once, in order, and the whole history is that of the calm run."""
    found = place.read(document["metadata"]["name"])
    assert found.status is not None
    ids = [record.id for record in found.status.candidates]
    assert ids == [f"c{number:04d}" for number in range(1, document["spec"]["search"]["maxEvaluations"] + 1)]
    assert history.history(found) == history.history(expected)
    print(f"{OPERATOR_KILLS} operators and {POD_KILLS} pods killed; {len(ids)} candidates, none lost, none twice")


def follow(place: Place, name: str, launches: int) -> None:
    """Wait for the next so many launches of a search, or for its end."""
    status = place.read(name).status
    wanted = launches + (status.next_launch if status is not None else 1)

    def there(search: MergeSearch) -> bool:
        found = search.status
        return found is not None and (found.next_launch >= wanted or found.completion_time is not None)

    if launches:
        place.wait_until(name, there, 900)


def ended(place: Place, name: str) -> bool:
    """Whether the search has come to its end."""
    status = place.read(name).status
    return status is not None and status.completion_time is not None


def kill_a_pod(place: Place, name: str, stream: random.Random) -> None:
    """Delete a pod that merges or scores, once there is one."""
    until = time.monotonic() + 300
    while not (pods := victims(place, name)):
        assert time.monotonic() < until, place.describe(name)
        assert not ended(place, name), "complete before all pods were killed: more evaluations are needed"
        time.sleep(0.2)
    options = ["--wait=false", "--grace-period=0", "--force"] if stream.random() < 0.5 else ["--wait=false"]
    place.cluster.run_kubectl("delete", "pod", stream.choice(pods), "-n", place.namespace, *options)


def victims(place: Place, name: str) -> list[str]:
    """Pods that merge or score what nobody has charged yet: with few retries, a second hit might be one too many."""
    status = place.read(name).status
    if status is None:
        return []
    hit = {record.id for record in (*status.baselines, *status.candidates, *status.confirmations) if record.charged}
    spared = [f"-{launch.number:05d}-" for launch in status.launches if hit.intersection(launch.candidates)]
    pods = [*place.pods("Evaluate"), *place.pods("Merge")]
    return [pod for pod in pods if not any(number in pod for number in spared)]
