"""The tables of a report as plain text in rows, for the terminal and the page, rounded for people; pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mergesearch.api.status import RecordState
from mergesearch.report import significance, wording
from mergesearch.report.shapes import Role, Row, Scale, Scored, Summary, TaskFacts


@dataclass(frozen=True)
class Table:
    """Rows of strings under headers; every row is as long as the headers."""

    caption: str
    headers: list[str]
    rows: list[list[str]]
    words: int = 1
    """The first so many columns are words, the others numbers."""


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets begin to reckon at."""
SEARCH_COLUMN = "; under search: the fitness on search samples"
LEFT_OUT = (
    "; a baseline with a dash under unseen was not compared, as search.confirm.baselines: Best has it (All compares "
    "every one)"
)


def short(summary: Summary) -> Table:
    """The final table without the tasks and the search samples, for a narrow terminal."""
    whole = final(summary)
    dropped = {"search", *_task_headers(summary.tasks)}
    left = [index for index, header in enumerate(whole.headers) if header not in dropped]
    return Table(
        caption=whole.caption.replace(SEARCH_COLUMN, ""),
        headers=[whole.headers[index] for index in left],
        rows=[[row[index] for index in left] for row in whole.rows],
        words=whole.words,
    )


def final(summary: Summary) -> Table:
    """The winner, the other finalists and every baseline, with the winner's gain over each.

    Task scores are those on the unseen samples; before anything is scored there, those on the search samples.
    """
    if not summary.confirmed:
        return on_search(summary)
    # What decides comes first, so that a narrow page shows it without scrolling.
    headers = ["model", "role", "unseen", "winner's gain", "95% interval", "p", "search"]
    headers += _task_headers(summary.tasks)
    rows = [
        [
            row.name,
            row.role.value,
            _fitness(row.on_unseen, summary.scale),
            *_gain(row, summary.scale),
            _fitness(row.on_search, summary.scale),
            *_scores(row.on_unseen, summary.tasks),
        ]
        for row in summary.rows
    ]
    caption = _with_unit("On unseen samples, with the winner's gain over each baseline", summary) + SEARCH_COLUMN
    if summary.winner is not None and any(_left_out(row) for row in summary.rows):
        caption += LEFT_OUT
    return Table(caption=caption, headers=headers, rows=rows, words=2)


def on_search(summary: Summary) -> Table:
    """Every baseline and the best candidates on the samples that the search sees."""
    tasks = summary.held_in
    rows = [
        [row.name, row.role.value, _or_state(row, summary.scale), *_scores(row.on_search, tasks)]
        for row in summary.rows
    ]
    return Table(
        caption=_with_unit("Scores on the search samples", summary),
        headers=["model", "role", "fitness", *_task_headers(tasks)],
        rows=rows,
        words=2,
    )


def weights(summary: Summary) -> Table:
    """The weights of the winner, or of the best candidate so far."""
    whose = f"the winner, {summary.winner}" if summary.winner is not None else f"the best so far, {summary.weights_of}"
    return Table(
        caption=f"Weights of {whose}",
        headers=["checkpoint", "weight"],
        rows=[[entry.checkpoint, wording.weight(entry.weight)] for entry in summary.weights],
    )


def generations(summary: Summary) -> Table:
    """What the optimiser got to see, generation by generation."""
    headers = ["generation", "candidates", "failed", "told", "best", "mean", "clipped to 0", "weights of 0"]
    facts = summary.optimizer.generations if summary.optimizer is not None else ()
    rows = [
        [
            str(one.number + 1),
            str(one.candidates),
            str(one.failed),
            "yes" if one.told else "no",
            wording.score(one.best, summary.scale),
            wording.score(one.mean, summary.scale),
            wording.share(one.clipped),
            wording.share(one.zeros),
        ]
        for one in facts
    ]
    return Table(caption=_with_unit("Generations, on the search samples", summary), headers=headers, rows=rows)


def evaluations(summary: Summary) -> Table:
    """Every candidate in the order in which it was proposed."""
    tasks = summary.held_in
    rows = [
        [
            one.id,
            one.state.value if one.same_as is None else f"{one.state.value}, weights of {one.same_as}",
            str(one.number),
            wording.NOTHING if one.generation is None else str(one.generation + 1),
            wording.score(one.fitness, summary.scale),
            wording.score(one.running_best, summary.scale),
            *_each(one.scores, tasks),
            _count(one.prompt_tokens),
            _count(one.generated_tokens),
            wording.NOTHING if one.seconds is None else f"{one.seconds:.1f}",
        ]
        for one in summary.evaluations
    ]
    headers = ["candidate", "state", "evaluation", "generation", "fitness", "best so far", *_task_headers(tasks)]
    headers += ["tokens read", "tokens written", "seconds"]
    return Table(
        caption=_with_unit("All candidates, on the search samples", summary), headers=headers, rows=rows, words=2
    )


