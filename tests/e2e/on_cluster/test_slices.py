"""Merges that two pods share, one of which is deleted while it runs, are those that one process writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from mergesearch.api.resource import MergeSearch
from support import history
from support.installation import Place, manifest
from support.local_run import on_this_machine

pytestmark = pytest.mark.cluster

SMALL: dict[str, Any] = {
    "maxEvaluations": 2,
    "algorithm": {"cmaes": {"populationSize": 2}},
    "baselines": ["Uniform"],
    "confirm": {"finalists": 1},
}
SLOW = {"limits": {"cpu": "50m"}, "requests": {"cpu": "50m"}}
"""A twentieth of a core: a merger takes some ten seconds to start, so that there is time to delete it while it runs."""
SECONDS = 600


@pytest.mark.usefixtures("installation")
def test_a_merge_whose_pod_is_deleted_is_finished_by_others_and_is_the_same(
    place: Place, family: Path, tmp_path: Path
) -> None:
    document = manifest("sliced", **SMALL)
    # In float32 the small models have more than one shard of the smallest size.
    document["spec"]["merge"] = {"dtype": "float32", "maxShardSize": "1Mi"}
    document["spec"]["merger"] |= {"slices": 2, "batch": 1, "resources": SLOW}
    place.apply(document)
    place.wait_until("sliced", lambda _: len(place.pods("Merge")) == 2, SECONDS)
    (job,) = jobs_of_merges(place)
    assert (job["spec"]["completionMode"], job["spec"]["completions"], job["spec"]["parallelism"]) == ("Indexed", 2, 2)
    # Without a moment's grace: what has just started does not listen yet, and might come to its end.
    victim = ["-n", place.namespace, place.pods("Merge")[1]]
    place.cluster.kubectl("delete", "pod", *victim, "--wait=false", "--grace-period=0", "--force")
    place.wait_until("sliced", tried_again, SECONDS)
    place.wait("sliced", "Complete", 2 * SECONDS)
    found = place.read("sliced")
    assert history.history(found) == history.history(on_this_machine(document, family, tmp_path / "local"))
    assert found.status is not None
    assert found.status.confirmed is not None
    loads(place.workspace / found.status.confirmed.path)


def tried_again(search: MergeSearch) -> bool:
    """Whether something is merged for the second time."""
    status = search.status
    return status is not None and any(one.attempt > 1 for one in (*status.baselines, *status.candidates))


def jobs_of_merges(place: Place) -> list[dict[str, Any]]:
    """The Jobs that merge now."""
    items: list[dict[str, Any]] = place.cluster.get("jobs", "-n", place.namespace, "-l", "mergesearch.io/stage=Merge")[
        "items"
    ]
    return items


def loads(folder: Path) -> None:
    """The weights lie in several shards, and are a plain Hugging Face folder."""
    transformers = pytest.importorskip("transformers")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 2
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert sum(one.numel() for one in model.parameters()) > 400_000
