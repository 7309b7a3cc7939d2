"""Whether a task can be scored as the user asks. Pure: an ordered tuple of small checks over frozen facts.

Each check returns what is wrong in one sentence with a reason; all of them are asked, so that a person sees every
problem at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mergesearch.contract import Engine, Task, TaskQuestion
from mergesearch.reasons import Reason
from mergesearch_evaluator.facts import DEFAULT_MAX_GEN_TOKS, LeafFacts, TaskFacts, TokenizerFacts
from mergesearch_evaluator.problems import Problem, enumerated, nearest

CONTEXT_ARGUMENTS = ("max_model_len", "max_length")
"""Engine arguments that set the context length."""
OWN_SENTENCES = (
    "splits sentences by a list of abbreviations of MergeSearch's own, since NLTK finds no punkt_tab: in an answer "
    "with abbreviations, an instruction about the number of sentences may be judged otherwise than with NLTK's data"
)


@dataclass(frozen=True)
class Question:
    """A task as the user wrote it beside all that is known of it."""

    asked: TaskQuestion | Task
    found: TaskFacts
    engine: Engine
    tokenizer: TokenizerFacts


Check = Callable[[Question], Iterator[Problem]]


def problems_of(question: Question) -> list[Problem]:
    """Everything that stands in the way of scoring this task."""
    return [problem for check in CHECKS for problem in check(question)]


def shared_leaves(found: Sequence[TaskFacts]) -> Iterator[Problem]:
    """Two tasks that score the same documents would overwrite each other's samples."""
    owner: dict[str, str] = {}
    for task in found:
        for leaf in task.leaves:
            if leaf.name in owner:
                message = f"tasks {owner[leaf.name]} and {task.name} both score {leaf.name}: ask for it once"
                yield Problem(Reason.TASK_UNREADABLE, message)
            owner.setdefault(leaf.name, task.name)


def warnings_of(question: Question) -> Iterator[str]:
    """What is allowed, but may not be what was meant."""
    asked, name = question.asked, question.asked.name
    for leaf in question.found.leaves:
        if asked.metric not in leaf.metrics and leaf.open_ended:
            yield f"{leaf.name}: code of the task computes its metrics; {asked.metric} is known to exist once it ran"
        if leaf.repeats > 1:
            yield f"{leaf.name}: repeats {leaf.repeats} times, and greedy decoding says the same each time"
        if leaf.own_sentences:
            yield f"{leaf.name}: {OWN_SENTENCES}"
        shots = _shots(question, leaf)
        if shots and leaf.fewshot_from_documents:
            yield f"{leaf.name}: its {shots} few-shot examples come from the documents that are scored"
    if asked.num_fewshot is not None:
        fixed = sorted({leaf.fixed_fewshot for leaf in question.found.leaves if leaf.fixed_fewshot})
        if any(number != asked.num_fewshot for number in fixed):
            yield f"{name}: numFewshot {asked.num_fewshot} replaces the task's own {enumerated(map(str, fixed))}"


def _has_leaves(question: Question) -> Iterator[Problem]:
    if not question.found.leaves:
        yield Problem(Reason.TASK_UNREADABLE, f"{question.asked.name}: the group holds no task")


def _metric_exists(question: Question) -> Iterator[Problem]:
    metric = question.asked.metric
    lacking = [leaf for leaf in question.found.leaves if metric not in leaf.metrics and not leaf.open_ended]
    if lacking:
        known = lacking[0].metrics
        where = "" if len(lacking) == 1 else f" in {len(lacking)} of {len(question.found.leaves)} leaf tasks"
        message = f"{lacking[0].name}: no metric {metric!r}{where}; there are {enumerated(sorted(known))}"
        yield Problem(Reason.METRIC_MISSING, message + nearest(metric, known))


def _filter_exists(question: Question) -> Iterator[Problem]:
    name = question.asked.filter
    lacking = [leaf for leaf in question.found.leaves if name not in leaf.filters]
    if lacking:
        message = f"{lacking[0].name}: no filter {name!r}; there are {enumerated(lacking[0].filters)}"
        yield Problem(Reason.METRIC_MISSING, message)


def _higher_is_better(question: Question) -> Iterator[Problem]:
    metric = question.asked.metric
    for leaf in _first(question, lambda leaf: metric in leaf.metrics and not leaf.metrics[metric].higher_is_better):
        says = leaf.metrics[metric].higher_is_better
        what = "lower is better" if says is False else "the task does not say whether higher is better"
        message = f"{leaf.name}: metric {metric!r}: {what}; only metrics where higher is better can be optimised"
        yield Problem(Reason.METRIC_UNSUPPORTED, message)


