"""Facts about tasks that are known before their data is loaded: their samples, metrics and filters, and whether they
run what the model wrote; pure.
"""

from collections.abc import Iterator
from dataclasses import replace

from mergesearch.api import known_tasks, splits
from mergesearch.api.known_tasks import KnownTask
from mergesearch.api.problem import Problem, listing, nearest, words
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import HeldOutTask, ObjectiveTask

_OWN = ("spec.evaluator.taskFolders", "spec.evaluator.image")
"""By these a name may mean another task than the one that is known."""


def code_is_allowed(resource: MergeSearch) -> Iterator[Problem]:
    """A task that runs programs of the model cannot be scored otherwise. The name is the evaluator's own, and no folder
    changes what such a task is for.
    """
    if resource.spec.evaluator.allow_code_execution:
        return
    runs = [(place, task.name) for place, task in placed(resource) if task.name in known_tasks.RUN_CODE]
    if runs:
        named = ", ".join(f"{name} ({place})" for place, name in runs)
        message = f"{named} {'runs' if len(runs) == 1 else 'run'} programs that the model wrote, in a sandbox"
        rests_on = tuple(f"{place}.name" for place, _ in runs)
        yield Problem("spec.evaluator.allowCodeExecution", "false", "true", message, rests_on=rests_on)


def code_runs_in_the_sandbox(resource: MergeSearch) -> Iterator[Problem]:
    """lm-eval's own tasks that run programs would run them beside the checkpoints; the evaluator refuses them."""
    for place, task in placed(resource):
        instead = known_tasks.IN_A_SANDBOX.get(task.name)
        if instead is not None and not resource.spec.evaluator.task_folders:
            message = "lm-eval's own task would run programs that the model wrote beside the checkpoints"
            yield Problem(f"{place}.name", words(task.name), instead, message, rests_on=_OWN)


def samples_are_there(resource: MergeSearch) -> Iterator[Problem]:
    """No task has more documents than it has."""
    if known_tasks.are_certain(resource.spec):
        yield from samples(resource)


def scores_are_there(resource: MergeSearch) -> Iterator[Problem]:
    """A task has the metrics and filters that it has."""
    if known_tasks.are_certain(resource.spec):
        yield from scores(resource)


def samples(resource: MergeSearch) -> Iterator[Problem]:
    """Numbers and ranges of samples beyond those of known tasks."""
    for place, task, known in _known(resource):
        if isinstance(task, ObjectiveTask):
            found = splits.problems(place, task, known.documents, known.leaves)
        else:
            found = splits.held_out_problems(place, task, known.documents)
        yield from (replace(one, rests_on=(*one.rests_on, f"{place}.name", *_OWN)) for one in found)


def scores(resource: MergeSearch) -> Iterator[Problem]:
    """Metrics and filters that known tasks do not have."""
    for place, task, known in _known(resource):
        parts = (
            ("metric", task.metric, known.metrics, "cannot be optimised by this metric"),
            ("filter", task.filter, known.filters, "has no such filter"),
        )
        for field, value, names, lacks in parts:
            # One that is blank is spoken of elsewhere.
            if value.strip() and value not in names:
                near, message = nearest(value, names), f"{task.name} {lacks}"
                rests_on = (f"{place}.name", *_OWN)
                yield Problem(f"{place}.{field}", words(value), listing(names), message, near, rests_on=rests_on)


def placed(resource: MergeSearch) -> Iterator[tuple[str, HeldOutTask]]:
    """All tasks with their places."""
    parts = (("objective", resource.spec.objective.tasks), ("heldOut", resource.spec.held_out.tasks))
    for part, tasks in parts:
        yield from ((f"spec.{part}.tasks[{index}]", task) for index, task in enumerate(tasks))


def _known(resource: MergeSearch) -> Iterator[tuple[str, HeldOutTask, KnownTask]]:
    for place, task in placed(resource):
        if task.name in known_tasks.TASKS:
            yield place, task, known_tasks.TASKS[task.name]
