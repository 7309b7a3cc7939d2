"""What may change once a search exists: the API server says the same as the table in `api/updates.py`."""

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from integration.crd.manifests import REMOVED, Base, Edits, edited, manifest
from integration.crd.server import Answer, Document, Searches
from mergesearch.api import updates
from mergesearch.api.resource import MergeSearch
from mergesearch.crd import definition, paths

NUMBERS = itertools.count()
REMEDY = "delete the search and create it again, or create another one under a new name"
TEMPLATE = "spec.merger.template"


def update(searches: Searches, base: Base, edits: Edits, before: Edits | None = None) -> Answer:
    """Create a search, then change it as a person does who edits their file and applies it again."""
    created = searches.create(manifest(base, before, name=f"search-{next(NUMBERS)}"), keep=True)
    assert created.accepted, created.message
    return searches.replace(edited(created.document, edits))


@dataclass(frozen=True)
class Case:
    """An update of a good manifest."""

    id: str
    edits: Edits
    base: Base = "full"
    told: Sequence[str] = ()
    """Parts of the refusal, in order; empty: it is accepted."""
    untold: str = "restore it"
    """What the refusal does not say, unless it is told."""
    before: Edits | None = None
    """What was other than in the good manifest from the beginning."""


MUTABLE = {
    "spec.storage.keepBest": 5,
    "spec.search.maxEvaluations": 80,
    "spec.search.maxDuration": "48h",
    "spec.search.maxGpuHours": "90.5",
    "spec.search.parallelism": 2,
    "spec.search.maxFailures": 0,
    "spec.search.patience": 9,
    "spec.suspend": True,
    "spec.suspendPolicy": "Now",
    "spec.retry": "again",
}

ACCEPTED = (
    Case("nothing at all", {}),
    Case("labels and annotations of the search", {"metadata.labels": {"team": "other"}, "metadata.annotations": {}}),
    Case("no limit of time and GPU-hours any more", {
        "spec.search.maxDuration": REMOVED, "spec.search.maxGpuHours": REMOVED, "spec.search.patience": REMOVED}),
    Case("limits where there were none", MUTABLE, "minimal"),
    Case("a part that was left out and is now written with its defaults", {"spec.merge": {"dtype": "bfloat16"}},
         "minimal"),
)  # fmt: skip

