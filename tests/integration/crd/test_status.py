"""Statuses that the core makes are stored as they are: nothing is refused, dropped or filled in."""

import copy
import json
from typing import Any

import pytest

from integration.crd.manifests import manifest
from integration.crd.server import Document, Searches
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MAX_STATUS_BYTES, MergeSearchStatus, Phase, Stage
from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from unit.lifecycle import largest
from unit.lifecycle.world import Bench, End, faults, resource, scored


def document_of(bench: Bench, name: str) -> Document:
    """The manifest of a search on a bench."""
    document = bench.resource.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"status"})
    document |= {"apiVersion": bench.resource.api_version, "metadata": {"name": name}}
    # A number that nobody wrote is not written here either.
    document["spec"]["storage"].pop("keepBest")
    return document


def store(searches: Searches, document: Document, status: MergeSearchStatus) -> Document:
    """Create the search, write a status, read it back."""
    created = searches.create(document, keep=True)
    assert created.accepted, created.message
    answer = searches.replace_status(created.document | {"status": json.loads(status.to_stored())})
    assert answer.accepted, answer.message
    return searches.get(document["metadata"]["name"])


def search(bench: Bench) -> MergeSearchStatus:
    """A whole search with a process that died, weights that were lost and a candidate that failed for good."""
    bench.faults = faults(
        (Stage.EVALUATE, "c0001", End(code=137, reason=Reason.OUT_OF_MEMORY, message="killed")),
        (Stage.MERGE, "c0002", End(code=65, failure=Failure(reason=Reason.NON_FINITE_WEIGHTS, message="NaN"))),
        (Stage.EVALUATE, "c0003", End(code=None, disrupted=True)),
        times=1,
    )
    return bench.rest()


def running(bench: Bench) -> MergeSearchStatus:
    """In the middle of the search, with children."""
    return bench.until(lambda status: scored(status, 5) and bool(status.launches))


def stalled(bench: Bench) -> MergeSearchStatus:
    """A preflight that a person has to look at."""
    failure = Failure(reason=Reason.CHECKPOINT_MISSING, message="no such folder")
    bench.faults = faults((Stage.PREFLIGHT_CHECKPOINTS, None, End(code=64, failure=failure)))
    return bench.rest()


STATUSES = {"complete": search, "running": running, "stalled": stalled}


@pytest.mark.parametrize("name", STATUSES)
def test_a_status_of_the_core_comes_back_as_it_was_written(name: str, searches: Searches) -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, "algorithm": {"cmaes": {"populationSize": 4}}}))
    status = STATUSES[name](bench)

    stored = store(searches, document_of(bench, name), status)

    assert stored["status"] == json.loads(status.to_stored())
    read = MergeSearch.model_validate(stored)
    assert read.status == status
    assert read.spec == bench.resource.spec


def test_the_statuses_of_these_tests_have_every_list_filled_somewhere() -> None:
    found: set[str] = set()
    for make in STATUSES.values():
        bench = Bench(resource(search={"maxEvaluations": 12, "algorithm": {"cmaes": {"populationSize": 4}}}))
        found |= set(json.loads(make(bench).to_stored()))

    assert found >= {
        "baselines", "candidates", "confirmations", "launches", "conditions", "pareto", "preflight", "algorithm",
        "best", "confirmed", "closed", "stalled", "cost", "counts", "phase",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("checkpoints", "evaluations"), largest.SIZES, ids=["64 x 256", "32 x 500"])
def test_the_largest_status_is_stored_as_it_was_written(checkpoints: int, evaluations: int, searches: Searches) -> None:
    bench = largest.bench(checkpoints, evaluations)
    status = bench.rest()
    assert status.phase is Phase.COMPLETE

    stored = store(searches, document_of(bench, f"largest-{checkpoints}"), status)

    assert stored["status"] == json.loads(status.to_stored())
    size = len(json.dumps(stored))
    print(f"{checkpoints} x {evaluations}: {size} bytes as the API server gives it")
    assert size < MAX_STATUS_BYTES + 100_000


def test_the_spec_cannot_be_changed_by_a_write_of_the_status_nor_the_status_by_one_of_the_spec(
    searches: Searches,
) -> None:
    created = searches.create(manifest(name="apart"), keep=True).document

    by_status = copy.deepcopy(created) | {"status": {"phase": "Searching"}}
    by_status["spec"]["search"]["parallelism"] = 7
    assert searches.replace_status(by_status).accepted
    stored = searches.get("apart")
    assert stored["spec"]["search"]["parallelism"] == 1
    assert stored["metadata"]["generation"] == 1

    by_spec = copy.deepcopy(stored) | {"status": {"phase": "Complete"}}
    by_spec["spec"]["search"]["parallelism"] = 2
    assert searches.replace(by_spec, keep=True).accepted
    stored = searches.get("apart")
    assert stored["status"] == {"phase": "Searching"}
    assert stored["metadata"]["generation"] == 2


def test_an_old_status_write_is_a_conflict(searches: Searches) -> None:
    old = searches.create(manifest(name="twice"), keep=True).document

    first = searches.replace_status(old | {"status": {"phase": "Preflight"}})
    second = searches.replace_status(old | {"status": {"phase": "Baselines"}})

    assert first.accepted
    assert second.code == 409


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a phase that does not exist": ({"phase": "Thinking"}, "status.phase"),
    "a vector that is too long": ({"candidates": [{"id": "c0000", "kind": "Search", "x": "A" * 345}]}, "status.cand"),
    "a field of another release": ({"fitnessOfAll": 1}, 'unknown field "status.fitnessOfAll"'),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_status_is_refused_with(name: str, searches: Searches) -> None:
    status, told = WRONG[name]
    created = searches.create(manifest(name=f"wrong-{list(WRONG).index(name)}"), keep=True).document

    answer = searches.replace_status(created | {"status": status})

    assert told in answer.message


def test_a_reason_of_a_newer_operator_is_stored(searches: Searches) -> None:
    created = searches.create(manifest(name="newer"), keep=True).document

    answer = searches.replace_status(created | {"status": {"stalled": {"reason": "NotYetInvented", "message": "m"}}})

    assert answer.accepted, answer.message
