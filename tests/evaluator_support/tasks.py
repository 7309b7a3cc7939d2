"""Tiny tasks of lm-eval in a folder, and requests about them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mergesearch import contract

SEARCH = contract.SearchRef(name="soup", uid="uid-1")
LETTERS = "abcd"

GENERATE = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl, train: shots.jsonl}}}}
test_split: test
fewshot_split: train
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{answer}}}}"
target_delimiter: ""
fewshot_delimiter: ""
generation_kwargs: {{until: ["<eos>"], max_gen_toks: 2}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
"""
FIRST_LETTER = """
filter_list:
  - {name: whole, filter: [{function: take_first}]}
  - {name: first, filter: [{function: regex, regex_pattern: "(.)"}, {function: take_first}]}
"""
CHOICES = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{prompt}}}}"
doc_to_target: gold
doc_to_choice: ["a", "b", "c", "d"]
target_delimiter: ""
num_fewshot: 0
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: brier_score, aggregation: brier_score, higher_is_better: false}}
"""
GROUP = """
group: {name}
task: [{members}]
"""
AGGREGATE = """
aggregate_metric_list:
  - {{metric: exact_match, aggregation: mean, weight_by_size: {by_size}, filter_list: [first]}}
"""


def documents(number: int, start: int = 0) -> list[dict[str, Any]]:
    """Prompts that all differ, with answers that are as good as any."""
    words = ["".join(letters) for letters in itertools.product(LETTERS, repeat=4)][start : start + number]
    return [
        {"prompt": f"{word}=", "answer": LETTERS[(index * 7 + 3) % 4], "gold": (index * 5 + 1) % 4}
        for index, word in enumerate(words)
    ]


def write_documents(path: Path, found: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(document) + "\n" for document in found), encoding="utf-8")


def write_tasks(folder: Path) -> Path:
    """The tasks that most tests share: letters (40 documents), more (16) and choices (24), and groups of them."""
    folder.mkdir(parents=True)
    write_documents(folder / "shots.jsonl", documents(8, start=200))
    for name, number, start in (("letters", 40, 0), ("more", 16, 50)):
        write_documents(folder / f"{name}.jsonl", documents(number, start))
        (folder / f"{name}.yaml").write_text(GENERATE.format(name=name) + FIRST_LETTER)
    write_documents(folder / "choices.jsonl", documents(24, start=100))
    (folder / "choices.yaml").write_text(CHOICES.format(name="choices"))
    for name, aggregate in (
        ("by-size", AGGREGATE.format(by_size="true")),
        ("alike", AGGREGATE.format(by_size="false")),
        ("bare", ""),
    ):
        (folder / f"{name}.yaml").write_text(GROUP.format(name=name, members="letters, more") + aggregate)
    return folder


def task(name: str, metric: str = "exact_match", **changes: Any) -> contract.Task:
    """A task with all its documents; `sizes` gives the leaves' totals."""
    sizes = changes.pop("sizes", {"letters": 40, "more": 16, "choices": 24})
    leaves = changes.pop("leaves", (name,))
    stop = changes.pop("stop", None)
    samples = tuple(
        contract.SampleSelection(leaf=leaf, total=sizes[leaf], stop=stop or sizes[leaf], seed=1) for leaf in leaves
    )
    settings = {"filter": "first" if metric == "exact_match" else "none", "samples": samples}
    return contract.Task(name=name, metric=metric, **(settings | changes))


def engine(backend: Any = "hf", **changes: Any) -> contract.Engine:
    folder = contract.VolumePath(volume="tasks", path="shared")
    return contract.Engine(backend=backend, **({"include_paths": (folder,)} | changes))


def candidate(name: str, **changes: Any) -> contract.EvaluationCandidate:
    """An input checkpoint; with `merge_hash` a merge of the search."""
    location = contract.VolumePath(volume="checkpoints", path=name)
    return contract.EvaluationCandidate(id=changes.pop("id", name), model=changes.pop("model", location), **changes)


def evaluation(
    candidates: Sequence[str | contract.EvaluationCandidate], tasks: Sequence[contract.Task], **changes: Any
) -> contract.EvaluationRequest:
    chosen = tuple(candidate(name) if isinstance(name, str) else name for name in candidates)
    settings = {"search": SEARCH, "split": "search", "engine": engine()}
    return contract.EvaluationRequest(version=1, candidates=chosen, tasks=tuple(tasks), **(settings | changes))


def preflight(*questions: contract.TaskQuestion, **changes: Any) -> contract.PreflightTasksRequest:
    tokenizer = contract.VolumePath(volume="checkpoints", path="one")
    settings = {"search": SEARCH, "engine": engine(), "tokenizer": tokenizer}
    return contract.PreflightTasksRequest(version=1, tasks=questions, **(settings | changes))


def question(name: str, metric: str = "exact_match", **changes: Any) -> contract.TaskQuestion:
    settings = {"filter": "first" if metric == "exact_match" else "none"}
    return contract.TaskQuestion(name=name, metric=metric, **(settings | changes))
