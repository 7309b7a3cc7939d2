"""lm-eval's tasks, found and loaded before any model is: the only module that asks lm-eval for tasks.

Building the index of lm-eval's own tasks reads fourteen thousand files and takes seven seconds, so the user's folders
are asked first, and lm-eval's only where they do not hold all that is wanted.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval.api.metrics
import lm_eval.tasks
from lm_eval.tasks._index import Kind
from lm_eval.tasks._yaml_loader import load_yaml

from mergesearch.errors import MergeSearchError
from mergesearch.reasons import Reason
from mergesearch_evaluator import checks, coding, fingerprints, sentences
from mergesearch_evaluator.facts import LeafFacts, MetricFacts, TaskFacts, Weighting
from mergesearch_evaluator.problems import Problem, clipped, nearest

ERROR_CHARACTERS = 600
OFFLINE = "OfflineMode"
"""What datasets name where the environment forbids to ask the hub."""
UNREACHABLE = ("is a gated dataset on the Hub", "Couldn't find cache for")
"""What datasets say, without an error of its own, where a token or a file of the cache is missing."""
WAYS = "its data set wants a network that reaches the hub, a token (HF_TOKEN), or a cache that holds it (HF_HOME)"
TOKEN_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""Names under which a task may limit its answers, in lm-eval's order of precedence."""


@dataclass(frozen=True)
class LoadedTask:
    """A task as the user names it: lm-eval's objects beside what is known of them."""

    facts: TaskFacts
    leaves: dict[str, Any]
    groups: dict[str, Any]