A, B, C = (
    {"name": "sft-03", "path": "sft-03", "volume": "checkpoints"},
    {"name": "dpo-12", "path": "runs/dpo-12", "volume": "archive"},
    {"name": "rl-7", "path": "runs/rl-7", "volume": "archive"},
)
REFUSED = (
    Case("fewer evaluations", {"spec.search.maxEvaluations": 63},
         told=["spec.search.maxEvaluations", "can only grow", "set spec.search.maxDuration", "suspend only pauses"]),
    Case("evaluations left out, which would be the default and fewer", {"spec.search.maxEvaluations": REMOVED},
         told=["spec.search.maxEvaluations", "can only grow"]),
    Case("more evaluations than a status holds", {"spec.search.maxEvaluations": 501}, told=["equal to 500"]),
    Case("another path of a checkpoint", {"spec.checkpoints[0].path": "sft-04"},
         told=["spec.checkpoints", "cannot change", REMEDY]),
    Case("a further checkpoint", {"spec.checkpoints": [A, B, C, {"name": "new", "path": "new"}]},
         told=["spec.checkpoints", "cannot change", REMEDY]),
    Case("checkpoints in another order", {"spec.checkpoints": [B, A, C]},
         told=["spec.checkpoints", "the order of spec.checkpoints cannot change", "restore it"]),
    Case("tasks in another order", {"spec.objective.tasks": [
        {"name": "b", "metric": "acc"}, {"name": "a", "metric": "acc"}]}, "minimal", before={
        "spec.objective.tasks": [{"name": "a", "metric": "acc"}, {"name": "b", "metric": "acc"}]},
        told=["spec.objective", "cannot change", REMEDY]),
    Case("another preset", {"spec.objective.preset": "MBPP-MuSR"}, "minimal", before={
        "spec.objective": {"preset": "MBPP-IFEval"}, "spec.evaluator": {"allowCodeExecution": True}},
        told=["spec.objective", "cannot change", REMEDY]),
    Case("the tasks of a preset in its place", {"spec.objective": {
        "tasks": [{"preset": "MBPP"}, {"preset": "IFEval"}]}}, "minimal", before={
        "spec.objective": {"preset": "MBPP-IFEval"}, "spec.evaluator": {"allowCodeExecution": True}},
        told=["spec.objective", "cannot change", REMEDY]),
    Case("another name of one of two tasks", {"spec.objective.tasks[1].name": "c"}, "minimal", before={
        "spec.objective.tasks": [{"name": "a", "metric": "acc"}, {"name": "b", "metric": "acc"}]},
        told=["spec.objective", "cannot change", REMEDY]),
    Case("a task less", {"spec.objective.tasks": [{"name": "b", "metric": "acc"}]}, "minimal", before={
        "spec.objective.tasks": [{"name": "a", "metric": "acc"}, {"name": "b", "metric": "acc"}]},
        told=["spec.objective", "cannot change", REMEDY]),
    Case("held-out tasks in another order", {"spec.heldOut.tasks": [
        {"name": "b", "metric": "acc"}, {"name": "a", "metric": "acc"}]}, "minimal", before={
        "spec.heldOut.tasks": [{"name": "a", "metric": "acc"}, {"name": "b", "metric": "acc"}]},
        told=["spec.heldOut", "cannot change", REMEDY]),
    Case("further volumes in another order", {"spec.storage.volumes": [
        {"name": "tasks", "persistentVolumeClaim": {"claimName": "tasks"}},
        {"name": "archive", "persistentVolumeClaim": {"claimName": "archive"}}]},
        told=["spec.storage.volumes", "restore it"]),
    Case("another seed", {"spec.search.seed": 2}, told=["spec.search.seed", "cannot change", REMEDY]),
    Case("another step size", {"spec.search.algorithm.cmaes.sigma": "0.8"},
         told=["spec.search.algorithm", "cannot change", REMEDY]),
    Case("another algorithm", {"spec.search.algorithm": {"random": {}}}, told=["spec.search.algorithm", REMEDY]),
    Case("another data type of the merges", {"spec.merge.dtype": "float16"}, told=["spec.merge", REMEDY]),
    Case("no tokenizer any more", {"spec.merge.tokenizerFrom": REMOVED}, told=["spec.merge", REMEDY]),
    Case("a goal where there was none", {"spec.objective.goal": "0.5"}, "minimal", told=["spec.objective", REMEDY]),
    Case("another workspace", {"spec.storage.workspace": {"persistentVolumeClaim": {"claimName": "other"}}},
         told=["spec.storage.workspace", REMEDY]),
    Case("a held-out task that comes later", {"spec.heldOut.tasks": [{"name": "arc", "metric": "acc"}]}, "minimal",
         told=["spec.heldOut", REMEDY]),
    Case("other baselines", {"spec.search.baselines": ["Checkpoints", "Uniform"]}, told=["spec.search.baselines"]),
    Case("finalists written later", {"spec.search.confirm.finalists": 3}, "minimal",
         told=["spec.search.confirm", REMEDY]),
    Case("another backend", {"spec.evaluator.backend": "vllm", "spec.evaluator.batchSize": REMOVED},
         told=["spec.evaluator", "cannot change", REMEDY]),
    Case("the whole section of the search left out", {"spec.search": REMOVED}, told=["spec.search", REMEDY]),
    Case("another key of a toleration", {f"{TEMPLATE}.tolerations[0].key": "other"}, told=["spec.merger", REMEDY]),
    Case("another kind of affinity", {f"{TEMPLATE}.affinity": {"podAffinity": {}}}, told=["spec.merger", REMEDY]),
    Case("a variable from a secret instead of a value", {f"{TEMPLATE}.env[0]": {
        "name": "HF_HOME", "valueFrom": {}}}, told=["spec.merger", REMEDY]),
    Case("a number deep in a security context", {f"{TEMPLATE}.securityContext.runAsUser": 1001},
         told=["spec.merger", REMEDY]),
    Case("a volume of a pod that is of another kind", {f"{TEMPLATE}.volumes[0]": {"name": "cache", "hostPath": {}}},
         told=["spec.merger", REMEDY]),
)  # fmt: skip


