"""From text to the resource: what is read, what is refused, and where problems are said to be."""

import pytest

from mergesearch.api import checks, manifest, shapes, structure
from mergesearch.api.base import API_VERSION
from mergesearch.api.problem import ANY, render
from mergesearch.api.spec import Cmaes
from unit.api import good
from unit.api.bad_manifests import BAD_MANIFESTS

FULL = good.values(good.FULL)


def test_the_good_manifests_are_read_without_problems_or_advice() -> None:
    for text in (good.MINIMAL, good.FULL):
        examined = manifest.examine(text)

        assert examined.problems == ()
        assert examined.advice == ()
        assert examined.resource is not None
        assert examined.resource.api_version == API_VERSION


def test_the_full_manifest_has_every_field_but_those_that_exclude_others() -> None:
    written = {render([step if isinstance(step, str) else ANY for step in path]) for path in good.paths(FULL)}
    fields = {place for places in shapes.elsewhere().values() for place in places}

    assert {field for field in fields - written if not field.startswith("spec.evaluator.template")} == {
        "spec.heldOut.tasks[*].preset",
        "spec.objective.preset",
        "spec.objective.tasks[*].preset",
        "spec.search.algorithm.preset",
        "spec.search.algorithm.random",
        "spec.search.algorithm.random.populationSize",
        "spec.storage.workspace.persistentVolumeClaim",
        "spec.storage.workspace.persistentVolumeClaim.claimName",
    }


def test_what_is_left_out_takes_its_default() -> None:
    resource = manifest.load(good.MINIMAL, "minimal.yaml")

    assert resource.metadata.namespace == "default"
    assert resource.spec.search.algorithm.cmaes == Cmaes()
    assert resource.spec.search.max_evaluations == 50
    assert [checkpoint.volume for checkpoint in resource.spec.checkpoints] == ["checkpoints", "checkpoints"]
    assert resource.status is None


def test_json_is_read_as_well() -> None:
    assert manifest.load(good.text_of(good.values(good.FULL)), "full.json") == manifest.load(good.FULL, "full.yaml")


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    windows = "\ufeff" + good.FULL.replace("\n", "\r\n")

    assert manifest.load(windows, "full.yaml") == manifest.load(good.FULL, "full.yaml")


def test_empty_documents_around_the_manifest_do_not_matter() -> None:
    assert manifest.problems("---\n# first\n---\n" + good.MINIMAL + "---\n# last\n") == []


def test_anchors_and_merge_keys_are_written_out() -> None:
    text = good.MINIMAL.replace(
        "persistentVolumeClaim: {claimName: checkpoints}", "persistentVolumeClaim: &claim {claimName: shared}"
    ).replace("persistentVolumeClaim: {claimName: merges}", "persistentVolumeClaim: {<<: *claim}")

    storage = manifest.load(text, "minimal.yaml").spec.storage

    assert storage.workspace.persistent_volume_claim == storage.checkpoints.persistent_volume_claim


def test_a_problem_in_an_anchor_is_told_at_each_of_its_uses() -> None:
    text = good.MINIMAL.replace(
        "persistentVolumeClaim: {claimName: checkpoints}", "persistentVolumeClaim: &claim {claimName: 5}"
    ).replace("persistentVolumeClaim: {claimName: merges}", "persistentVolumeClaim: *claim")

    assert [problem.path for problem in manifest.problems(text)] == [
        "spec.storage.checkpoints.persistentVolumeClaim.claimName",
        "spec.storage.workspace.persistentVolumeClaim.claimName",
    ]


def test_metadata_may_have_all_other_fields_of_kubernetes() -> None:
    extra = "  name: minimal\n  creationTimestamp: null\n  resourceVersion: '12'\n  finalizers: [example.com/keep]\n"
    extra += "  labels: {team: nlp}\n  managedFields: [{manager: kubectl}]\n  uid: 0f1e\n  generation: 3\n"

    metadata = manifest.load(good.MINIMAL.replace("  name: minimal\n", extra), "minimal.yaml").metadata

    assert (metadata.name, metadata.uid, metadata.generation) == ("minimal", "0f1e", 3)


def test_a_status_is_not_read_and_advice_says_so() -> None:
    examined = manifest.examine(good.MINIMAL + "status: {phase: Complete, nonsense: 1}\n")

    assert examined.problems == ()
    assert examined.resource is not None
    assert examined.resource.status is None
    assert [tip.path for tip in examined.advice] == ["status"]


