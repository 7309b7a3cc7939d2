"""The tables of a report as programs read them: every number as the search has it, in fractions, nothing rounded; pure.

A cell without a number is empty. `tables.to_csv` sees to it that no spreadsheet takes a name for a formula.
"""

from collections.abc import Iterator, Sequence

from mergesearch.report.shapes import Evaluation, Measured, Scored, Summary, TaskFacts
from mergesearch.report.tables import Table

Value = str | float | int | None
STDERR = " stderr"


def candidates(summary: Summary) -> Table:
    """All baselines and candidates with their scores, standard errors, weights and what they have cost."""
    tasks, held_in = summary.tasks, summary.held_in
    headers = ["id", "kind", "evaluation", "generation", "state", "same as", "search fitness"]
    headers += [*_task_headers(held_in, on_unseen=False), "best so far", "unseen fitness"]
    headers += [*_task_headers(tasks, on_unseen=True), "tokens read", "tokens written", "seconds"]
    headers += [f"weight {source.name}" for source in summary.rebuild.checkpoints]
    some = (*summary.baselines, *summary.evaluations)
    rows = [[cell(value) for value in _candidate(one, len(held_in), len(tasks))] for one in some]
    return Table(caption="All baselines and candidates", headers=headers, rows=rows, words=2)


def results(summary: Summary) -> Table:
    """The winner, the other finalists and every baseline, with the winner's gain over each."""
    tasks, held_in = summary.tasks, summary.held_in
    headers = ["model", "role", "unseen fitness", "gain", "low", "high", "p", "corrected p", "decides"]
    headers += [*_task_headers(tasks, on_unseen=True), "search fitness", *_task_headers(held_in, on_unseen=False)]
    rows = []
    for row in summary.rows:
        one = row.versus
        compared: tuple[Value, ...] = (None,) * 6
        if one is not None:
            compared = (one.gain, one.low, one.high, one.p, one.corrected_p, "yes" if one.decides else "no")
        values = (row.name, row.role.value, row.on_unseen.fitness if row.on_unseen is not None else None, *compared)
        unseen, searched = _scored(row.on_unseen, len(tasks)), _scored(row.on_search, len(held_in))
        fitness = row.on_search.fitness if row.on_search is not None else None
        rows.append([cell(value) for value in (*values, *unseen, fitness, *searched)])
    return Table(caption="Results", headers=headers, rows=rows, words=2)


def cell(value: Value) -> str:
    """A number to its last digit; what reads it gets the same number."""
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _task_headers(tasks: Sequence[TaskFacts], *, on_unseen: bool) -> list[str]:
    """All scores, then all standard errors."""
    kinds = [("held-out" if task.held_out else "unseen") if on_unseen else "search" for task in tasks]
    return [f"{kind} {task.name}{end}" for end in ("", STDERR) for kind, task in zip(kinds, tasks, strict=True)]


def _candidate(one: Measured, held_in: int, tasks: int) -> Iterator[Value]:
    number, best = (one.number, one.running_best) if isinstance(one, Evaluation) else (None, None)
    yield from (one.id, one.kind.value, number, one.generation, one.state.value, one.same_as, one.fitness)
    searched = Scored(one.fitness, one.scores, one.errors) if one.fitness is not None else None
    yield from (*_scored(searched, held_in), best)
    yield one.on_unseen.fitness if one.on_unseen is not None else None
    yield from _scored(one.on_unseen, tasks)
    yield from (one.prompt_tokens, one.generated_tokens, one.seconds, *one.weights)


def _scored(scored: Scored | None, count: int) -> Iterator[float | None]:
    """A cell a task for its score, then one for its standard error, also where there are none."""
    for values in (scored.scores, scored.errors) if scored is not None else ((), ()):
        yield from (*values[:count], *[None] * (count - len(values)))
