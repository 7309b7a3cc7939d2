"""Tasks whose answers are programs, from a request to its scores: real processes, lm-eval's own code, known answers."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lm_eval.tasks
import pytest
from lm_eval.tasks._yaml_loader import load_yaml

from evaluator_support import benchmarks, container, models, process, tasks
from mergesearch import contract, files
from mergesearch.reasons import Reason
from mergesearch.worker import SANDBOX_VARIABLE
from mergesearch_evaluator import coding, samples
from mergesearch_evaluator.builtin_tasks.mergesearch_mbpp import programs
from mergesearch_evaluator.tasks import BUILT_IN

LM_EVAL = Path(lm_eval.tasks.__path__[0])
OWN = BUILT_IN / "mergesearch_mbpp"
ENGINE = tasks.engine(
    engine_args={"max_length": 100_000},
    include_paths=(contract.VolumePath(volume="tasks", path="code"),),
    allow_code_execution=True,
)
TESTS = ["assert double(3) == 6", "assert double(0) == 0", "assert double('a') == 'aa'"]
SAID = {
    "right": ("def double(n):\n    return 2 * n\n", True),
    "right-and-loud": ("def double(n):\n    print('x' * 100)\n    return n + n\n", True),
    "wrong": ("def double(n):\n    return n ** 2\n", False),
    "no-program": ("I would rather not.", False),
    "loops": ("def double(n):\n    while True: pass\n", False),
    "leaves": ("def double(n):\n    import os\n    os._exit(0)\n", False),
    "leaves-before": ("raise SystemExit(0)\n", False),
    "forks": ("import os\nos.fork()\ndef double(n):\n    return 2 * n\n", False),
    "fills-memory": ("found = bytearray(1 << 40)\ndef double(n):\n    return 2 * n\n", False),
    "cheats-by-the-report": (
        "import pathlib\nfound = [path for top in {volumes!r} for path in pathlib.Path(top).rglob('*')]\n"
        "def double(n):\n    return 2 * n if found else None\n",
        False,
    ),
}
"""What the model answers, and whether it is right."""

Start = Callable[..., process.ResidentProcess]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Volumes with one checkpoint, a task folder with MBPP's form and the answers of the model."""
    root = tmp_path_factory.mktemp("code")
    models.write_model(root / "checkpoints" / "one", seed=1)
    for name in ("workspace", "home", "tasks/code"):
        (root / name).mkdir(parents=True)
    (root / "workspace" / "report.json").write_text("{}")
    documents = [
        {"task_id": number, "text": f"[q{number}] Double it.", "code": "", "test_list": TESTS}
        for number in range(len(SAID))
    ]
    tasks.write_documents(root / "tasks" / "code" / "documents.jsonl", documents)
    for name in ("mergesearch_mbpp", "mergesearch_mbpp_instruct"):
        local = "dataset_path: json\ndataset_name: null\ndataset_kwargs: {data_files: {test: documents.jsonl}}\n"
        (root / "tasks" / "code" / f"{name}.yaml").write_text(f"include: {OWN / name}.yaml\ntask: {name}\n{local}")
    volumes = [str(root / name) for name in ("workspace", "checkpoints")]
    answers = {f"q{n}": text.replace("{volumes!r}", repr(volumes)) for n, (text, _) in enumerate(SAID.values())}
    (root / "answers.json").write_text(json.dumps(answers))
    return root


@pytest.fixture(scope="module")
def start(root: Path) -> Iterator[Start]:
    """Starts evaluators whose model gives those answers."""
    running: list[process.ResidentProcess] = []

    def start(**environment: str) -> process.ResidentProcess:
        told = {"SCRIPTED_ANSWERS": str(root / "answers.json"), **environment}
        program = Path(benchmarks.__file__).with_name("scripted_engine.py")
        command = ("env", *(f"{name}={value}" for name, value in told.items()), sys.executable, str(program))
        volumes = {name: root / name for name in ("checkpoints", "tasks", "workspace")}
        running.append(process.ResidentProcess(volumes, root / "home", command))
        return running[-1]

    yield start
    assert [one.end() for one in running] == [0] * len(running)


