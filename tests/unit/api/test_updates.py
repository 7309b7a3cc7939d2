"""What may change while a search runs, and what may not."""

from typing import Any

import pytest

from mergesearch.api import updates
from mergesearch.api.spec import MergeSearchSpec

CLAIM = {"persistentVolumeClaim": {"claimName": "c"}}


def spec(**changes: Any) -> MergeSearchSpec:
    document: dict[str, Any] = {
        "checkpoints": [{"name": "a", "path": "a"}, {"name": "b", "path": "b"}],
        "storage": {"checkpoints": CLAIM, "workspace": CLAIM},
        "objective": {"tasks": [{"name": "t", "metric": "acc"}]},
        "search": {"maxEvaluations": 20},
    }
    for path, value in changes.items():
        target = document
        *parents, last = path.split("__")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    return MergeSearchSpec.model_validate(document)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("search__maxEvaluations", 30),
        ("search__maxDuration", "2h"),
        ("search__maxGpuHours", "5"),
        ("search__parallelism", 4),
        ("search__maxFailures", 1),
        ("search__patience", 3),
        ("storage__keepBest", 2),
        ("suspend", True),
        ("suspendPolicy", "Now"),
        ("retry", "again"),
    ],
)
def test_a_budget_or_a_switch_may_change(change: str, value: object) -> None:
    assert updates.forbidden(spec(), spec(**{change: value})) == []
    assert [c.path for c in updates.changes(spec(), spec(**{change: value}))] == ["spec." + change.replace("__", ".")]


@pytest.mark.parametrize(
    ("change", "value", "path"),
    [
        ("search__maxEvaluations", 10, "spec.search.maxEvaluations"),
        ("search__seed", 2, "spec.search.seed"),
        ("merge__dtype", "float16", "spec.merge.dtype"),
        ("evaluator__backend", "hf", "spec.evaluator.backend"),
        ("checkpoints", [{"name": "a", "path": "a"}, {"name": "b", "path": "c"}], "spec.checkpoints[1].path"),
        ("checkpoints", [{"name": n, "path": n} for n in "abc"], "spec.checkpoints"),
        ("objective__tasks", [{"name": "u", "metric": "acc"}], "spec.objective.tasks[0].name"),
        ("objective__goal", "0.5", "spec.objective.goal"),
    ],
)
def test_what_decided_the_search_so_far_may_not(change: str, value: object, path: str) -> None:
    assert [c.path for c in updates.forbidden(spec(), spec(**{change: value}))] == [path]


def test_a_change_is_told_with_both_values() -> None:
    (change,) = updates.changes(spec(), spec(search__seed=2))
    assert str(change) == "spec.search.seed: was 1, is 2"


def test_equal_specs_have_no_changes() -> None:
    assert updates.changes(spec(), spec()) == []
