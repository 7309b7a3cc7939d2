"""The history of a search, without what may differ between two runs of it: times, tries and processes."""

import json
from pathlib import Path
from typing import Any

from mergesearch.api.resource import MergeSearch
from mergesearch.lifecycle import strategy

LISTS = ("baselines", "candidates", "confirmations")


def read(state: Path) -> MergeSearch:
    """The search in a state folder."""
    return MergeSearch.model_validate_json((state / "search.json").read_bytes())


def history(resource: MergeSearch) -> dict[str, Any]:
    """Vectors, weights, scores and order of all records, and the winner with its gains."""
    status = resource.status
    assert status is not None
    found: dict[str, Any] = {
        name: [
            (r.id, r.kind, r.generation, r.x, r.members, r.state, r.scores, r.errors, r.fitness)
            for r in getattr(status, name)
        ]
        for name in LISTS
    }
    found["weights"] = [strategy.weights(resource.spec, record) for record in status.candidates]
    confirmed = status.confirmed
    assert confirmed is not None
    # The folders and the hash of the comparison carry the search's UID.
    unlike: dict[str, Any] = {"path": True, "request_hash": True, "better": {"path"}}
    found["confirmed"] = confirmed.model_dump(mode="json", exclude=unlike)
    return found


def partial(state: Path) -> dict[str, Any]:
    """The raw status of a search that may still run; empty before the first write."""
    path = state / "search.json"
    status: dict[str, Any] = json.loads(path.read_text())["status"] if path.exists() else {}
    return status
