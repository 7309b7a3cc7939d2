"""Every preset of tasks, scored by lm-eval's own code on small data of the same form, with answers that are known."""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from evaluator_support import benchmarks, models, process, tasks
from evaluator_support.benchmarks import Benchmark
from mergesearch import contract, files
from mergesearch.api import presets
from mergesearch.api.spec import HeldOutTask, MergeSearchSpec, ObjectiveTask
from mergesearch.api.status import LeafStatus, MergeSearchStatus, PreflightStatus, TaskStatus
from mergesearch.lifecycle import samples as splits
from mergesearch_evaluator import samples
from mergesearch_evaluator.tasks import BUILT_IN

ENGINE = tasks.engine(
    engine_args={"max_length": 100_000},
    include_paths=(contract.VolumePath(volume="tasks", path="benchmarks"),),
    allow_code_execution=True,
)


TASKS: dict[str, dict[str, object]] = {
    **{name: {"preset": name} for name in presets.TASKS},
    "MBPP without chat": {"preset": "MBPP", "name": "mergesearch_mbpp", "filter": "none", "chatTemplate": False},
}
DATA_SETS = {
    "MBPP": "google-research-datasets/mbpp",
    "GSM8K": "openai/gsm8k",
    "IFEval": "google/IFEval",
    "MMLU-Pro": "TIGER-Lab/MMLU-Pro",
    "MuSR": "TAUR-Lab/MuSR",
}


@dataclass(frozen=True)
class Bench:
    """An evaluator whose model gives the answers of the benchmarks."""

    evaluator: process.ResidentProcess
    benchmarks: dict[str, Benchmark]
    workspace: Path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("presets")
    models.write_model(root / "checkpoints" / "one", seed=1, template=models.TEMPLATE)
    (own,) = BUILT_IN.rglob("mergesearch_mbpp.yaml")
    for_chat = own.with_name(f"{presets.TASKS['MBPP'].name}.yaml")
    found = benchmarks.write(root / "tasks" / "benchmarks", mbpp=own, mbpp_for_chat=for_chat)
    answers = {marker: text for one in found.values() for marker, text in one.answers().items()}
    (root / "answers.json").write_text(json.dumps(answers))
    for name in ("workspace", "home"):
        (root / name).mkdir()
    volumes = {name: root / name for name in ("checkpoints", "tasks", "workspace")}
    program = Path(benchmarks.__file__).with_name("scripted_engine.py")
    command = ("env", f"SCRIPTED_ANSWERS={root / 'answers.json'}", sys.executable, str(program))
    running = process.ResidentProcess(volumes, root / "home", command)
    yield Bench(running, found, volumes["workspace"])
    assert running.end() == 0


def question(task: HeldOutTask) -> contract.TaskQuestion:
    known = task.model_dump(include=set(contract.TaskQuestion.model_fields))
    return contract.TaskQuestion(**known)


def known_to(report: contract.PreflightTasksReport) -> MergeSearchStatus:
    found = tuple(
        TaskStatus(name=task.name, leaves=tuple(LeafStatus(**leaf.model_dump()) for leaf in task.leaves))
        for task in report.tasks
    )
    return MergeSearchStatus(preflight=PreflightStatus(tasks=found))


def spec(task: dict[str, object], held_out: dict[str, object] | None = None) -> MergeSearchSpec:
    claim = {"persistentVolumeClaim": {"claimName": "claim"}}
    return MergeSearchSpec.model_validate(
        {
            "checkpoints": [{"name": name, "path": name} for name in ("a", "b")],
            "storage": {"checkpoints": claim, "workspace": claim},
            "objective": {"tasks": [task]},
            "heldOut": {"tasks": [held_out] if held_out else []},
        }
    )


