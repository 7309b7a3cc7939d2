"""The scores of a merge as a model card's `model-index`: those on samples that the search never saw; pure."""

from collections.abc import Iterator
from typing import Any

from mergesearch.export import text
from mergesearch.export.subject import Subject
from mergesearch.report.shapes import TaskFacts

TASK_TYPE = "text-generation"


def entries(subject: Subject) -> list[dict[str, Any]]:
    """The `model-index`; empty where the merge was not scored on unseen samples, since no other score is honest."""
    if subject.unseen is None:
        return []
    name = text.Quoted(text.line(f"{subject.summary.name}-{subject.id}"))
    return [{"name": name, "results": list(_results(subject))}]


def _results(subject: Subject) -> Iterator[dict[str, Any]]:
    unseen = subject.unseen
    assert unseen is not None
    for task, score, error in zip(subject.summary.tasks, unseen.scores, unseen.errors, strict=True):
        measured: dict[str, Any] = {"samples": task.unseen_samples, "standard_error": error}
        asked: dict[str, Any] = {"num_few_shot": task.num_fewshot, "chat_template": task.chat_template}
        yield {
            "task": {"type": TASK_TYPE},
            "dataset": {
                "name": text.Quoted(task.name),
                "type": text.Quoted(task.name),
                "split": _split(task),
                "args": _known(asked),
            },
            "metrics": [
                {
                    "type": text.Quoted(task.metric),
                    "name": text.Quoted(f"{task.metric}, {task.filter}"),
                    "value": score,
                    "args": _known(measured),
                }
            ],
        }


def _known(some: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in some.items() if value is not None}


def _split(task: TaskFacts) -> str:
    return "held-out" if task.held_out else "unseen"
