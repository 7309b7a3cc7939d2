"""What is wrong with tasks, engine arguments and checkpoints, and what the user reads before an engine is started."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluator_support import models, overwriting, process, tasks
from evaluator_support.bad_tasks import CASES, Case, generate, yaml
from mergesearch import contract, files, fingerprint
from mergesearch_evaluator import folders

Volumes = dict[str, Path]


def settings(case: Case, volumes: Volumes) -> dict[str, Any]:
    """The engine and the tokenizer of a case, with its own task folder beside the shared one."""
    folder = volumes["tasks"] / "bad" / case.id
    if not folder.exists():
        folder.mkdir(parents=True)
        if case.make is not None:
            case.make(folder)
    includes = ("shared", case.asked.get("include", f"bad/{case.id}"))
    return {
        "engine": contract.Engine(
            backend=case.asked.get("backend", "hf"),
            engine_args=case.asked.get("engine_args", {}),
            max_gen_toks=case.asked.get("max_gen_toks"),
            include_paths=tuple(contract.VolumePath(volume="tasks", path=path) for path in includes),
            allow_code_execution=case.asked.get("allow_code_execution", False),
        )
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_preflight_says_what_is_wrong(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, case: Case
) -> None:
    request = tasks.preflight(
        *case.asked["tasks"],
        search=contract.SearchRef(name="soup", uid=search),
        tokenizer=contract.VolumePath(volume="checkpoints", path=case.asked.get("tokenizer", "one")),
        **settings(case, volumes),
    )
    done = evaluator.ask(request)
    assert done.exit.code == 0, done.exit.message
    (report,) = done.reports
    assert isinstance(report, contract.PreflightTasksReport)
    assert report.request_hash == request.hash()
    assert report.failure is not None
    assert not report.failure.transient
    assert report.failure.reason == case.reason, report.failure.message
    for words in case.words:
        assert words in report.failure.message
    assert not (volumes["workspace"] / search).exists()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_evaluation_refuses_the_same_before_it_starts_an_engine(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, case: Case
) -> None:
    wanted = tuple(
        contract.Task(**found.model_dump(), samples=(contract.SampleSelection(leaf=found.name, total=4, stop=4),))
        for found in case.asked["tasks"]
    )
    request = tasks.evaluation(
        [case.asked.get("tokenizer", "one")],
        wanted,
        search=contract.SearchRef(name="soup", uid=search),
        **settings(case, volumes),
    )
    done = evaluator.ask(request)
    assert (done.exit.code, done.exit.reason) == (64, case.reason), done.exit.message
    for words in case.words:
        assert words in done.exit.message
    assert done.reports == []
    assert done.engine_starts == 0
    assert not (volumes["workspace"] / search).exists()


def test_all_problems_are_said_at_once(evaluator: process.ResidentProcess, search: str) -> None:
    request = tasks.preflight(
        tasks.question("leters"),
        tasks.question("letters", filter="strict", num_fewshot=9),
        tasks.question("choices", "brier_score", chat_template=True),
        engine=tasks.engine(engine_args={"max_lenght": 3, "seed": 4}),
    )
    (report,) = evaluator.ask(request).reports
    assert isinstance(report, contract.PreflightTasksReport)
    assert report.failure is not None
    assert [task.name for task in report.tasks] == ["letters", "choices"], "so that their samples are judged as well"
    lines = report.failure.message.splitlines()
    assert lines[0] == "8 problems:"
    assert len(lines) == 9
    assert {line[:2] for line in lines[1:]} == {"- "}


# --- What has changed since the preflight ---


def facts(evaluator: process.ResidentProcess, engine: contract.Engine, *names: str) -> list[contract.Task]:
    """Tasks as the preflight saw them."""
    questions = [tasks.question(name, filter="none") for name in names]
    (report,) = evaluator.ask(tasks.preflight(*questions, engine=engine)).reports
    assert isinstance(report, contract.PreflightTasksReport)
    assert report.failure is None, report.failure
    found = []
    for asked, known in zip(questions, report.tasks, strict=True):
        selections = [
            contract.SampleSelection(leaf=leaf.name, total=leaf.total, stop=leaf.total, documents=leaf.documents)
            for leaf in known.leaves
        ]
        found.append(contract.Task(**asked.model_dump(), samples=tuple(selections)))
    return found


def edit_documents(folder: Path) -> None:
    tasks.write_documents(folder / "mine.jsonl", tasks.documents(4, start=9))


def add_a_document(folder: Path) -> None:
    tasks.write_documents(folder / "mine.jsonl", tasks.documents(5))


def edit_the_prompt(folder: Path) -> None:
    path = folder / "mine.yaml"
    path.write_text(path.read_text().replace("{{prompt}}", "{{prompt}} "))


def edit_the_scoring(folder: Path) -> None:
    path = folder / "helper.py"
    path.write_text(path.read_text() + "\n# another thought\n")


def rename_the_leaf(folder: Path) -> None:
    (folder / "ours.yaml").write_text("group: ours\ntask: [yours]\n")
    (folder / "yours.yaml").write_text((folder / "mine.yaml").read_text().replace("task: mine", "task: yours"))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(edit_documents, "mine: its documents or its configuration were edited", id="documents"),
        pytest.param(add_a_document, "mine: has 5 documents now; the search began with 4", id="number-of-documents"),
        pytest.param(edit_the_prompt, "mine: its documents or its configuration were edited", id="prompt"),
        pytest.param(edit_the_scoring, "mine: its documents or its configuration were edited", id="scoring-code"),
        pytest.param(rename_the_leaf, "ours: has no leaf task mine any more; there are yours", id="leaves"),
    ],
)
def test_tasks_that_were_edited_in_mid_search_are_noticed(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, edit: Callable[[Path], None], words: str
) -> None:
    folder = volumes["tasks"] / search
    folder.mkdir()
    (folder / "helper.py").write_text("def same(documents):\n    return documents\n")
    yaml("mine", generate("mine") + "process_docs: !function helper.same\n")(folder)
    (folder / "ours.yaml").write_text("group: ours\ntask: [mine]\n")
    engine = tasks.engine(include_paths=(contract.VolumePath(volume="tasks", path=search),))
    reference = contract.SearchRef(name="soup", uid=search)
    before = facts(evaluator, engine, "ours")
    assert facts(evaluator, engine, "ours") == before
    edit(folder)
    done = evaluator.ask(tasks.evaluation(["one"], before, search=reference, engine=engine))
    assert (done.exit.code, done.exit.reason) == (64, "TasksChanged"), done.exit.message
    assert words in done.exit.message
    assert done.engine_starts == 0


def test_tasks_that_a_resident_process_holds_already_stay_what_they_were(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    folder = volumes["tasks"] / search
    folder.mkdir()
    yaml("mine", generate("mine"))(folder)
    engine = tasks.engine(include_paths=(contract.VolumePath(volume="tasks", path=search),))
    reference = contract.SearchRef(name="soup", uid=search)
    before = facts(evaluator, engine, "mine")
    first = evaluator.ask(tasks.evaluation(["one"], before, search=reference, engine=engine))
    edit_documents(folder)
    again = evaluator.ask(tasks.evaluation(["one"], before, search=reference, engine=engine, split="again"))
    assert again.evaluations["one"].scores == first.evaluations["one"].scores
    after = facts(evaluator, engine, "mine")
    assert after != before
    assert evaluator.ask(tasks.evaluation(["two"], after, search=reference, engine=engine)).exit.code == 0


@pytest.mark.parametrize(
    ("raised", "passes"),
    [
        ('ConnectionError("reset by peer")', True),
        ('ConnectionError("reset by peer (OfflineModeIsEnabled)")', False),
        ('FileNotFoundError("reset by peer: it is a gated dataset on the Hub")', False),
        ('ValueError("reset by peer: Couldn\'t find cache for it")', False),
    ],
    ids=["no network just now", "no network allowed", "no token", "not in the cache"],
)
def test_a_data_set_that_cannot_be_fetched_is_told_as_that_and_tried_again_where_that_may_pass(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, raised: str, passes: bool
) -> None:
    folder = volumes["tasks"] / search
    folder.mkdir()
    (folder / "hub.py").write_text(f"def load(**_):\n    raise {raised}\n")
    text = generate("remote").replace("dataset_path: json\n", "custom_dataset: !function hub.load\n")
    yaml("remote", text, None)(folder)
    engine = tasks.engine(include_paths=(contract.VolumePath(volume="tasks", path=search),))
    (report,) = evaluator.ask(tasks.preflight(tasks.question("remote", filter="none"), engine=engine)).reports
    assert isinstance(report, contract.PreflightTasksReport)
    assert report.failure is not None
    assert (report.failure.reason, report.failure.transient) == ("DataSetUnreachable", passes)
    task = tasks.task("remote", sizes={"remote": 4}, filter="none")
    reference = contract.SearchRef(name="soup", uid=search)
    done = evaluator.ask(tasks.evaluation(["one"], [task], search=reference, engine=engine))
    assert (done.exit.code, done.exit.reason) == (75 if passes else 64, "DataSetUnreachable"), done.exit.message
    assert "reset by peer" in done.exit.message


# --- Checkpoints ---


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def shorten(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lose_a_tensor(folder: Path) -> None:
    found = models.tensors(5)
    del found["model.norm.weight"]
    models.write_weights(folder, found)


def misshape_a_tensor(folder: Path) -> None:
    found = models.tensors(5)
    found["model.norm.weight"] = found["model.norm.weight"][:-1]
    models.write_weights(folder, found)


def garble(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text("{")

    return write


def rename_architecture(folder: Path) -> None:
    models.write_json(folder / "config.json", models.config() | {"model_type": "unheard-of"})


CHECKPOINTS = [
    pytest.param(without("config.json"), "config.json: is missing", id="config-missing"),
    pytest.param(garble("config.json"), "config.json: cannot be read", id="config-garbled"),
    pytest.param(without("model.safetensors"), "holds no .safetensors file", id="weights-missing"),
    pytest.param(pickle_only, "pytorch_model.bin: pickled weights are never loaded", id="pickled-weights"),
    pytest.param(shorten, "its header promises", id="weights-truncated"),
    pytest.param(without("tokenizer.json"), "its tokenizer cannot be loaded", id="tokenizer-missing"),
    pytest.param(garble("tokenizer.json"), "its tokenizer cannot be loaded", id="tokenizer-garbled"),
]
TENSORS = [
    pytest.param(lose_a_tensor, "missing model.norm.weight", "CheckpointUnreadable", id="tensor-missing"),
    pytest.param(misshape_a_tensor, "model.norm.weight", "CheckpointUnreadable", id="tensor-of-another-shape"),
    pytest.param(rename_architecture, "unheard-of", "EngineRefused", id="architecture-unknown"),
]


@pytest.mark.parametrize(("break_it", "words"), CHECKPOINTS)
def test_a_checkpoint_that_cannot_be_scored_is_refused_before_an_engine_is_started(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, break_it: Callable[[Path], None], words: str
) -> None:
    break_it(models.write_model(volumes["checkpoints"] / search, 5))
    done = evaluator.ask(
        tasks.evaluation(
            [tasks.candidate(search, id="bad"), "one"],
            [tasks.task("letters")],
            search=contract.SearchRef(name="soup", uid=search),
        )
    )
    assert (done.exit.code, done.exit.reason) == (64, "CheckpointUnreadable"), done.exit.message
    assert words in done.exit.message
    assert done.reports == []
    assert done.engine_starts == 0


@pytest.mark.parametrize(("break_it", "words", "reason"), TENSORS)
def test_a_checkpoint_that_does_not_fill_its_model_is_refused_and_nothing_is_scored(
    evaluator: process.ResidentProcess,
    volumes: Volumes,
    search: str,
    break_it: Callable[[Path], None],
    words: str,
    reason: str,
) -> None:
    break_it(models.write_model(volumes["checkpoints"] / search, 5))
    reference = contract.SearchRef(name="soup", uid=search)
    request = tasks.evaluation([tasks.candidate(search, id="bad")], [tasks.task("letters")], search=reference)
    done = evaluator.ask(request)
    assert (done.exit.code, done.exit.reason) == (64, reason), done.exit.message
    assert words in done.exit.message
    assert done.reports == []
    assert not (volumes["workspace"] / files.evaluation_folder(search, "search", "bad")).exists()


def test_a_checkpoint_that_is_not_there_is_refused_with_every_other_problem(
    evaluator: process.ResidentProcess, search: str
) -> None:
    reference = contract.SearchRef(name="soup", uid=search)
    request = tasks.evaluation(["one", "nobody"], [tasks.task("letters", filter="third")], search=reference)
    done = evaluator.ask(request)
    assert (done.exit.code, done.exit.reason) == (64, "CheckpointMissing")
    assert "candidate nobody: " in done.exit.message
    assert "no filter 'third'" in done.exit.message


def checkpoint_as_it_is(folder: Path, name: str) -> contract.EvaluationCandidate:
    """The candidate with the fingerprint that the preflight finds."""
    return tasks.candidate(folder.name, id=name, fingerprint=fingerprint.of(folders.read(folder).print_files))


def test_a_checkpoint_that_was_overwritten_in_mid_search_is_refused_before_an_engine_is_started(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    folder = models.write_model(volumes["checkpoints"] / search, 5)
    candidates = [checkpoint_as_it_is(folder, "trained-on"), checkpoint_as_it_is(volumes["checkpoints"] / "one", "one")]
    models.write_weights(folder, models.tensors(6))
    reference = contract.SearchRef(name="soup", uid=search)

    done = evaluator.ask(tasks.evaluation(candidates, [tasks.task("letters")], search=reference))

    assert (done.exit.code, done.exit.reason) == (64, "CheckpointChanged"), done.exit.message
    assert f"candidate trained-on: {folder}: has changed since the preflight" in done.exit.message
    assert "written last: model.safetensors, " in done.exit.message
    assert "candidate one" not in done.exit.message
    assert (done.reports, done.engine_starts) == ([], 0)


def test_a_checkpoint_that_is_as_the_preflight_saw_it_is_scored(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    reference = contract.SearchRef(name="soup", uid=search)
    candidates = [checkpoint_as_it_is(volumes["checkpoints"] / "one", "one")]

    done = evaluator.ask(tasks.evaluation(candidates, [tasks.task("letters")], search=reference))

    assert done.exit.code == 0, done.exit.message
    assert done.evaluations["one"].failure is None


def test_a_checkpoint_that_is_written_while_it_is_loaded_is_not_scored(
    volumes: Volumes, home: Path, search: str
) -> None:
    folder = models.write_model(volumes["checkpoints"] / search, 5)
    request = tasks.evaluation(
        [checkpoint_as_it_is(folder, "torn")],
        [tasks.task("letters")],
        search=contract.SearchRef(name="soup", uid=search),
    )
    running = process.ResidentProcess(volumes, home, [sys.executable, overwriting.__file__])

    done = running.ask(request)

    assert (done.exit.code, done.exit.reason) == (64, "CheckpointChanged"), done.exit.message
    assert (done.reports, done.engine_starts) == ([], 1)
    assert running.end() == 0


def test_a_metric_that_only_the_run_can_disprove_is_named_with_those_that_exist(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    folder = volumes["tasks"] / search
    folder.mkdir()
    (folder / "scoring.py").write_text('def process(document, results):\n    return {"found": 1.0}\n')
    yaml("open", generate("open") + "process_results: !function scoring.process\n")(folder)
    engine = tasks.engine(include_paths=(contract.VolumePath(volume="tasks", path=search),))
    asked = tasks.question("open", "sought")
    (report,) = evaluator.ask(tasks.preflight(asked, engine=engine)).reports
    assert isinstance(report, contract.PreflightTasksReport)
    assert report.failure is None
    assert "open: code of the task computes its metrics; sought is known to exist once it ran" in report.warnings
    task = tasks.task("open", "sought", sizes={"open": 4})
    reference = contract.SearchRef(name="soup", uid=search)
    done = evaluator.ask(tasks.evaluation(["one"], [task], search=reference, engine=engine))
    assert (done.exit.code, done.exit.reason) == (64, "MetricMissing")
    assert "has no metric 'sought'; there are found,none (metric,filter)" in done.exit.message


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param({"kind": "evaluate"}, "split: this is missing", id="incomplete"),
        pytest.param({"kind": "bake"}, "bake", id="unknown-kind"),
        pytest.param(
            {
                "kind": "cleanup",
                "version": 1,
                "search": {"name": "soup", "uid": "u"},
                "prune": [],
            },
            "mergesearch-evaluator does not answer 'cleanup' requests",
            id="request-for-the-merger",
        ),
    ],
)
def test_a_request_that_is_none_of_its_own_is_refused(
    evaluator: process.ResidentProcess, document: dict[str, Any], words: str
) -> None:
    done = evaluator.ask(json.dumps(document))
    assert (done.exit.code, done.exit.reason) == (64, "MalformedRequest")
    assert words in done.exit.message