@pytest.fixture(scope="module")
def here(start: Start) -> process.ResidentProcess:
    """One that has no sandbox container."""
    return start()


def evaluation(uid: str, name: str = "mergesearch_mbpp", filter_name: str = "none") -> contract.EvaluationRequest:
    task = tasks.task(name, "pass_at_1", filter=filter_name, sizes={name: len(SAID)})
    return tasks.evaluation(["one"], [task], engine=ENGINE, search=contract.SearchRef(name="soup", uid=uid))


def check_scores(answered: process.Answered, workspace: Path, uid: str, name: str) -> None:
    report = answered.evaluations["one"]
    assert answered.exit.code == 0
    assert report.failure is None
    told = samples.read(workspace / files.samples_file(uid, "search", "one", name))
    values = [sample.value for sample in sorted(told, key=lambda sample: sample.index)]
    assert dict(zip(SAID, values, strict=True)) == {name: float(right) for name, (_, right) in SAID.items()}
    assert report.scores[0].score == pytest.approx(2 / 10)


@pytest.mark.parametrize(
    ("name", "filter_name"), [("mergesearch_mbpp", "none"), ("mergesearch_mbpp_instruct", "extract_code")]
)
def test_a_score_is_the_share_of_programs_that_pass_whatever_the_others_do(
    here: process.ResidentProcess, root: Path, name: str, filter_name: str
) -> None:
    uid = name.replace("_", "-")
    answered = here.ask(evaluation(uid, name, filter_name))
    check_scores(answered, root / "workspace", uid, name)
    tried = answered.progress.index("trying the sandbox for code")
    assert all("hf" not in sentence for sentence in answered.progress[:tried]), "before a GPU costs anything"