def test_the_table_names_every_field_that_may_change() -> None:
    assert set(MUTABLE) == updates.MUTABLE


@pytest.mark.parametrize("path", sorted(updates.MUTABLE))
def test_while_a_search_runs_a_person_may_change(path: str, searches: Searches) -> None:
    answer = update(searches, "full", {path: MUTABLE[path]})

    assert answer.accepted, answer.message


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_the_api_server_accepts_an_update_to(case: Case, searches: Searches) -> None:
    answer = update(searches, case.base, case.edits, case.before)

    assert answer.accepted, answer.message


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_the_api_server_refuses_an_update_to(case: Case, searches: Searches) -> None:
    answer = update(searches, case.base, case.edits, case.before)

    assert not answer.accepted
    assert case.untold in case.told or case.untold not in answer.message
    rest = answer.message
    for part in case.told:
        assert part in rest, answer.message
        rest = rest.split(part, 1)[1]


# --- Every field, as the local shell decides ---

SCHEMA = definition.schema()


def leaves(value: Any, path: str, place: str) -> Iterator[tuple[str, str, Any]]:
    """Every value of a document that is no list or mapping: its path, its place in the schema, itself."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            field = f".{name}" if name.replace("_", "").replace("-", "").isalnum() else f'["{name}"]'
            known = "properties" in paths.find(SCHEMA, place) if known_place(place) else False
            yield from leaves(inner, path + field, f"{place}.{name}" if known else place + paths.ENTRY)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]", place + paths.ENTRY)
    else:
        yield path, place, value


def known_place(place: str) -> bool:
    try:
        paths.find(SCHEMA, place)
    except KeyError:
        return False
    return True


def another(value: Any, place: str) -> Any:
    """Another value of the same type; it need not make sense."""
    allowed = paths.find(SCHEMA, place).get("enum", ()) if known_place(place) else ()
    if allowed:
        return next(one for one in allowed if one != value)
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}9"
        case dict():
            return {"x": "y"}
    return ["x"]


LEAVES = [leaf for leaf in leaves(manifest("full")["spec"], "spec", "spec") if leaf[0] not in updates.MUTABLE]


@pytest.mark.parametrize(("path", "place", "value"), LEAVES, ids=[path for path, _, _ in LEAVES])
def test_a_field_that_the_table_does_not_name_never_changes(
    path: str, place: str, value: Any, searches: Searches, existing: Document
) -> None:
    answer = searches.replace(edited(existing, {path: another(value, place)}))

    assert not answer.accepted
    assert "once a search exists" in answer.message


@pytest.fixture(scope="module")
def existing(searches: Searches) -> Document:
    """A search with every field."""
    created = searches.create(manifest("full", name="existing"), keep=True)
    assert created.accepted, created.message
    return created.document


def test_the_local_shell_decides_on_every_case_as_the_api_server_does() -> None:
    for case in (*ACCEPTED, *REFUSED):
        old = manifest(case.base, case.before)
        new = edited(copy.deepcopy(old), case.edits)
        try:
            specs = [MergeSearch.model_validate(one).spec for one in (old, new)]
        except ValueError:
            continue
        forbidden = bool(updates.forbidden(*specs))
        assert forbidden == bool(case.told) or case.id in DIFFERENT, case.id


DIFFERENT = {
    # The API server cannot tell a default that is written later from another number.
    "finalists written later",
    # It does not know what a preset stands for either; on one machine these are the same tasks.
    "the tasks of a preset in its place",
}