class UnloadableError(Exception):
    """A task cannot be loaded; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Catalog:
    """The tasks of some folders and of lm-eval itself."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder.resolve() for folder in folders]
        self._manager = lm_eval.tasks.TaskManager(include_path=list(self._folders), include_defaults=False)
        self._whole = False

    def load(self, name: str, *, allow_code: bool) -> LoadedTask:
        """Load a task, a group or a tag with its documents. Raises UnloadableError."""
        try:
            entry = self._entry(name)
            self._refuse_unknown_members(name)
        except RecursionError as error:
            raise UnloadableError(Problem(Reason.TASK_UNREADABLE, f"{name}: the group holds itself")) from error
        # Before it is built: loading such a task already imports what runs code.
        self._refuse_code(name, allowed=allow_code)
        tasks: dict[str, Any] = {}
        groups: dict[str, Any] = {}
        for part in sorted(entry.tags) if entry.kind is Kind.TAG else [name]:
            found = self._build(part)
            tasks |= found["tasks"]
            groups |= found.get("groups", {})
        if broken := sentences.trouble():
            raise UnloadableError(Problem(Reason.TASK_UNREADABLE, f"{name}: {broken}"))
        facts = TaskFacts(
            name=name,
            leaves=tuple(self._facts_of(leaf, task) for leaf, task in tasks.items()),
            aggregates=_aggregates(groups.get(name)),
        )
        return LoadedTask(facts=facts, leaves=tasks, groups=groups)

    def _entry(self, name: str) -> Any:
        if not self._known(name):
            self._widen()
        entry = self._manager.task_index.get(name)
        if entry is None:
            broken = "".join(f"; {problem}" for problem in self._broken_files())
            message = f"lm-eval knows no task {name!r}{nearest(name, self._manager.task_index)}{broken}"
            raise UnloadableError(Problem(Reason.TASK_UNKNOWN, clipped(message)))
        return entry

    def _known(self, name: str) -> bool:
        """Whether the present index holds the task with all that belongs to it."""
        index = self._manager.task_index
        if self._whole:
            return True
        # A tag may have more members among lm-eval's own tasks.
        if name not in index or index[name].kind is Kind.TAG:
            return False
        return all(member in index for member in self._members(name))

    def _widen(self) -> None:
        """Add lm-eval's own tasks; of two with one name the user's stays, and a tag has the members of both."""
        index = self._manager.task_index
        for name, entry in _own_index().items():
            kept = index.setdefault(name, entry)
            if kept is not entry and kept.kind is entry.kind is Kind.TAG:
                kept.tags |= entry.tags
        self._whole = True

    def _members(self, name: str) -> Iterator[str]:
        """All names below a group or a tag, known or not; the name itself for a task."""
        entry = self._manager.task_index.get(name)
        if entry is None or entry.kind not in (Kind.GROUP, Kind.TAG):
            yield name
        elif entry.kind is Kind.TAG:
            yield from sorted(entry.tags)
        else:
            for item in (entry.cfg or {}).get("task") or []:
                # A mapping defines a task or a group on the spot, or changes a known one.
                member = item if isinstance(item, str) else item.get("task")
                if isinstance(member, str) and (isinstance(item, str) or member in self._manager.task_index):
                    yield from self._members(member)

    def _refuse_unknown_members(self, name: str) -> None:
        """lm-eval would take an unknown name for a task defined on the spot, and fail with something else."""
        for member in self._members(name):
            if member not in self._manager.task_index:
                hint = nearest(member, self._manager.task_index)
                message = f"{name}: the group names {member!r}, which lm-eval does not know{hint}"
                raise UnloadableError(Problem(Reason.TASK_UNKNOWN, message))

    def _refuse_code(self, name: str, *, allowed: bool) -> None:
        for leaf in self._members(name):
            entry = self._manager.task_index.get(leaf)
            config = (entry.cfg if entry is not None else None) or {}
            if config.get("unsafe_code"):
                problem = coding.runs_outside(leaf, config) if allowed else checks.code_refused(leaf)
                if problem is not None:
                    raise UnloadableError(problem)

    def _build(self, name: str) -> Any:
        """lm-eval's objects; data files are looked for beside the task's own file."""
        path = self._manager.task_index[name].yaml_path
        own = path is not None and any(Path(path).resolve().is_relative_to(folder) for folder in self._folders)
        try:
            with contextlib.chdir(Path(path).resolve().parent) if own else contextlib.nullcontext():
                return self._manager.load([name])
        except MergeSearchError:
            raise
        except Exception as error:  # a task's file may hold any code, and datasets raise what they like
            where = f" ({path})" if path else ""
            hint = ": has it any documents?" if isinstance(error, IndexError | StopIteration) else ""
            message = f"{name}{where} cannot be loaded: {_said(error)}{hint}"
            raise UnloadableError(_unloadable(message, error)) from error

    def _facts_of(self, name: str, task: Any) -> LeafFacts:
        escapes = coding.runs_outside(name, vars(task.config)) if getattr(task, "UNSAFE_CODE", False) else None
        if escapes is not None:
            raise UnloadableError(escapes)
        try:
            return _leaf_facts(name, task)
        except MergeSearchError:
            raise
        except Exception as error:  # documents are made by the task's own code
            message = f"{name}: its documents cannot be read: {_said(error)}"
            raise UnloadableError(Problem(Reason.TASK_UNREADABLE, message)) from error

    def _broken_files(self) -> Iterator[str]:
        """Files in the user's folders that lm-eval left out of its index because they cannot be read."""
        indexed = {entry.yaml_path for entry in self._manager.task_index.values()}
        for folder in self._folders:
            for path in sorted(folder.rglob("*.yaml")):
                if path not in indexed:
                    try:
                        load_yaml(path, resolve_func=False)
                    except Exception as error:  # noqa: BLE001 - whatever the parser says goes to the user
                        yield f"{path} cannot be read: {_one_line(error)}"


def prepare(task: LoadedTask, num_fewshot: int | None, max_gen_toks: int | None) -> None:
    """Set what the request asks for: greedy decoding, few-shot examples, the length of answers; as lm-eval itself
    does it in `simple_evaluate`.
    """
    for leaf in task.leaves.values():
        if leaf.get_config("output_type") == "generate_until":
            settings = {"do_sample": False, "temperature": 0.0}
            if max_gen_toks is not None:
                for alias in TOKEN_LIMITS:
                    leaf.get_config("generation_kwargs").pop(alias, None)
                settings["max_gen_toks"] = max_gen_toks
            leaf.set_config(key="generation_kwargs", value=settings, update=True)
        fixed = leaf.get_config("num_fewshot")
        if num_fewshot is not None and fixed != 0:
            leaf.set_config(key="num_fewshot", value=num_fewshot)
        elif fixed is None:
            leaf.set_config(key="num_fewshot", value=0)


