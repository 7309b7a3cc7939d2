"""What people see of the resource: its names, `kubectl get`, `kubectl explain`."""

import json
import re

import pytest

from integration.crd.manifests import manifest
from integration.crd.server import Searches
from mergesearch.api import updates
from unit.lifecycle.world import Bench, resource, scored


def row(searches: Searches, name: str) -> dict[str, str]:
    """What `kubectl get` shows of a search, by column."""
    head, line = searches.cluster.kubectl("get", "msearch", name, "--namespace", searches.namespace).splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", head)]
    ends = [*starts[1:], None]
    return {head[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}


def test_a_search_that_has_not_begun_shows_its_budget(searches: Searches) -> None:
    searches.create(manifest(name="waiting"), keep=True)

    shown = row(searches, "waiting")

    assert list(shown) == ["NAME", "PHASE", "GEN", "DONE", "MAX", "BEST", "GAIN", "FAILED", "AGE"]
    assert shown.pop("AGE")
    assert {name: text for name, text in shown.items() if text} == {"NAME": "waiting", "MAX": "50"}


def test_a_running_search_shows_how_far_it_is_and_how_good(searches: Searches) -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, "algorithm": {"cmaes": {"populationSize": 4}}}))
    status = bench.until(lambda status: scored(status, 5))
    created = searches.create(manifest(name="running"), keep=True).document
    written = json.loads(status.to_stored()) | {"counts": status.counts.to_document()}
    assert searches.replace_status(created | {"status": written}).accepted
    assert status.best is not None

    shown = row(searches, "running")

    assert shown["PHASE"] == "Searching"
    assert (shown["GEN"], shown["DONE"], shown["MAX"], shown["FAILED"]) == ("1", "5", "50", "0")
    assert float(shown["BEST"]) == status.best.fitness
    assert float(shown["GAIN"]) == status.gain == status.best.gain


@pytest.mark.parametrize("name", ["msearch", "mergesearch", "mergesearches", "mergesearches.mergesearch.io", "all"])
def test_searches_are_found_by_the_name(name: str, searches: Searches) -> None:
    searches.create(manifest(name="found"), keep=True)

    found = searches.cluster.kubectl("get", name, "--namespace", searches.namespace, "-o", "name").split()

    assert "mergesearch.mergesearch.io/found" in found


def explained(searches: Searches, path: str) -> str:
    """The text of `kubectl explain`, in one line."""
    return " ".join(searches.cluster.kubectl("explain", f"msearch.{path}").split())


def test_explain_says_what_a_field_is_for_and_what_it_is_when_it_is_left_out(searches: Searches) -> None:
    text = explained(searches, "spec.search")

    assert "DESCRIPTION: The search and its budgets." in text
    assert "maxEvaluations <integer> Candidates of the search to evaluate;" in text
    assert "May grow while the search runs. Default: 50." in text
    assert "baselines <[]string> What the winner has to beat. Default: Checkpoints, Uniform, MergeBest." in text


def test_explain_names_the_words_that_a_field_allows(searches: Searches) -> None:
    assert "aggregate <string> enum: Mean, WeightedMean, GeometricMean, Minimum" in explained(
        searches, "spec.objective"
    )


@pytest.mark.parametrize("path", sorted(updates.MUTABLE))
def test_explain_says_that_a_field_may_change(path: str, searches: Searches) -> None:
    assert re.search(r"May (change|grow)", explained(searches, path))


def test_applying_a_manifest_twice_changes_nothing(searches: Searches) -> None:
    text = json.dumps(manifest("full", name="applied"))
    apply = ("apply", "--namespace", searches.namespace, "-f", "-")

    assert "created" in searches.cluster.kubectl(*apply, stdin=text)
    assert "unchanged" in searches.cluster.kubectl(*apply, stdin=text)


def test_two_owners_may_each_apply_a_part_on_the_server(searches: Searches) -> None:
    apply = ("apply", "--server-side", "--namespace", searches.namespace, "-f", "-")
    searches.cluster.kubectl(*apply, "--field-manager=team", stdin=json.dumps(manifest(name="shared")))
    budget = {
        "apiVersion": "mergesearch.io/v1alpha1",
        "kind": "MergeSearch",
        "metadata": {"name": "shared"},
        "spec": {"search": {"maxEvaluations": 100}},
    }

    searches.cluster.kubectl(*apply, "--field-manager=platform", stdin=json.dumps(budget))

    spec = searches.get("shared")["spec"]
    assert spec["search"]["maxEvaluations"] == 100
    assert [checkpoint["name"] for checkpoint in spec["checkpoints"]] == ["sft-a", "sft-b"]