def _score_is_a_mean(question: Question) -> Iterator[Problem]:
    metric = question.asked.metric
    for leaf in _first(question, lambda leaf: metric in leaf.metrics and not leaf.metrics[metric].is_mean):
        means = sorted(name for name, facts in leaf.metrics.items() if facts.is_mean)
        message = (
            f"{leaf.name}: metric {metric!r} is not a mean over samples, so candidates cannot be compared sample by "
            f"sample; metrics that are: {enumerated(means)}"
        )
        yield Problem(Reason.METRIC_UNSUPPORTED, message)


def _text_only(question: Question) -> Iterator[Problem]:
    for leaf in _first(question, lambda leaf: leaf.multimodal):
        yield Problem(Reason.TASK_UNREADABLE, f"{leaf.name}: needs images or audio; only text is supported")


def _code_is_allowed(question: Question) -> Iterator[Problem]:
    for leaf in _first(question, lambda leaf: leaf.runs_code and not question.engine.allow_code_execution):
        yield code_refused(leaf.name)


def code_refused(leaf: str) -> Problem:
    """What a task that runs model-written code gets where that is not allowed."""
    message = f"{leaf}: runs code that the model writes; allow it with evaluator.allowCodeExecution: true"
    return Problem(Reason.ENGINE_REFUSED, message)


def _chat_template_exists(question: Question) -> Iterator[Problem]:
    if question.asked.chat_template and not question.tokenizer.has_chat_template:
        message = f"{question.asked.name}: chatTemplate is asked for, but the checkpoint's tokenizer has none"
        yield Problem(Reason.TOKENIZER_MISMATCH, message)


def _fewshot_is_free(question: Question) -> Iterator[Problem]:
    """lm-eval never overrides a task that fixes zero examples; it would ignore the user in silence."""
    for leaf in _first(question, lambda leaf: leaf.fixed_fewshot == 0 and bool(question.asked.num_fewshot)):
        message = f"{leaf.name}: the task fixes 0 few-shot examples; numFewshot {question.asked.num_fewshot} would be"
        yield Problem(Reason.TASK_UNREADABLE, message + " ignored: leave it out")


def _fewshot_examples_suffice(question: Question) -> Iterator[Problem]:
    def short(leaf: LeafFacts) -> bool:
        needed = _shots(question, leaf) + (1 if leaf.fewshot_from_documents else 0)
        return bool(_shots(question, leaf)) and leaf.fewshot_pool is not None and leaf.fewshot_pool < needed

    for leaf in _first(question, short):
        message = f"{leaf.name}: {_shots(question, leaf)} few-shot examples, but only {leaf.fewshot_pool} to draw from"
        yield Problem(Reason.TOO_FEW_SAMPLES, message)


def _answer_fits_context(question: Question) -> Iterator[Problem]:
    engine, context = question.engine, context_length(question.engine, question.tokenizer)
    for leaf in _first(question, lambda leaf: context is not None and answer_tokens(engine, leaf) >= context):
        message = (
            f"{leaf.name}: answers may be {answer_tokens(engine, leaf)} tokens long, the context is {context}, "
            "so nothing is left for the prompt: lower evaluator.maxGenToks"
        )
        yield Problem(Reason.ENGINE_REFUSED, message)


CHECKS: tuple[Check, ...] = (
    _has_leaves,
    _metric_exists,
    _filter_exists,
    _higher_is_better,
    _score_is_a_mean,
    _text_only,
    _code_is_allowed,
    _chat_template_exists,
    _fewshot_is_free,
    _fewshot_examples_suffice,
    _answer_fits_context,
)


def context_length(engine: Engine, tokenizer: TokenizerFacts) -> int | None:
    """Tokens that prompt and answer may have together; None where nobody says."""
    for name in CONTEXT_ARGUMENTS:
        value = engine.engine_args.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return tokenizer.context_length


def answer_tokens(engine: Engine, leaf: LeafFacts) -> int:
    """Tokens that an answer may have; 0 for a task that only compares likelihoods."""
    if leaf.output_type != "generate_until":
        return 0
    return engine.max_gen_toks or leaf.max_gen_toks or DEFAULT_MAX_GEN_TOKS


def _shots(question: Question, leaf: LeafFacts) -> int:
    asked = question.asked.num_fewshot
    return (leaf.fixed_fewshot or 0) if asked is None or leaf.fixed_fewshot == 0 else asked


def _first(question: Question, wrong: Callable[[LeafFacts], bool]) -> Iterable[LeafFacts]:
    """The first leaf that is wrong in this way: sixty leaves of one group need no sixty sentences."""
    return [leaf for leaf in question.found.leaves if wrong(leaf)][:1]
