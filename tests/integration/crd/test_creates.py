"""What the API server accepts and refuses when a search is created, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.crd.manifests import Base, Edits, edited, manifest
from integration.crd.server import Searches
from mergesearch.api.resource import MergeSearch

ROOT = Path(__file__).resolve().parents[3]
FULL: Base = "full"
POINT = "spec.search.initial[0]"


@dataclass(frozen=True)
class Case:
    """A good manifest with some fields changed."""

    id: str
    edits: Edits = field(default_factory=dict)
    base: Base = "minimal"
    told: Sequence[str] = ()
    """Parts of the refusal, in order; empty: it is accepted."""
    name: str | None = None


def checkpoints(count: int) -> list[dict[str, str]]:
    return [{"name": f"c{i}", "path": f"runs/c{i}"} for i in range(count)]


ACCEPTED = (
    Case("the least that a search needs"),
    Case("every field", base="full"),
    Case("a name of forty characters", name="a" * 40),
    Case("a checkpoint whose name has a dot", {"spec.checkpoints[0].name": "sft-1.5b"}),
    Case("two volumes with a folder of the same name", {"spec.checkpoints[1].path": "sft-03"}, FULL),
    Case(
        "sixty-four checkpoints with 256 evaluations",
        {"spec.checkpoints": checkpoints(64)} | {"spec.search.maxEvaluations": 256},
    ),
    Case(
        "five hundred evaluations of thirty-two checkpoints",
        {"spec.checkpoints": checkpoints(32)} | {"spec.search.maxEvaluations": 500},
    ),
    Case("a task by its preset", {"spec.objective.tasks[0]": {"preset": "GSM8K"}}),
    Case("a task of which a preset says the rest", {"spec.objective.tasks[0]": {"preset": "GSM8K", "name": "mine"}}),
    Case(
        "a pair of tasks by their preset",
        {"spec.objective": {"preset": "MBPP-IFEval"}, "spec.evaluator": {"allowCodeExecution": True}},
    ),
    Case("a pair of tasks that run no code", {"spec.objective": {"preset": "MMLU-Pro-IFEval"}}),
    Case(
        "a task of one's own with the name of lm-eval's that runs code",
        {
            "spec.objective.tasks[0]": {"name": "mbpp", "metric": "acc"},
            "spec.evaluator": {"taskFolders": [{"path": "tasks"}]},
        },
    ),
    Case(
        "known scores of the tasks of a preset",
        {
            "spec.objective": {"preset": "MMLU-Pro-IFEval"},
            "spec.search.initial": [{"weights": {"sft-a": "1"}, "scores": {"ifeval": "0.5", "mmlu_pro": "0.5"}}],
        },
    ),
    Case(
        "a held-out preset beside the preset of an objective",
        {"spec.objective": {"preset": "MMLU-Pro-IFEval"}, "spec.heldOut.tasks": [{"preset": "GSM8K"}]},
    ),
    Case("the preset of the paper", {"spec.search.algorithm": {"preset": "Paper"}}),
    Case("random search", {"spec.search.algorithm": {"random": {}}}),
    Case("a search shorter than the default number of finalists", {"spec.search.maxEvaluations": 2}),
    Case("no baselines", {"spec.search.baselines": []}),
    Case("a search that begins suspended", {"spec.suspend": True}),
    Case("a workspace made for the search", {"spec.storage.workspace": {"claimTemplate": {"size": "500Gi"}}}),
    Case(
        "the cluster's first storage class by its empty name",
        {"spec.storage.workspace": {"claimTemplate": {"size": "1.5Ti", "storageClassName": ""}}},
    ),
    Case("a duration in hours, minutes and seconds", {"spec.search.maxDuration": "1h30m10s"}),
    Case("a weight with an exponent", {"spec.merge.skipBelow": "1e-3"}),
    Case("a known point that leaves out a checkpoint", {f"{POINT}.weights": {"sft-03": "0.25", "rl-7": "0.75"}}, FULL),
    Case("a fraction of a CPU", {"spec.merger.resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "1.5"}}}),
    Case(
        "a GPU in requests and limits alike",
        {"spec.evaluator.resources": {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}}},
    ),
    Case(
        "fields of pods that only Kubernetes knows",
        {
            "spec.merger.template": {
                "tolerations": [{"key": "gpu", "operator": "Exists", "tolerationSeconds": 60}],
                "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}},
                "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "supplementalGroups": [1, 2]},
                "volumes": [
                    {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["x"]}}}}
                ],
            }
        },
    ),
)

CODE = ["spec.evaluator.allowCodeExecution", "set spec.evaluator.allowCodeExecution to true"]

REFUSED = (
    Case("a pair of tasks of which one runs code", {"spec.objective": {"preset": "MBPP-IFEval"}}, told=CODE),
    Case("a preset that runs code", {"spec.objective.tasks[0]": {"preset": "MBPP"}}, told=CODE),
    Case("a held-out task that runs code", {"spec.heldOut.tasks": [{"preset": "MBPP"}]}, told=CODE),
    Case(
        "lm-eval's own task that runs code",
        {"spec.objective.tasks[0]": {"name": "mbpp", "metric": "pass_at_1"}},
        told=["spec.objective", "take mergesearch_mbpp for mbpp"],
    ),
    Case("a name of forty-one characters", name="a" * 41, told=["metadata.name", "at most 40", "shorter"]),
    Case("a name with a dot", name="my.search", told=["metadata.name", "letters, digits and -"]),
    Case("a misspelt field", {"spec.search.maxEvaluation": 5}, told=['unknown field "spec.search.maxEvaluation"']),
    Case("a single checkpoint", {"spec.checkpoints": checkpoints(1)}, told=["spec.checkpoints", "at least 2 items"]),
    Case("sixty-five checkpoints", {"spec.checkpoints": checkpoints(65)}, told=["spec.checkpoints", "at most 64"]),
    Case("two checkpoints of one name", {"spec.checkpoints[1].name": "sft-a"}, told=["Duplicate value", "sft-a"]),
    Case(
        "two checkpoints in one folder",
        {"spec.checkpoints[1].path": "runs/sft-a"},
        told=["spec.checkpoints", "each must have a folder of its own"],
    ),
    Case(
        "a path that leads out of its volume",
        {"spec.checkpoints[1].path": "runs/../../etc"},
        told=["spec.checkpoints[1].path", "write it without"],
    ),
    Case(
        "an absolute path",
        {"spec.checkpoints[1].path": "/data/sft-b"},
        told=["spec.checkpoints[1].path", "not beginning with /"],
    ),
    Case(
        "a name with capitals",
        {"spec.checkpoints[0].name": "SFT"},
        told=["spec.checkpoints[0].name", "lower-case letters"],
    ),
    Case(
        "a volume that nobody named",
        {"spec.checkpoints[0].volume": "archive"},
        told=["spec.checkpoints", "one of spec.storage.volumes"],
    ),
    Case(
        "task folders on a volume that nobody named",
        {"spec.evaluator.taskFolders": [{"volume": "tasks"}]},
        told=["spec.evaluator.taskFolders", "one of spec.storage.volumes"],
    ),
    Case(
        "a tokenizer of no checkpoint",
        {"spec.merge.tokenizerFrom": "sft-c"},
        told=["spec.merge.tokenizerFrom", "no checkpoint is called sft-c"],
    ),
    Case(
        "a threshold above every weight",
        {"spec.merge.skipBelow": "0.5"},
        told=["spec.merge.skipBelow", "less than 1 divided by the number of checkpoints"],
    ),
    Case(
        "a workspace without a claim",
        {"spec.storage.workspace": {}},
        told=["spec.storage.workspace", "exactly one of persistentVolumeClaim and claimTemplate"],
    ),
    Case(
        "a workspace with two claims",
        {"spec.storage.workspace.claimTemplate": {"size": "1Gi"}},
        told=["spec.storage.workspace", "exactly one of persistentVolumeClaim and claimTemplate"],
    ),
    Case(
        "a claim for one pod and four evaluators",
        {
            "spec.storage.workspace": {"claimTemplate": {"size": "1Gi", "accessModes": ["ReadWriteOncePod"]}},
            "spec.search.parallelism": 4,
        },
        told=["spec.search.parallelism", "set spec.search.parallelism to 1"],
    ),
    Case(
        "a claim for one pod and two slices",
        {
            "spec.storage.workspace": {"claimTemplate": {"size": "1Gi", "accessModes": ["ReadWriteOncePod"]}},
            "spec.merger": {"slices": 2},
        },
        told=["spec.merger.slices", "set spec.merger.slices to 1"],
    ),
    Case("too many slices", {"spec.merger": {"slices": 65}}, told=["spec.merger.slices", "less than or equal to 64"]),
    Case(
        "a size in units of nobody",
        {"spec.merge.maxShardSize": "5GB"},
        told=["spec.merge.maxShardSize", "such as 500Mi or 5Gi"],
    ),
    Case("a size that is too small", {"spec.merge.maxShardSize": "1k"}, told=["at least 1Mi"]),
    Case(
        "a volume called workspace",
        {"spec.storage.volumes": [{"name": "workspace", "persistentVolumeClaim": {"claimName": "w"}}]},
        told=["spec.storage.volumes[0].name", "choose another one"],
    ),
    Case(
        "a task that is optimised and held out",
        {"spec.heldOut.tasks": [{"name": "gsm8k", "metric": "exact_match"}]},
        told=["spec.heldOut.tasks", "either optimised or held out", "remove it"],
    ),
    Case(
        "a task twice",
        {"spec.objective.tasks[1]": {"name": "gsm8k", "metric": "acc"}},
        told=["spec.objective.tasks", "a task stands here twice"],
    ),
    Case(
        "a task by its name and by its preset",
        {"spec.objective.tasks[1]": {"preset": "GSM8K"}},
        told=["spec.objective.tasks", "a task stands here twice"],
    ),
    Case(
        "a held-out task twice",
        {"spec.heldOut.tasks": [{"preset": "IFEval"}, {"preset": "IFEval", "numFewshot": 0}]},
        told=["spec.heldOut.tasks", "a task stands here twice"],
    ),
    Case(
        "a held-out preset of a task that is optimised",
        {"spec.heldOut.tasks": [{"preset": "GSM8K"}]},
        told=["spec.heldOut.tasks", "either optimised or held out"],
    ),
    Case(
        "a held-out task of the objective's preset",
        {"spec.objective": {"preset": "MBPP-IFEval"}, "spec.heldOut.tasks": [{"name": "ifeval", "metric": "acc"}]},
        told=["spec.heldOut.tasks", "either optimised or held out"],
    ),
    Case(
        "a preset that does not exist",
        {"spec.objective.tasks[0]": {"preset": "gsm8k"}},
        told=["spec.objective.tasks[0].preset", "Unsupported value", '"GSM8K"'],
    ),
    Case(
        "a task without a name, a metric or a preset",
        {"spec.objective.tasks[0]": {"name": "gsm8k"}},
        told=["spec.objective.tasks[0]", "its name and its metric, or a preset"],
    ),
    Case(
        "neither tasks nor a preset",
        {"spec.objective": {"aggregate": "Mean"}},
        told=["spec.objective", "exactly one of preset and tasks"],
    ),
    Case(
        "tasks and a preset of all of them",
        {"spec.objective.preset": "MBPP-IFEval"},
        told=["spec.objective", "exactly one of preset and tasks"],
    ),
    Case(
        "known scores of other tasks than those of the preset",
        {
            "spec.objective": {"preset": "MBPP-IFEval"},
            "spec.search.initial": [{"weights": {"sft-a": "1"}, "scores": {"ifeval": "0.5", "mbpp": "0.5"}}],
        },
        told=["spec.search.initial", "a score for each task"],
    ),
    Case(
        "unseen samples chosen twice",
        {"spec.objective.tasks[1].unseenSamples": 5},
        FULL,
        told=["spec.objective.tasks[1]", "remove one of them"],
    ),
    Case(
        "nine tasks",
        {"spec.objective.tasks": [{"name": f"t{i}", "metric": "acc"} for i in range(9)]},
        told=["spec.objective.tasks", "at most 8"],
    ),
    Case("no task", {"spec.objective.tasks": []}, told=["spec.objective.tasks", "at least 1"]),
    Case(
        "a task named by its file",
        {"spec.objective.tasks[0].name": "tasks/gsm8k.yaml"},
        told=["spec.objective.tasks[0].name", "no spaces, / and commas"],
    ),
    Case(
        "samples chosen twice",
        {"spec.objective.tasks[1].searchSamples": 5},
        FULL,
        told=["spec.objective.tasks[1]", "remove one of them"],
    ),
    Case(
        "a range that ends before it starts",
        {"spec.objective.tasks[1].samples.search.stop": 0},
        FULL,
        told=["spec.objective.tasks[1].samples.search.stop", "greater than or equal to 1"],
    ),
    Case(
        "an empty range",
        {"spec.objective.tasks[1].samples.search": {"start": 5, "stop": 5}},
        FULL,
        told=["spec.objective.tasks[1].samples", "its start must be below its stop"],
    ),
    Case(
        "samples that confirm and were seen",
        {"spec.objective.tasks[1].samples.unseen.start": 599},
        FULL,
        told=["spec.objective.tasks[1].samples.unseen", "must not overlap"],
    ),
    Case(
        "weights that nobody reads",
        {"spec.objective.aggregate": "Mean"},
        FULL,
        told=["spec.objective.aggregate", "set spec.objective.aggregate to WeightedMean, or remove the weights"],
    ),
    Case("a goal of zero", {"spec.objective.goal": "0"}, told=["spec.objective.goal", "set one above 0"]),
    Case("a goal in per cent", {"spec.objective.goal": "70%"}, told=["spec.objective.goal", "from 0 to 1, in quotes"]),
    Case(
        "a number where a text belongs",
        {"spec.objective.goal": 0.7},
        told=["spec.objective.goal", "must be of type string"],
    ),
    Case(
        "two algorithms",
        {"spec.search.algorithm": {"cmaes": {}, "random": {}}},
        told=["spec.search.algorithm", "exactly one of cmaes, random and preset"],
    ),
    Case(
        "no algorithm",
        {"spec.search.algorithm": {}},
        told=["spec.search.algorithm", "exactly one of cmaes, random and preset"],
    ),
    Case(
        "a step that overflows",
        {"spec.search.algorithm": {"cmaes": {"sigma": "1e9"}}},
        told=["spec.search.algorithm.cmaes.sigma", "at most 100"],
    ),
    Case(
        "a generation larger than the search",
        {"spec.search": {"maxEvaluations": 10, "algorithm": {"random": {"populationSize": 11}}}},
        told=["spec.search.algorithm.random.populationSize", "must be at most maxEvaluations"],
    ),
    Case(
        "more finalists than candidates",
        {"spec.search": {"maxEvaluations": 2, "confirm": {"finalists": 3}}},
        told=["spec.search.confirm.finalists", "must be at most maxEvaluations"],
    ),
    Case(
        "five hundred and one evaluations",
        {"spec.search.maxEvaluations": 501},
        told=["spec.search.maxEvaluations", "less than or equal to 500"],
    ),
    Case(
        "more vectors than a status holds",
        {"spec.checkpoints": checkpoints(64), "spec.search.maxEvaluations": 257},
        told=["spec.search.maxEvaluations", "at most 16384", "lower maxEvaluations"],
    ),
    Case("a duration in days", {"spec.search.maxDuration": "3d"}, told=["spec.search.maxDuration", "such as 24h"]),
    Case("a duration of two years", {"spec.search.maxDuration": "17568h"}, told=["at most a year"]),
    Case(
        "merge-best without the checkpoints' scores",
        {"spec.search.baselines": ["Uniform", "MergeBest"]},
        told=["spec.search.baselines", "add Checkpoints, or remove them"],
    ),
    Case(
        "a baseline twice",
        {"spec.search.baselines": ["Uniform", "Uniform"]},
        told=["spec.search.baselines", "name each once"],
    ),
    Case(
        "a baseline that does not exist",
        {"spec.search.baselines": ["Slerp"]},
        told=["spec.search.baselines[0]", '"Checkpoints", "Uniform", "MergeBest", "Greedy"'],
    ),
    Case(
        "a known point with a stranger",
        {f"{POINT}.weights": {"sft-03": "0.5", "other": "0.5"}},
        FULL,
        told=["spec.search.initial", "must name checkpoints"],
    ),
    Case(
        "a known point whose weights sum to 0.9",
        {f"{POINT}.weights": {"sft-03": "0.4", "dpo-12": "0.5"}},
        FULL,
        told=["spec.search.initial[0].weights", "must sum to 1"],
    ),
    Case(
        "a known point without a score",
        {f"{POINT}.scores": {"ifeval": "0.5"}},
        FULL,
        told=["spec.search.initial", "a score for each task"],
    ),
    Case(
        "a priority without a queue",
        {"spec.merger.priorityClass": "high"},
        told=["spec.merger.priorityClass", "set queueName beside it"],
    ),
    Case(
        "prompts at once for vLLM",
        {"spec.evaluator.batchSize": 8},
        told=["spec.evaluator.batchSize", "set the backend to hf"],
    ),
    Case(
        "an engine argument that a field decides",
        {"spec.evaluator.engineArgs": {"dtype": "float16"}},
        told=["spec.evaluator.engineArgs", "dtype (spec.evaluator.dtype)"],
    ),
    Case(
        "memory in words",
        {"spec.evaluator.resources.limits": {"memory": "64 GB"}},
        told=["spec.evaluator.resources.limits", 'such as "4", "500m" or "16Gi"'],
    ),
    Case(
        "a request above its limit",
        {"spec.merger.resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1500Mi"}}},
        told=["spec.merger.resources", "must not be above its limit"],
    ),
    Case("half a GPU", {"spec.evaluator.resources.limits": {"nvidia.com/gpu": "0.5"}}, told=["a whole number"]),
    Case(
        "a label of the operator",
        {"spec.merger.template.labels": {"mergesearch.io/search": "x"}},
        told=["spec.merger.template.labels", "set by the operator"],
    ),
    Case("an image with a space", {"spec.merger.image": "merger :1"}, told=["spec.merger.image", "no spaces"]),
    Case(
        "a claim that cannot exist",
        {"spec.storage.checkpoints.persistentVolumeClaim.claimName": "My_Claim"},
        told=["spec.storage.checkpoints.persistentVolumeClaim.claimName", "lower-case letters"],
    ),
)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_the_api_server_accepts(case: Case, searches: Searches) -> None:
    answer = searches.create(manifest(case.base, case.edits, name=case.name))

    assert answer.accepted, answer.message


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_the_api_server_refuses_and_says_what_to_do_about(case: Case, searches: Searches) -> None:
    answer = searches.create(manifest(case.base, case.edits, name=case.name))

    assert not answer.accepted
    assert "evaluating rule" not in answer.message
    rest = answer.message
    for part in case.told:
        assert part in rest, answer.message
        rest = rest.split(part, 1)[1]


EXAMPLES = [
    path
    for path in sorted((ROOT / "examples").rglob("*.yaml"))
    if "kind: MergeSearch\n" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_example_is_accepted(path: Path, searches: Searches) -> None:
    found = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one["kind"] == "MergeSearch"]
    for document in found:
        document["metadata"].pop("namespace", None)

        answer = searches.create(document)

        assert answer.accepted, answer.message


def test_there_are_examples() -> None:
    assert EXAMPLES


def test_a_manifest_comes_back_with_every_default_of_the_models_but_those_that_only_a_person_may_write(
    searches: Searches,
) -> None:
    sent = manifest()
    stored = searches.create(sent).document

    assert stored["spec"]["search"]["algorithm"] == {"cmaes": {"parametrization": "Softmax", "warmStart": True}}
    assert MergeSearch.model_validate(stored).spec == MergeSearch.model_validate(sent).spec
    written = MergeSearch.model_validate(sent).spec.to_document()
    del written["storage"]["keepBest"], written["search"]["confirm"]["finalists"]
    del written["objective"]["tasks"][0]["chatTemplate"]
    assert stored["spec"] == written


@pytest.mark.parametrize(
    "objective",
    [{"tasks": [{"preset": "GSM8K"}]}, {"tasks": [{"preset": "GSM8K", "filter": "none"}]}, {"preset": "MBPP-IFEval"}],
    ids=repr,
)
def test_a_preset_stays_as_it_was_written_and_is_read_as_on_one_machine(
    searches: Searches, objective: dict[str, Any]
) -> None:
    sent = manifest(edits={"spec.objective": objective, "spec.evaluator": {"allowCodeExecution": True}})
    stored = searches.create(sent).document

    for task in stored["spec"]["objective"].get("tasks", ()):
        assert task.pop("weight") == "1"
    assert stored["spec"]["objective"] == objective | {"aggregate": "Mean"}
    assert MergeSearch.model_validate(stored).spec == MergeSearch.model_validate(sent).spec


def test_every_field_of_a_full_manifest_is_kept(searches: Searches) -> None:
    sent = manifest("full")

    stored = searches.create(sent).document["spec"]

    def lost(sent: object, stored: object) -> bool:
        if isinstance(sent, dict) and isinstance(stored, dict):
            return any(name not in stored or lost(inner, stored[name]) for name, inner in sent.items())
        if isinstance(sent, list) and isinstance(stored, list):
            return len(sent) != len(stored) or any(lost(a, b) for a, b in zip(sent, stored, strict=True))
        return sent != stored

    assert not lost(sent["spec"], stored)


def named(prefix: str, index: int, length: int = 63) -> str:
    """A name of just this length."""
    return f"{prefix}{index}".rjust(length, "n")


def largest() -> Edits:
    """Every list, map and text as large as it may be."""
    labels = {named("k", i, 60): "v" * 63 for i in range(32)}
    devices = {f"example.com/{named('r', i, 50)}": "1" for i in range(16)}
    stage = {
        "resources": {"requests": devices, "limits": devices},
        "template": {
            "labels": labels,
            "annotations": dict.fromkeys(labels, "v" * 1024),
            "nodeSelector": labels,
            "tolerations": [{"key": "k" * 63, "operator": "Exists"}] * 32,
            "env": [{"name": f"V{i}", "value": "x" * 100} for i in range(64)],
        },
    }
    point = {
        "weights": {named("c", i): "0.015625" for i in range(64)},
        "scores": {named("t", i, 128): "0.5000000000000000000000" for i in range(8)},
    }
    return {
        "spec.checkpoints": [
            {"name": named("c", i), "path": f"{i:03d}/".ljust(512, "p"), "volume": named("v", i % 8)} for i in range(64)
        ],
        "spec.storage.volumes": [
            {"name": named("v", i), "persistentVolumeClaim": {"claimName": "c" * 253}} for i in range(8)
        ],
        "spec.merge.tokenizerFrom": named("c", 63),
        "spec.objective.tasks": [
            {"name": named("t", i, 128), "metric": "m" * 253, "filter": "f" * 253} for i in range(8)
        ],
        "spec.heldOut.tasks": [{"name": named("h", i, 128), "metric": "m" * 253} for i in range(8)],
        "spec.search": {"maxEvaluations": 256, "initial": [point] * 64},
        "spec.merger": stage,
        "spec.evaluator": stage
        | {
            "engineArgs": {named("e", i, 253): "x" * 1024 for i in range(64)},
            "taskFolders": [{"volume": named("v", i), "path": named("p", i, 512)} for i in range(8)],
        },
    }


def test_the_largest_manifest_is_checked_in_time_when_it_is_created_and_when_it_is_changed(searches: Searches) -> None:
    created = searches.create(manifest("minimal", largest(), name="largest"), keep=True)
    assert created.accepted, created.message

    allowed = searches.replace(edited(created.document, {"spec.suspend": True}))
    forbidden = searches.replace(edited(created.document, {"spec.checkpoints[63].path": "other"}))

    assert allowed.accepted, allowed.message
    assert "spec.checkpoints cannot change" in forbidden.message
    assert "cost" not in forbidden.message