def troubles(summary: Summary) -> Table:
    """What failed or had to be tried again."""
    rows = [
        [
            one.id,
            one.samples,
            one.state.value,
            one.reason or wording.NOTHING,
            wording.brief(one.message) or wording.NOTHING,
            str(one.attempt),
            str(one.disruptions),
        ]
        for one in summary.troubles
    ]
    headers = ["record", "samples", "state", "reason", "message", "tries", "disruptions"]
    return Table(caption="Failures and retries", headers=headers, rows=rows, words=5)


def samples(summary: Summary) -> Table:
    """The tasks, and how many samples each side has."""
    rows = [
        [
            task.name,
            task.metric,
            "held-out" if task.held_out else "held-in",
            task.weight or wording.NOTHING,
            _count(None if task.held_out else task.search_samples),
            _count(task.unseen_samples),
        ]
        for task in summary.tasks
    ]
    headers = ["task", "metric", "side", "weight", "search samples", "unseen samples"]
    return Table(caption="Tasks and their samples", headers=headers, rows=rows, words=3)


def questions(summary: Summary) -> Table:
    """What decides a score besides the model: how each task is asked, and what of the answer counts."""
    rows = [
        [
            task.name,
            task.metric,
            task.filter,
            "yes" if task.chat_template else "no",
            task.choice,
            "the task's own" if task.num_fewshot is None else str(task.num_fewshot),
        ]
        for task in summary.tasks
    ]
    headers = ["task", "metric", "filter", "chat template", "samples", "examples in the prompt"]
    return Table(caption="How the tasks are asked", headers=headers, rows=rows, words=5)


def documents(summary: Summary) -> Table:
    """What the preflight counted of every task, so that somebody else can tell whether theirs are the same."""
    rows = [
        [
            one.task,
            one.leaves[0].digest if len(one.leaves) == 1 else "one of each leaf task: see the JSON file",
            str(len(one.leaves)),
            f"{sum(leaf.documents for leaf in one.leaves):,}",
        ]
        for one in summary.rebuild.documents
    ]
    headers = ["task", "digest of the documents", "leaf tasks", "documents"]
    return Table(caption="Documents of the tasks", headers=headers, rows=rows, words=2)


def to_csv(table: Table) -> str:
    """The table as RFC 4180 has it, with a line of headers; no spreadsheet takes a name in it for a formula."""
    text = io.StringIO()
    csv.writer(text).writerows([_plain(cell) for cell in row] for row in (table.headers, *table.rows))
    return text.getvalue()


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _task_headers(tasks: Iterable[TaskFacts]) -> list[str]:
    return [f"{task.name} (held-out)" if task.held_out else task.name for task in tasks]


def _fitness(scored: Scored | None, scale: Scale) -> str:
    return wording.score(scored.fitness if scored is not None else None, scale)


def _or_state(row: Row, scale: Scale) -> str:
    """The fitness, or why there is none yet."""
    return _fitness(row.on_search, scale) if row.state is RecordState.SCORED else row.state.value.lower()


def _scores(scored: Scored | None, tasks: Sequence[TaskFacts]) -> list[str]:
    return _each(scored.scores if scored is not None else (), tasks)


def _each(scores: Sequence[float], tasks: Sequence[TaskFacts]) -> list[str]:
    """One cell a task, also where there are no scores."""
    known: list[float | None] = [*scores]
    known += [None] * (len(tasks) - len(known))
    return [wording.score(value, task.scale) for value, task in zip(known, tasks, strict=False)]


def _gain(row: Row, scale: Scale) -> list[str]:
    versus = row.versus
    if versus is None or row.role is Role.WINNER:
        return [wording.NOTHING] * 3
    return [wording.signed(versus.gain, scale), wording.interval(versus, scale), significance.told_p(versus)]


def _left_out(row: Row) -> bool:
    """Whether this is a baseline that was scored on the search samples alone."""
    return not row.role.is_candidate and row.on_unseen is None and row.state is RecordState.SCORED


def _count(number: int | None) -> str:
    return wording.NOTHING if number is None else f"{number:,}"


def _with_unit(caption: str, summary: Summary) -> str:
    return f"{caption} ({summary.scale.unit})" if summary.scale.unit else caption