def test_a_problem_stands_at_the_line_of_its_key() -> None:
    text = good.FULL.replace("parallelism: 4", "parallelism:\n      0")
    line = text.splitlines().index("    parallelism:") + 1

    assert [problem.line for problem in manifest.problems(text)] == [line]


def test_a_missing_field_stands_at_the_line_of_its_parent() -> None:
    text = good.FULL.replace("        metric: exact_match\n", "")
    line = text.splitlines().index("      - name: gsm8k") + 1

    assert [(problem.path, problem.line) for problem in manifest.problems(text)] == [
        ("spec.objective.tasks[1].metric", line)
    ]


def test_a_broken_field_does_not_hide_what_does_not_fit_together_elsewhere() -> None:
    text = (
        good.FULL.replace("path: sft-03", "path: 7")
        .replace("tokenizerFrom: sft-03", "tokenizerFrom: sft-9")
        .replace("populationSize: 8", "populationSize: 100")
    )

    assert [problem.path for problem in manifest.problems(text)] == [
        "spec.checkpoints[0].path",
        "spec.merge.tokenizerFrom",
        "spec.search.algorithm.cmaes.populationSize",
    ]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("    - name: sft-03", "    - name: 3", "spec.checkpoints[0].name"),
        ("      - name: archive", "      - nam: archive", "spec.storage.volumes[0].nam"),
        ("      - name: ifeval", "      - name: [ifeval]", "spec.objective.tasks[0].name"),
        ("maxEvaluations: 64", "maxEvaluations: 9999", "spec.search.maxEvaluations"),
        ("aggregate: WeightedMean", "aggregate: weighted", "spec.objective.aggregate"),
        ("backend: hf", "backend: HF", "spec.evaluator.backend"),
        ("baselines: [Checkpoints,", "baselines: [Checkpoint,", "spec.search.baselines[0]"),
        ("stop: 600}", "stop: many}", "spec.objective.tasks[1].samples.search.stop"),
        ('dpo-12: "0.3"', "dpo-12: 0.3", "spec.search.initial[0].weights.dpo-12"),
    ],
    ids=["checkpoint", "volume", "task", "evaluations", "aggregate", "backend", "baseline", "range", "weights"],
)
def test_what_follows_from_a_broken_field_is_not_told_beside_it(old: str, new: str, path: str) -> None:
    assert good.FULL.count(old) == 1

    assert [problem.path for problem in manifest.problems(good.FULL.replace(old, new))] == [path]


def test_too_many_checkpoints_hide_no_name_that_stands_among_them() -> None:
    names = "".join(f"    - {{name: c{number}, path: c{number}}}\n" for number in range(70))
    start, end = good.MINIMAL.index("    - {name: sft-a"), good.MINIMAL.index("  storage:")
    text = good.MINIMAL[:start] + names + "  merge: {tokenizerFrom: c69}\n" + good.MINIMAL[end:]

    assert [problem.path for problem in manifest.problems(text)] == ["spec.checkpoints"]


def test_a_problem_that_shows_only_behind_another_is_told_too() -> None:
    bad = "".join(f"    - {{name: C{number}, path: c{number}}}\n" for number in range(65))
    start, end = good.MINIMAL.index("    - {name: sft-a"), good.MINIMAL.index("  storage:")

    found = [problem.path for problem in manifest.problems(good.MINIMAL[:start] + bad + good.MINIMAL[end:])]

    assert found[0] == "spec.checkpoints"
    assert "spec.checkpoints[0].name" in found


def test_every_check_has_a_bad_manifest() -> None:
    readable = [case.text for case in BAD_MANIFESTS if all(path for path, _ in case.expected)]
    resources = [structure.examine(good.values(text), {}).resource for text in readable]

    silent = [check.__name__ for check in checks.CHECKS if not any(list(check(one)) for one in resources if one)]

    assert silent == []


def test_a_report_counts_its_problems() -> None:
    found = manifest.problems(good.MINIMAL.replace("name: sft-b", "name: sft-a"))

    assert manifest.report(found, "x.yaml").splitlines()[0] == "x.yaml: 1 problem"
    assert manifest.report([], "x.yaml") == "x.yaml: 0 problems"