@pytest.mark.parametrize("name", TASKS)
def test_lm_eval_knows_the_task_the_metric_and_the_filter_of_a_preset(bench: Bench, name: str) -> None:
    task = ObjectiveTask.model_validate(TASKS[name])

    answered = bench.evaluator.ask(tasks.preflight(question(task), engine=ENGINE))

    (report,) = answered.reports
    assert isinstance(report, contract.PreflightTasksReport)
    assert report.failure is None
    (found,) = report.tasks
    sizes = {leaf: len(asked) for leaf, asked in bench.benchmarks[name].leaves.items()}
    assert {leaf.name: leaf.total for leaf in found.leaves} == sizes
    # The shots are those that the task was made with, so nothing of it is replaced.
    assert not [warning for warning in report.warnings if "numFewshot" in warning]
    # IFEval alone asks NLTK, and there is no data of NLTK's own here.
    split = [warning for warning in report.warnings if "splits sentences by a list of abbreviations" in warning]
    assert [warning.partition(":")[0] for warning in split] == (["ifeval"] if name == "IFEval" else [])


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_preset_whose_data_set_cannot_be_had_is_refused_before_anything_is_scored(bench: Bench, name: str) -> None:
    task = ObjectiveTask.model_validate(TASKS[name])
    bare = ENGINE.model_copy(update={"include_paths": ()})

    (report,) = bench.evaluator.ask(tasks.preflight(question(task), engine=bare)).reports

    assert isinstance(report, contract.PreflightTasksReport)
    assert report.failure is not None
    assert (report.failure.reason, report.failure.transient) == ("DataSetUnreachable", False)
    assert DATA_SETS[name] in report.failure.message
    for way in ("network", "HF_TOKEN", "HF_HOME"):
        assert way in report.failure.message


@pytest.mark.parametrize("name", TASKS)
def test_right_and_wrong_answers_are_told_apart_on_the_samples_of_each_split(bench: Bench, name: str) -> None:
    known = bench.benchmarks[name]
    total = sum(map(len, known.leaves.values()))
    fewer = {"searchSamples": total - total // 3, "unseenSamples": total // 3}
    wanted = spec(TASKS[name] | fewer)
    (preflight,) = bench.evaluator.ask(tasks.preflight(question(wanted.objective.tasks[0]), engine=ENGINE)).reports
    assert isinstance(preflight, contract.PreflightTasksReport)
    status = known_to(preflight)

    seen: list[tuple[str, int]] = []
    for split in ("search", "unseen"):
        (task,) = splits.tasks_of(wanted, status, split)
        uid = f"{name.lower().replace(' ', '-')}-{split}"
        request = tasks.evaluation(
            ["one"], [task], engine=ENGINE, search=contract.SearchRef(name="soup", uid=uid), split=split
        )
        answered = bench.evaluator.ask(request)
        report = answered.evaluations["one"]
        assert report.failure is None
        scored = samples.read(bench.workspace / files.samples_file(uid, split, "one", task.name))
        told = {(sample.leaf, sample.index): sample.value for sample in scored}
        assert told == {(leaf, index): float(known.right(leaf, index)) for leaf, index in told}
        (score,) = report.scores
        assert score.samples == len(told)
        assert score.score == pytest.approx(math.fsum(told.values()) / len(told), abs=1e-12)
        seen += told
    assert sorted(seen) == sorted((leaf, index) for leaf, asked in known.leaves.items() for index in range(len(asked)))
    assert 0 < sum(known.right(leaf, index) for leaf, index in seen) < total


def test_two_thousand_questions_of_mmlu_pro_come_from_all_subjects_in_proportion() -> None:
    sizes = {"biology": 717, "business": 789, "chemistry": 1132, "computer_science": 410, "economics": 844}
    sizes |= {"engineering": 969, "health": 818, "history": 381, "law": 1101, "math": 1351, "other": 924}
    sizes |= {"philosophy": 499, "physics": 1299, "psychology": 798}
    leaves = tuple(LeafStatus(name=f"mmlu_pro_{name}", total=size, documents="0" * 16) for name, size in sizes.items())
    assert sum(sizes.values()) == 12032
    status = MergeSearchStatus(preflight=PreflightStatus(tasks=(TaskStatus(name="mmlu_pro", leaves=leaves),)))
    wanted = spec({"preset": "MMLU-Pro"})

    (search,) = splits.tasks_of(wanted, status, "search")
    (unseen,) = splits.tasks_of(wanted, status, "unseen")

    for task in (search, unseen):
        assert sum(one.stop - one.start for one in task.samples) == 1000
        for one in task.samples:
            assert abs((one.stop - one.start) - 1000 * one.total / 12032) <= 1
    for one, other in zip(search.samples, unseen.samples, strict=True):
        assert not set(one.indices()) & set(other.indices())
    assert splits.unseen_counts(wanted, status.preflight.tasks) == [1000]


def test_a_held_out_preset_is_scored_on_as_many_samples_as_both_splits_have() -> None:
    held_out = HeldOutTask.model_validate({"preset": "MMLU-Pro"})
    assert held_out.unseen_samples == 2000
    assert HeldOutTask.model_validate({"preset": "GSM8K"}).unseen_samples is None