@pytest.mark.skipif(os.geteuid() != 0, reason="a container is made by root")
def test_a_sandbox_container_gives_the_same_scores(start: Start, root: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    beside = subprocess.Popen([sys.executable, container.__file__, str(tmp_path)])
    try:
        evaluator = start(**{SANDBOX_VARIABLE: str(tmp_path / container.SOCKET)})
        check_scores(evaluator.ask(evaluation("container")), root / "workspace", "container", "mergesearch_mbpp")
    finally:
        beside.kill()
        beside.wait()
    answered = evaluator.ask(evaluation("container-gone"))
    assert answered.reports == [], "no score is invented"
    assert (answered.exit.code, answered.exit.reason) == (75, Reason.SANDBOX_LOST)


def test_a_sandbox_that_does_not_work_is_told_by_the_preflight_and_no_wrong_answer(
    start: Start, root: Path, tmp_path: Path
) -> None:
    evaluator = start(**{SANDBOX_VARIABLE: str(tmp_path / "nowhere" / "socket")})
    question = contract.TaskQuestion(name="mergesearch_mbpp", metric="pass_at_1")
    (report,) = evaluator.ask(tasks.preflight(question, engine=ENGINE)).reports
    assert report.failure is not None
    assert (report.failure.reason, report.failure.transient) == (Reason.SANDBOX_LOST, True)
    assert "the sandbox for code has broken" in report.failure.message
    answered = evaluator.ask(evaluation("broken"))
    assert answered.reports == []
    assert (answered.exit.code, answered.exit.reason) == (75, Reason.SANDBOX_LOST)
    assert answered.engine_starts == 0
    assert not (root / "workspace" / files.evaluation_folder("broken", "search", "one")).exists()


# --- lm-eval's own tasks, and those of a user's own ---

CHANGED = {"task", "metric_list", "fewshot_config", "filter_list"}
"""What names functions, which are ours."""


@pytest.mark.parametrize("name", ["mbpp", "mbpp_instruct"])
def test_ours_asks_what_lm_evals_asks(name: str) -> None:
    theirs = load_yaml(LM_EVAL / "mbpp" / f"{name}.yaml", resolve_func=False)
    ours = load_yaml(OWN / f"mergesearch_{name}.yaml", resolve_func=False)
    assert {key: ours[key] for key in ours if key not in CHANGED} == {
        key: theirs[key] for key in theirs if key not in CHANGED
    }
    assert [entry | {"metric": None} for entry in ours["metric_list"]] == [
        entry | {"metric": None} for entry in theirs["metric_list"]
    ]
    assert ours["metric_list"][0]["metric"].endswith(f"/{coding.METRIC}")
    assert ours["fewshot_config"]["sampler"] == theirs["fewshot_config"]["sampler"]
    assert [entry["name"] for entry in ours.get("filter_list", [])] == [
        entry["name"] for entry in theirs.get("filter_list", [])
    ]


def test_ours_shows_the_examples_that_lm_evals_shows() -> None:
    """Its module cannot be imported: that fetches code from the hub."""
    parsed = ast.parse((LM_EVAL / "mbpp" / "utils.py").read_text(encoding="utf-8"))
    functions = {one.name: one for one in parsed.body if isinstance(one, ast.FunctionDef)}
    (answer,) = [one for one in functions["list_fewshot_samples"].body if isinstance(one, ast.Return)]
    assert answer.value is not None
    assert programs.examples() == ast.literal_eval(answer.value)


GENERATES = """
task: coding
dataset_path: json
dataset_name: null
dataset_kwargs: {data_files: {test: documents.jsonl}}
test_split: test
output_type: generate_until
unsafe_code: true
doc_to_text: "{{text}}"
doc_to_target: "{{test_list[0]}}"
"""
METRIC = "metric_list: [{metric: METRIC, aggregation: mean, higher_is_better: true}]\n"
OUTSIDE = {
    "its-own-metric": METRIC.replace("METRIC", "!function own.judge"),
    "a-metric-of-the-hub": METRIC.replace("METRIC", "code_eval"),
    "its-own-results": "process_results: !function own.results\n" + METRIC.replace("METRIC", "exact_match"),
    "its-own-results-beside-our-metric": "process_results: !function own.results\n"
    + METRIC.replace("METRIC", f"!function {coding.METRIC}"),
}


@pytest.mark.parametrize("text", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_task_that_would_run_code_beside_the_checkpoints_is_refused(text: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, text) == (
        "coding: would run code that the model writes in the evaluator itself, not in the sandbox: its metric has to "
        "be !function mergesearch_evaluator.sandbox.metric.pass_at_1"
    )


@pytest.mark.parametrize("metric", [f"!function {coding.METRIC}", "exact_match"])
def test_a_task_that_leaves_code_to_the_sandbox_is_taken(metric: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, METRIC.replace("METRIC", metric)) is None


def refusal(folder: Path, text: str) -> str | None:
    """What is said of a task before it is loaded; where nothing is said, also what is said of it afterwards."""
    (folder / "own.py").write_text("def judge(**_): return 1.0\ndef results(doc, said): return {}\n")
    (folder / "coding.yaml").write_text(GENERATES + text)
    for resolved in (False, True):
        found = coding.runs_outside("coding", load_yaml(folder / "coding.yaml", resolve_func=resolved))
        if found is not None:
            assert found.reason is Reason.ENGINE_REFUSED
            return found.message
    return None


@pytest.mark.parametrize("name", ["mbpp", "mbpp_instruct", "humaneval"])
def test_lm_evals_own_tasks_are_refused_with_the_name_of_ours_where_there_is_one(name: str) -> None:
    (path,) = (path for path in (LM_EVAL / name.partition("_")[0]).glob("*.yaml") if path.stem == name)
    found: Any = coding.runs_outside(name, load_yaml(path, resolve_func=False))
    assert found is not None
    assert (f"ask for mergesearch_{name}" in found.message) is (name in coding.OURS)
