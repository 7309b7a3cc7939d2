"""The tasks of an evaluation, loaded, checked and compared with what the preflight saw, before any model is. All that
is wrong is said at once.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mergesearch import contract
from mergesearch.contract import EvaluationRequest, Task
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Volumes
from mergesearch_evaluator import catalog, checks
from mergesearch_evaluator.catalog import Catalog, LoadedTask, UnloadableError
from mergesearch_evaluator.checks import Question
from mergesearch_evaluator.facts import TaskFacts, TokenizerFacts
from mergesearch_evaluator.problems import Problem, enumerated
from mergesearch_evaluator.resident import Resident

BUILT_IN = Path(__file__).parent / "builtin_tasks"
"""Tasks that the evaluator brings along."""


def open_catalog(engine: contract.Engine, volumes: Volumes) -> Catalog:
    """The catalog with the request's folders; where one of them holds a task of the same name as ours, it wins.

    Raises InvalidRequestError.
    """
    folders = [volumes.resolve(location) for location in engine.include_paths]
    for location, folder in zip(engine.include_paths, folders, strict=True):
        if not folder.is_dir():
            message = f"task folder {location.path!r} of volume {location.volume!r}: {folder} is not a folder"
            raise InvalidRequestError(message, reason=Reason.TASK_UNREADABLE)
    return Catalog([BUILT_IN, *folders])


def load(
    request: EvaluationRequest, volumes: Volumes, tokenizer: TokenizerFacts, resident: Resident
) -> tuple[Sequence[LoadedTask], list[Problem]]:
    """The request's tasks in order, prepared as it asks, and all that is wrong with them; with a problem the tasks may
    be incomplete.

    Tasks of an earlier request are used again if the digests of their documents are what this one expects.
    """
    key = _key(request)
    kept = resident.tasks.get(key)
    if kept is not None and _expects(request, kept):
        return kept, []
    resident.tasks.pop(key, None)
    shelf = open_catalog(request.engine, volumes)
    loaded: list[LoadedTask] = []
    problems: list[Problem] = []
    for task in request.tasks:
        try:
            found = shelf.load(task.name, allow_code=request.engine.allow_code_execution)
        except UnloadableError as error:
            problems.append(error.problem)
            continue
        loaded.append(found)
        problems += checks.problems_of(Question(task, found.facts, request.engine, tokenizer))
        catalog.prepare(found, task.num_fewshot, request.engine.max_gen_toks)
    problems += checks.shared_leaves([task.facts for task in loaded])
    known = {found.facts.name: found.facts for found in loaded}
    problems += [problem for task in request.tasks if task.name in known for problem in changes(task, known[task.name])]
    if not problems:
        resident.tasks[key] = loaded
    return loaded, problems


def changes(task: Task, found: TaskFacts) -> Iterator[Problem]:
    """What is no longer as the preflight saw it: scores before and after could not be compared."""
    leaves = {leaf.name: leaf for leaf in found.leaves}
    for selection in task.samples:
        leaf = leaves.get(selection.leaf)
        if leaf is None:
            message = f"{task.name}: has no leaf task {selection.leaf} any more; there are {enumerated(leaves)}"
            yield Problem(Reason.TASKS_CHANGED, message)
        elif selection.total != leaf.total:
            message = f"{leaf.name}: has {leaf.total} documents now; the search began with {selection.total}"
            yield Problem(Reason.TASKS_CHANGED, message)
        elif selection.documents not in (None, leaf.documents):
            message = f"{leaf.name}: its documents or its configuration were edited since the search began"
            yield Problem(Reason.TASKS_CHANGED, message)


def _key(request: EvaluationRequest) -> str:
    engine = request.engine
    tasks = [[task.name, task.metric, task.filter, task.num_fewshot, task.chat_template] for task in request.tasks]
    folders = [[location.volume, location.path] for location in engine.include_paths]
    return contract.digest(tasks, folders, engine.max_gen_toks, engine.allow_code_execution)


def _expects(request: EvaluationRequest, kept: Sequence[LoadedTask]) -> bool:
    """Whether the request names every document by the digest that was kept with it."""
    pinned = all(selection.documents is not None for task in request.tasks for selection in task.samples)
    return pinned and not any(
        True for task, found in zip(request.tasks, kept, strict=True) for _ in changes(task, found.facts)
    )
