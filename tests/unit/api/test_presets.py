"""What presets fill in, what wins over them, and that they mean what they always did."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest

from mergesearch.api import manifest, presets
from mergesearch.api.spec import HeldOutTask, Objective, ObjectiveTask
from unit.api import good

RELEASED = Path(__file__).resolve().parents[2] / "data" / "presets"
ALONE = "    tasks:\n      - {name: gsm8k, metric: exact_match, filter: strict-match}\n"


def test_the_words_of_the_schema_are_those_of_the_tables() -> None:
    assert get_args(presets.TaskPreset) == tuple(presets.TASKS)
    assert get_args(presets.ObjectivePreset) == tuple(presets.OBJECTIVES)


@pytest.mark.parametrize("release", sorted(RELEASED.glob("*.json")), ids=lambda path: path.stem)
def test_a_preset_means_what_it_meant_in_every_release(release: Path) -> None:
    """Otherwise a search would go on with other scores than it began with, once the operator is upgraded."""
    known = json.loads(release.read_text(encoding="utf-8"))
    tasks = {name: dataclasses.asdict(preset) for name, preset in presets.TASKS.items()}
    for task in tasks.values():
        del task["about"]

    assert {name: tasks.get(name) for name in known["tasks"]} == known["tasks"]
    assert {name: list(presets.OBJECTIVES.get(name, ())) for name in known["objectives"]} == known["objectives"]


def test_a_release_is_on_record() -> None:
    assert list(RELEASED.glob("*.json"))


@pytest.mark.parametrize("name", presets.TASKS)
def test_a_preset_alone_makes_a_whole_task(name: presets.TaskPreset) -> None:
    preset = presets.TASKS[name]

    task = ObjectiveTask.model_validate({"preset": name})

    assert task.preset is None
    for field in ("name", "metric", "filter", "num_fewshot", "chat_template", "search_samples", "unseen_samples"):
        assert getattr(task, field) == getattr(preset, field)
    assert task.weight == "1"


OVERRIDES: tuple[tuple[str, str, Any], ...] = (
    ("name", "name", "mine"),
    ("metric", "metric", "acc"),
    ("filter", "filter", "strict-match"),
    ("numFewshot", "num_fewshot", 0),
    ("num_fewshot", "num_fewshot", 0),
    ("chatTemplate", "chat_template", False),
    ("searchSamples", "search_samples", 7),
    ("unseenSamples", "unseen_samples", 9),
    ("weight", "weight", "2"),
)


@pytest.mark.parametrize(("written", "field", "value"), OVERRIDES, ids=[written for written, _, _ in OVERRIDES])
def test_what_is_written_wins_over_the_preset(written: str, field: str, value: Any) -> None:
    plain = ObjectiveTask.model_validate({"preset": "MMLU-Pro"})

    task = ObjectiveTask.model_validate({"preset": "MMLU-Pro", written: value})

    assert task == plain.model_copy(update={field: value})


def test_ranges_take_the_place_of_numbers_of_samples() -> None:
    ranges = {"search": {"start": 0, "stop": 5}, "unseen": {"start": 5, "stop": 9}}

    task = ObjectiveTask.model_validate({"preset": "MMLU-Pro", "samples": ranges})

    assert (task.search_samples, task.unseen_samples) == (None, None)


def test_a_held_out_preset_has_the_samples_of_both_splits_or_all() -> None:
    assert HeldOutTask.model_validate({"preset": "MMLU-Pro"}).unseen_samples == 2000
    assert HeldOutTask.model_validate({"preset": "GSM8K"}).unseen_samples is None


@pytest.mark.parametrize("name", presets.OBJECTIVES)
def test_a_preset_of_an_objective_stands_for_its_tasks_in_order(name: presets.ObjectivePreset) -> None:
    objective = Objective.model_validate({"preset": name, "goal": "0.5"})

    assert [task.name for task in objective.tasks] == [presets.TASKS[one].name for one in presets.OBJECTIVES[name]]
    assert objective == Objective.model_validate(
        {"tasks": [{"preset": one} for one in presets.OBJECTIVES[name]], "goal": "0.5"}
    )


@pytest.mark.parametrize(
    "tasks",
    [
        pytest.param("    preset: MBPP-IFEval-GSM8K\n  evaluator: {allowCodeExecution: true}\n", id="of-all"),
        # A value that is the default of its field, and not what the preset says.
        pytest.param(
            "    tasks: [{preset: GSM8K, name: mine, filter: none, chatTemplate: false}]\n", id="with-overrides"
        ),
    ],
)
def test_what_a_preset_has_filled_in_reads_back_as_it_was_written(tasks: str) -> None:
    text = good.MINIMAL.replace(ALONE, tasks)
    assert text != good.MINIMAL

    resource = manifest.load(text, "minimal.yaml")

    assert manifest.load(manifest.dump(resource), "dumped") == resource
    assert type(resource).model_validate_json(resource.to_stored()) == resource
    assert type(resource).model_validate(resource.to_document()) == resource


@pytest.mark.parametrize("name", presets.TASKS)
def test_a_preset_is_allowed_by_what_is_known_of_its_task(name: str) -> None:
    tasks = f"    tasks: [{{preset: {name}}}]\n  evaluator: {{allowCodeExecution: true}}\n"

    examined = manifest.examine(good.MINIMAL.replace(ALONE, tasks))

    assert (examined.problems, examined.advice) == ((), ())


TOO_MANY = "searchSamples: 5000, metric: accuracy, filter: strict}"


def test_a_task_of_ones_own_in_the_place_of_a_presets_has_samples_and_scores_that_nobody_knows() -> None:
    tasks = f"    tasks: [{{preset: GSM8K, name: my_gsm8k, {TOO_MANY}]\n"

    examined = manifest.examine(good.MINIMAL.replace(ALONE, tasks))

    assert (examined.problems, examined.advice) == ((), ())


OWN = {
    "folders": "{taskFolders: [{path: tasks}]}",
    "image": "{image: registry.example.com/evaluator}",
}


@pytest.mark.parametrize("evaluator", OWN.values(), ids=OWN)
def test_where_a_name_may_mean_a_task_of_ones_own_what_is_known_is_advice(evaluator: str) -> None:
    tasks = f"    tasks: [{{preset: GSM8K, {TOO_MANY}]\n  evaluator: {evaluator}\n"

    examined = manifest.examine(good.MINIMAL.replace(ALONE, tasks))

    assert examined.problems == ()
    assert [tip.path.removeprefix("spec.objective.tasks[0].") for tip in examined.advice] == [
        "searchSamples",
        "metric",
        "filter",
    ]


MISSPELT = {"gsm-8k": "GSM8K", "mbpp": "MBPP", "IF-Eval": "IFEval", "MMLUPro": "MMLU-Pro", "musr": "MuSR", "Arc": ""}


@pytest.mark.parametrize(("written", "meant"), MISSPELT.items(), ids=MISSPELT)
def test_a_misspelt_preset_is_told_once_with_all_that_there_are(written: str, meant: str) -> None:
    (told,) = manifest.problems(
        good.MINIMAL.replace(ALONE, f"    tasks: [{{preset: {written}, searchSamples: 5000}}]\n")
    )

    assert (told.path, told.nearest) == ("spec.objective.tasks[0].preset", meant)
    assert told.allowed == "MBPP, GSM8K, IFEval, MMLU-Pro or MuSR"


def test_fields_of_a_preset_must_be_spelt_as_in_a_manifest() -> None:
    told = manifest.problems(good.MINIMAL.replace(ALONE, "    tasks: [{preset: GSM8K, num_fewshot: 3}]\n"))

    assert [problem.path for problem in told] == ["spec.objective.tasks[0].num_fewshot"]
