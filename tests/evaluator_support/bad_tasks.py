"""Bad tasks and engine arguments, each with what the user reads; the page in docs/ is made from this table too."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator_support import tasks
from mergesearch import contract

Make = Callable[[Path], Any]
"""Writes what is wrong into the case's own task folder."""


def question(*found: contract.TaskQuestion, **changes: Any) -> dict[str, Any]:
    return {"tasks": found} | changes


def yaml(name: str, text: str, documents: int | None = 4) -> Make:
    def write(folder: Path) -> None:
        (folder / f"{name}.yaml").write_text(text)
        if documents is not None:
            tasks.write_documents(folder / f"{name}.jsonl", tasks.documents(documents))

    return write


def generate(name: str) -> str:
    return tasks.GENERATE.format(name=name).replace(", train: shots.jsonl", "").replace("fewshot_split: train\n", "")


@dataclass(frozen=True)
class Case:
    """What is asked, what is wrong with it, and what the user reads."""

    id: str
    asked: dict[str, Any]
    reason: str
    words: tuple[str, ...]
    make: Make | None = None


LETTERS = tasks.question("letters")
CASES = (
    Case(
        "unknown-task-with-a-near-name",
        question(tasks.question("leters")),
        "TaskUnknown",
        ("lm-eval knows no task 'leters'", "nearest: letters"),
    ),
    Case(
        "unknown-task-near-one-of-lm-eval's",
        question(tasks.question("gsm8kk", "exact_match")),
        "TaskUnknown",
        ("lm-eval knows no task 'gsm8kk' (nearest: gsm8k",),
    ),
    Case(
        "unknown-task-because-its-file-is-broken",
        question(tasks.question("broken")),
        "TaskUnknown",
        ("lm-eval knows no task 'broken'", "broken.yaml cannot be read", "line 2"),
        yaml("broken", "task: broken\n  output_type: [\n"),
    ),
    Case(
        "group-without-a-task",
        question(tasks.question("empty-group")),
        "TaskUnreadable",
        ("empty-group: the group holds no task",),
        yaml("empty-group", "group: empty-group\ntask: []\n", None),
    ),
    Case(
        "group-that-names-an-unknown-task",
        question(tasks.question("wrong-group")),
        "TaskUnknown",
        ("wrong-group: the group names 'mine_too'", "nearest: mine"),
        lambda folder: (
            yaml("wrong-group", "group: wrong-group\ntask: [mine, mine_too]\n", None)(folder),
            yaml("mine", generate("mine"))(folder),
        ),
    ),
    Case(
        "group-that-holds-itself",
        question(tasks.question("ring")),
        "TaskUnreadable",
        ("ring: the group holds itself",),
        yaml("ring", "group: ring\ntask: [ring]\n", None),
    ),
    Case(
        "two-tasks-with-the-same-leaf",
        question(LETTERS, tasks.question("by-size")),
        "TaskUnreadable",
        ("tasks letters and by-size both score letters: ask for it once",),
    ),
    Case(
        "missing-metric",
        question(tasks.question("choices", "brier")),
        "MetricMissing",
        ("choices: no metric 'brier'; there are acc, brier_score (nearest: brier_score)",),
    ),
    Case(
        "metric-missing-in-the-leaves-of-a-group",
        question(tasks.question("by-size", "acc")),
        "MetricMissing",
        ("letters: no metric 'acc' in 2 of 2 leaf tasks; there are exact_match",),
    ),
    Case(
        "wrong-filter",
        question(tasks.question("letters", filter="strict-match")),
        "MetricMissing",
        ("letters: no filter 'strict-match'; there are whole, first",),
    ),
    Case(
        "lower-is-better",
        question(tasks.question("choices", "brier_score")),
        "MetricUnsupported",
        ("choices: metric 'brier_score': lower is better", "choices: metric 'brier_score' is not a mean"),
    ),
    Case(
        "metric-without-a-direction",
        question(tasks.question("aimless", filter="none")),
        "MetricUnsupported",
        ("aimless: metric 'exact_match': the task does not say whether higher is better",),
        yaml("aimless", generate("aimless").replace("higher_is_better: true", "higher_is_better: null")),
    ),
    Case(
        "metric-that-is-no-mean",
        question(tasks.question("middle", filter="none")),
        "MetricUnsupported",
        ("middle: metric 'exact_match' is not a mean over samples", "metrics that are: none"),
        yaml("middle", generate("middle").replace("aggregation: mean", "aggregation: median")),
    ),
    Case(
        "no-chat-template",
        question(tasks.question("letters", chat_template=True)),
        "TokenizerMismatch",
        ("letters: chatTemplate is asked for, but the checkpoint's tokenizer has none",),
    ),
    Case(
        "few-shot-examples-for-a-task-that-fixes-none",
        question(tasks.question("choices", "acc", num_fewshot=3)),
        "TaskUnreadable",
        ("choices: the task fixes 0 few-shot examples; numFewshot 3 would be ignored",),
    ),
    Case(
        "more-few-shot-examples-than-there-are",
        question(tasks.question("letters", num_fewshot=9)),
        "TooFewSamples",
        ("letters: 9 few-shot examples, but only 8 to draw from",),
    ),
    Case(
        "code-that-the-model-writes",
        question(tasks.question("coding", filter="none")),
        "EngineRefused",
        ("coding: runs code that the model writes; allow it with evaluator.allowCodeExecution: true",),
        yaml("coding", generate("coding") + "unsafe_code: true\n"),
    ),
    Case(
        "code-in-a-leaf-of-a-group",
        question(tasks.question("code-group", filter="none")),
        "EngineRefused",
        ("coding: runs code that the model writes",),
        lambda folder: (
            yaml("coding", generate("coding") + "unsafe_code: true\n")(folder),
            yaml("code-group", "group: code-group\ntask: [coding]\n", None)(folder),
        ),
    ),
    Case(
        "code-that-would-run-in-the-evaluator",
        question(tasks.question("judged", "judge", filter="none"), allow_code_execution=True),
        "EngineRefused",
        (
            "judged: would run code that the model writes in the evaluator itself, not in the sandbox",
            "its metric has to be !function mergesearch_evaluator.sandbox.metric.pass_at_1",
        ),
        lambda folder: (
            yaml("judged", generate("judged").replace("exact_match", "!function own.judge") + "unsafe_code: true\n")(
                folder
            ),
            (folder / "own.py").write_text("def judge(references, predictions):\n    return 1.0\n"),
        ),
    ),
    Case(
        "code-task-of-lm-eval's-own",
        question(tasks.question("mbpp", "pass_at_1"), allow_code_execution=True),
        "EngineRefused",
        ("mbpp: would run code", "in the evaluator itself, not in the sandbox: ask for mergesearch_mbpp"),
    ),
    Case(
        "data-file-missing",
        question(tasks.question("nodata")),
        "TaskUnreadable",
        ("nodata", "cannot be loaded: FileNotFoundError", "nodata.jsonl"),
        yaml("nodata", generate("nodata"), None),
    ),
    Case(
        "data-file-that-is-no-json",
        question(tasks.question("garbled")),
        "TaskUnreadable",
        ("garbled.yaml) cannot be loaded: DatasetGenerationError", "JSON parse error"),
        lambda folder: (
            yaml("garbled", generate("garbled"))(folder),
            (folder / "garbled.jsonl").write_text("not json\n"),
        ),
    ),
    Case(
        "empty-test-split",
        question(tasks.question("nothing")),
        "TaskUnreadable",
        ("nothing.yaml) cannot be loaded", "has it any documents?"),
        yaml("nothing", generate("nothing"), 0),
    ),
    Case(
        "split-that-does-not-exist",
        question(tasks.question("splitless")),
        "TaskUnreadable",
        ("splitless.yaml) cannot be loaded: KeyError: 'validation'",),
        yaml("splitless", generate("splitless").replace("test_split: test", "test_split: validation")),
    ),
    Case(
        "field-that-the-documents-lack",
        question(tasks.question("lacking")),
        "TaskUnreadable",
        ("lacking.yaml) cannot be loaded", "'question' is undefined"),
        yaml("lacking", generate("lacking").replace("{{prompt}}", "{{question}}")),
    ),
    Case(
        "function-that-does-not-exist",
        question(tasks.question("hollow", filter="none")),
        "TaskUnreadable",
        ("hollow.yaml) cannot be loaded: ImportError: Cannot import module 'absent'",),
        yaml("hollow", generate("hollow") + "process_docs: !function absent.process\n"),
    ),
    Case(
        "unknown-hf-argument",
        question(LETTERS, engine_args={"max_lenght": 16}),
        "EngineRefused",
        ("backend hf has no engine argument 'max_lenght' (nearest: max_length)", "there are add_bos_token"),
    ),
    Case(
        "unknown-vllm-argument",
        question(LETTERS, backend="vllm", engine_args={"max_modle_len": 16}),
        "EngineRefused",
        ("backend vllm has no engine argument 'max_modle_len' (nearest: max_model_len",),
    ),
    Case(
        "argument-that-is-decided-elsewhere",
        question(LETTERS, engine_args={"dtype": "float32"}),
        "EngineRefused",
        ("engine argument 'dtype' is decided by evaluator.dtype",),
    ),
    Case(
        "cache-of-lm-eval",
        question(LETTERS, engine_args={"use_cache": "answers"}),
        "EngineRefused",
        ("engine argument 'use_cache' is decided by nothing: answers are never kept",),
    ),
    Case(
        "answers-as-long-as-the-context",
        question(LETTERS, max_gen_toks=64),
        "EngineRefused",
        ("letters: answers may be 64 tokens long, the context is 64",),
    ),
    Case(
        "task-folder-missing",
        question(LETTERS, include="elsewhere"),
        "TaskUnreadable",
        ("task folder 'elsewhere' of volume 'tasks'", "is not a folder"),
    ),
    Case(
        "task-folder-outside-its-volume",
        question(LETTERS, include="../../.."),
        "PathOutsideVolume",
        ("../../..: leads to", "outside its volume"),
    ),
    Case(
        "checkpoint-of-the-tokenizer-missing",
        question(LETTERS, tokenizer="nobody"),
        "CheckpointMissing",
        ("nobody: there is no such folder",),
    ),
)
"""Asked of the preflight and of an evaluation, which say the same."""
