"""A whole search on a real Kubernetes, disturbed on the way, equals the same manifest on one machine."""

import json
from pathlib import Path

import pytest

from cluster.handle import Cluster
from mergesearch.api.resource import MergeSearch
from support import history
from support.installation import Installation, Place, manifest
from support.local_run import on_this_machine

pytestmark = pytest.mark.cluster


def test_a_disturbed_search_ends_as_it_does_on_one_machine(
    installation: Installation, place: Place, family: Path, tmp_path: Path
) -> None:
    document = manifest("disturbed")
    cluster = installation.cluster
    place.apply(document)
    place.wait_until("disturbed", lambda search: search.status is not None, 60)
    installation.kill_operator()
    place.wait_until("disturbed", lambda search: bool(place.pods("Evaluate")), 240)
    # Deleted by a person: the baselines are tried again.
    cluster.kubectl("delete", "pod", "-n", place.namespace, place.pods("Evaluate")[0], "--wait=false")
    installation.kill_operator()
    place.wait_until("disturbed", lambda s: s.status is not None and bool(s.status.candidates), 300)
    place.patch("disturbed", {"suspend": True, "suspendPolicy": "Now"})
    place.wait("disturbed", "Suspended", 60)
    place.wait_until("disturbed", lambda s: s.status is not None and not s.status.launches, 60)
    place.patch("disturbed", {"suspend": False})
    place.wait_until("disturbed", lambda search: bool(place.pods("Evaluate")), 120)
    evict(place, place.pods("Evaluate")[0])
    installation.kill_operator()
    place.wait_until("disturbed", lambda search: bool(place.pods("Evaluate")), 240)
    drain_and_return(place)
    place.wait("disturbed", "Complete", 900)
    found = place.read("disturbed")
    assert found.status is not None
    assert found.status.counts.disrupted >= 1, "the eviction is not a failure"
    expected = on_this_machine(document, family, tmp_path / "local")
    assert history.history(found) == history.history(expected)
    answers(place.workspace, found)
    raise_the_budget(place, found)


def raise_the_budget(place: Place, before: MergeSearch) -> None:
    """After completion a higher budget opens the search again, and nothing that was scored is lost."""
    place.patch("disturbed", {"search": {"maxEvaluations": 10}})
    place.wait_until("disturbed", lambda s: s.status is not None and s.status.counts.scored == 10, 400)
    place.wait("disturbed", "Complete", 400)
    after = place.read("disturbed")
    assert before.status is not None
    assert after.status is not None
    assert after.status.candidates[:8] == before.status.candidates[:8]


def answers(workspace: Path, resource: MergeSearch) -> None:
    """The winner on the volume is a plain Hugging Face folder."""
    transformers = pytest.importorskip("transformers")
    assert resource.status is not None
    assert resource.status.confirmed is not None
    folder = workspace / resource.status.confirmed.path
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer("sort:cabd=", return_tensors="pt", add_special_tokens=False)
    assert model.generate(**prompt, max_new_tokens=4, do_sample=False).shape[1] > prompt["input_ids"].shape[1]


def drain_and_return(place: Place) -> None:
    """The node is emptied, the operator included, and comes back. A cluster of somebody else is left in peace."""
    if not isinstance(place.cluster, Cluster):
        return
    node = place.cluster.get("nodes")["items"][0]["metadata"]["name"]
    options = ["--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"]
    place.cluster.kubectl("drain", node, *options)
    place.cluster.kubectl("uncordon", node)


def evict(place: Place, pod: str) -> None:
    """As a drain does, by the eviction API."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": place.namespace},
    }
    path = f"/api/v1/namespaces/{place.namespace}/pods/{pod}/eviction"
    place.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
