"""Answers the evaluator's half of the preflight: do tasks, metrics, filters and templates exist?

It needs no GPU and no weights. Whatever is wrong stands in one report, all of it at once.
"""

from mergesearch import contract
from mergesearch.contract import PreflightTasksReport, PreflightTasksRequest, TaskQuestion
from mergesearch.errors import InvalidRequestError, MergeSearchError, TryAgainError
from mergesearch.reasons import Reason
from mergesearch.worker import Progress, Volumes
from mergesearch_evaluator import catalog, checks, coding, environment, problems, prompts, tasks
from mergesearch_evaluator.catalog import Catalog, LoadedTask, UnloadableError
from mergesearch_evaluator.checks import Question
from mergesearch_evaluator.engines import arguments
from mergesearch_evaluator.facts import TokenizerFacts
from mergesearch_evaluator.problems import Problem
from mergesearch_evaluator.prompts import Tokenizer


def preflight(request: PreflightTasksRequest, volumes: Volumes, progress: Progress) -> PreflightTasksReport:
    """Look at every task. Raises nothing that a person could mend: that stands in the report."""
    progress("loading tasks")
    wrong = list(arguments.problems_of(request.engine))
    warnings: list[str] = []
    tokenizer = _tokenizer(request, volumes, wrong)
    found: list[LoadedTask] = []
    for question, loaded in _loaded(request, volumes, wrong):
        found.append(loaded)
        # Without a tokenizer its own problem is enough; templates and lengths are not judged.
        facts = tokenizer.facts if tokenizer else TokenizerFacts(has_chat_template=True, context_length=None)
        whole = Question(question, loaded.facts, request.engine, facts)
        own = checks.problems_of(whole)
        wrong += own
        warnings += checks.warnings_of(whole)
        if tokenizer and not own:
            catalog.prepare(loaded, question.num_fewshot, request.engine.max_gen_toks)
            warnings += _cut(loaded, tokenizer, request.engine, question, wrong)
    wrong += checks.shared_leaves([loaded.facts for loaded in found])
    wrong += _sandbox(found, volumes, progress)
    return PreflightTasksReport(
        version=1,
        request_hash=request.hash(),
        failure=problems.failure(wrong) if wrong else None,
        tasks=tuple(_facts(loaded) for loaded in found),
        versions=environment.versions(),
        warnings=tuple(warnings),
    )


def _tokenizer(request: PreflightTasksRequest, volumes: Volumes, wrong: list[Problem]) -> Tokenizer | None:
    try:
        return prompts.open_tokenizer(volumes.resolve(request.tokenizer))
    except InvalidRequestError as error:
        wrong.append(Problem(error.reason, error.message))
        return None


def _loaded(
    request: PreflightTasksRequest, volumes: Volumes, wrong: list[Problem]
) -> list[tuple[TaskQuestion, LoadedTask]]:
    shelf: Catalog | None = None
    try:
        shelf = tasks.open_catalog(request.engine, volumes)
    except InvalidRequestError as error:
        wrong.append(Problem(error.reason, error.message))
    found = []
    for question in request.tasks if shelf else ():
        try:
            loaded = shelf.load(question.name, allow_code=request.engine.allow_code_execution) if shelf else None
        except UnloadableError as error:
            wrong.append(error.problem)
            continue
        if loaded:
            found.append((question, loaded))
    return found


def _sandbox(found: list[LoadedTask], volumes: Volumes, progress: Progress) -> list[Problem]:
    try:
        coding.try_sandbox([loaded.facts for loaded in found], volumes, progress)
    except (InvalidRequestError, TryAgainError) as error:
        return [Problem(error.reason, error.message, transient=isinstance(error, TryAgainError))]
    return []


def _cut(
    loaded: LoadedTask, tokenizer: Tokenizer, engine: contract.Engine, question: TaskQuestion, wrong: list[Problem]
) -> list[str]:
    try:
        return list(prompts.cut_prompts(loaded, tokenizer, engine, chat_template=question.chat_template))
    except MergeSearchError:
        raise
    except Exception as error:  # noqa: BLE001 - the task's own code makes its prompts
        message = f"{question.name}: its prompts cannot be made: {type(error).__name__}: {' '.join(str(error).split())}"
        wrong.append(Problem(Reason.TASK_UNREADABLE, problems.clipped(message, 600)))
        return []


def _facts(loaded: LoadedTask) -> contract.TaskFacts:
    leaves = loaded.facts.leaves
    return contract.TaskFacts(
        name=loaded.facts.name,
        leaves=tuple(contract.LeafFacts(name=leaf.name, total=leaf.total, documents=leaf.documents) for leaf in leaves),
    )