@functools.cache
def _own_index() -> Mapping[str, Any]:
    """lm-eval's own tasks; once a process."""
    return dict(lm_eval.tasks.TaskManager().task_index)


def _leaf_facts(name: str, task: Any) -> LeafFacts:
    config = task.config
    documents = task.eval_docs
    pool = getattr(getattr(task, "sampler", None), "df", None)
    metrics = _metrics(task)
    declared = [entry.get("metric") for entry in config.metric_list or []]
    splits, own = sentences.parameters() if sentences.used_by([config.process_results, *declared]) else ("", False)
    return LeafFacts(
        name=name,
        total=len(documents),
        documents=fingerprints.digest(documents, pool or [], config, splits),
        metrics=metrics,
        open_ended=callable(config.process_results) or any(callable(metric) for metric in declared) or not metrics,
        filters=tuple(entry["name"] for entry in config.filter_list or [{"name": "none"}]),
        output_type=str(config.output_type),
        fixed_fewshot=config.num_fewshot,
        fewshot_pool=None if pool is None else len(pool),
        fewshot_from_documents=_draws_from_documents(task),
        runs_code=bool(getattr(task, "UNSAFE_CODE", False)),
        multimodal=bool(getattr(task, "MULTIMODAL", False)),
        repeats=int(config.repeats or 1),
        max_gen_toks=_answer_limit(config.generation_kwargs or {}),
        own_sentences=own,
    )


def _metrics(task: Any) -> dict[str, MetricFacts]:
    directions = task.higher_is_better()
    return {
        str(name): MetricFacts(
            higher_is_better=directions.get(name),
            is_mean=aggregation is lm_eval.api.metrics.mean,
        )
        for name, aggregation in task.aggregation().items()
    }


def _draws_from_documents(task: Any) -> bool:
    config = task.config
    scored = config.test_split or config.validation_split
    fewshot = config.fewshot_config
    split = getattr(fewshot, "split", None)
    if split is None and getattr(fewshot, "samples", None) is not None:
        return False
    return bool((split or config.training_split or config.validation_split or config.test_split) == scored)


def _answer_limit(generation: dict[str, Any]) -> int | None:
    return next((int(generation[name]) for name in TOKEN_LIMITS if generation.get(name) is not None), None)


def _aggregates(group: Any) -> dict[tuple[str, str | None], Weighting]:
    """The metrics that a group makes of its leaves, and how it weights them."""
    found: dict[tuple[str, str | None], Weighting] = {}
    for entry in (group.aggregate_metric_list if group is not None else None) or []:
        filters = entry.filter_list
        for name in [filters] if filters is None or isinstance(filters, str) else filters:
            found[(entry.metric, name)] = "size" if entry.weight_by_size else "equal"
    return found


def _said(error: BaseException) -> str:
    """The error, and the one that it began with: datasets say little themselves."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    own = f"{type(error).__name__}: {_one_line(error)}"
    return own if first is error else f"{own} ({type(first).__name__}: {_one_line(first)})"


def _unloadable(message: str, error: BaseException) -> Problem:
    """Nothing is wrong with a task whose data set is out of reach; that may pass, unless fetching is switched off."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    refused = [one for one in chain if isinstance(one, ConnectionError | TimeoutError)]
    passes = any(OFFLINE not in str(one) for one in refused)
    if refused or any(words in str(one) for one in chain for words in UNREACHABLE):
        return Problem(Reason.DATA_SET_UNREACHABLE, f"{message}; {WAYS}", transient=passes)
    return Problem(Reason.TASK_UNREADABLE, message)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "it says no more"
    return clipped(text, ERROR_CHARACTERS)
