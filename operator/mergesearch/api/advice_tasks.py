"""What is allowed of tasks, but is seldom meant; pure.

It rests on names and numbers: what the tasks really are, the preflight sees.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from mergesearch.api import check_tasks, known_tasks, presets, splits
from mergesearch.api.problem import Problem, nearest, words
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import ObjectiveTask

_RUNS_CODE = re.compile(r"(^|_)(humaneval|mbpp|lbpp)", re.IGNORECASE)
_OWN = f"the metric !function {known_tasks.SANDBOX_METRIC}"


def code_may_run(resource: MergeSearch) -> Iterator[Problem]:
    """Tasks of these names run what the model has written, and only those with the sandbox's metric can be scored. Of
    those that are known for certain, `checks` speaks.
    """
    evaluator = resource.spec.evaluator
    rests_on = ("spec.evaluator.allowCodeExecution", "spec.evaluator.taskFolders")
    for place, task in check_tasks.placed(resource):
        refused = task.name in known_tasks.IN_A_SANDBOX and not evaluator.task_folders
        if task.name in known_tasks.RUN_CODE or refused or not _RUNS_CODE.search(task.name):
            continue
        if not evaluator.task_folders:
            message = (
                "lm-eval's own task would run programs that the model wrote beside the checkpoints, and is refused"
            )
            allowed = f"the preset MBPP, or a task of your own in spec.evaluator.taskFolders with {_OWN}"
            yield Problem(f"{place}.name", words(task.name), allowed, message, rests_on=rests_on)
        elif not evaluator.allow_code_execution:
            message = "this task runs code that the model wrote, which is not allowed"
            allowed = f"spec.evaluator.allowCodeExecution: true, where the task is your own with {_OWN}"
            yield Problem(f"{place}.name", words(task.name), allowed, message, rests_on=rests_on)


def unseen_samples_are_many(resource: MergeSearch) -> Iterator[Problem]:
    """What is known of the unseen samples already; the preflight warns of the same."""
    for place, task in check_tasks.placed(resource):
        if not isinstance(task, ObjectiveTask):
            continue
        total = known_tasks.documents(resource.spec, task.name)
        unseen = splits.of(task, total)[1]
        if unseen is None or not 0 < unseen < splits.ROUGH_BELOW:
            continue
        field, allowed = "searchSamples", ""
        if task.samples is not None or task.unseen_samples is not None:
            field, allowed = "samples.unseen" if task.samples else "unseenSamples", f"at least {splits.ROUGH_BELOW}"
        elif total is not None and total > splits.ROUGH_BELOW:
            allowed = f"at most {total - splits.ROUGH_BELOW}"
        message = f"{splits.ROUGH}: {task.name} ({unseen})"
        found = words(task.search_samples) if field == "searchSamples" and task.search_samples is not None else ""
        rests_on = (f"{place}.name", f"{place}.searchSamples", "spec.evaluator.taskFolders", "spec.evaluator.image")
        yield Problem(f"{place}.{field}", found, allowed, message, rests_on=rests_on)


def task_names_are_spelt_right(resource: MergeSearch) -> Iterator[Problem]:
    """Names tell upper case from lower: `IFEVAL` is no task."""
    if not known_tasks.are_certain(resource.spec):
        return
    names = {name: name for name in known_tasks.TASKS}
    names.update({str(word): preset.name for word, preset in presets.TASKS.items()})
    for place, task in check_tasks.placed(resource):
        near = names.get(nearest(task.name, names, cutoff=1.0), "")
        if near and task.name not in known_tasks.TASKS and task.name not in known_tasks.IN_A_SANDBOX:
            message = "lm-eval knows no task that is spelt like this"
            rests_on = ("spec.evaluator.taskFolders", "spec.evaluator.image")
            yield Problem(f"{place}.name", words(task.name), "", message, near, rests_on=rests_on)


def known_tasks_are_meant(resource: MergeSearch) -> Iterator[Problem]:
    """With task folders or an image of the user's own nobody knows before the preflight whether these are the tasks
    that are known.
    """
    if not known_tasks.are_certain(resource.spec):
        for found in (*check_tasks.samples(resource), *check_tasks.scores(resource)):
            yield replace(found, message=f"{found.message}, unless taskFolders or the image have another task")


def prompts_suit_the_model(resource: MergeSearch) -> Iterator[Problem]:
    """Tasks for models that chat are scored without their template where nobody asks for it. Base models have none."""
    for place, task in check_tasks.placed(resource):
        known = known_tasks.TASKS.get(task.name)
        if known is not None and known.for_chat and not task.chat_template:
            base_model = "; for base models there is mergesearch_mbpp, with the filter none" if known.runs_code else ""
            message = f"{task.name} is made for models that chat, and is asked without their chat template{base_model}"
            allowed = "true, unless the checkpoints have no chat template"
            yield Problem(f"{place}.chatTemplate", "false", allowed, message, rests_on=(f"{place}.name",))
