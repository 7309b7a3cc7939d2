"""Several searches side by side, such as one with two checkpoints, one with four and one with eight; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch.contract import Task
from mergesearch.lifecycle import phrases, samples
from mergesearch.report import exact, significance, summary, verdict, wording
from mergesearch.report.shapes import Outcome, Role, Row, Summary, Versus
from mergesearch.report.tables import Table

_SCORES = ["best checkpoint", "uniform", "merge-best", "greedy", "winner"]
_SEARCH = ["search", "outcome", "checkpoints", "algorithm", "evaluations", *_SCORES]
HEADERS = [*_SEARCH, "gain", "over", "95% interval", "p"]
EXACT_HEADERS = [*_SEARCH, "gain", "over", "low", "high", "p", "corrected p"]
BASELINES = (Role.CHECKPOINT, Role.UNIFORM, Role.MERGE_BEST, Role.GREEDY)
DECIDED = (Outcome.GAIN, Outcome.NO_GAIN, Outcome.UNPROVEN)
OWN_SAMPLES = (
    "These searches do not have the same unseen samples, since {what}: compare each winner with the baselines in its "
    "own row, not with the winners of other rows."
)
GAIN = "The gain is the winner's over the strongest of its baselines that it does not clearly beat, else over the "
GAIN += "strongest of all, with a paired bootstrap over unseen samples."


@dataclass(frozen=True)
class Line:
    """One search of the comparison."""

    resource: MergeSearch
    summary: Summary
    winner: Row | None
    baselines: tuple[Row | None, ...]
    """Of each kind the one that was best on the search samples, among those that were confirmed."""
    against: tuple[Row, Versus] | None
    """The comparison that decides."""


def lines(resources: Iterable[MergeSearch]) -> tuple[Line, ...]:
    """Each search with its winner and its baselines, in the order given."""
    return tuple(_line(resource) for resource in resources)


def table(some: Sequence[Line]) -> Table:
    """A row a search, rounded for people: its winner and its baselines on unseen samples."""
    caption = "Searches on unseen samples (fractions as points)"
    return Table(caption=caption, headers=HEADERS, rows=[_told(line) for line in some], words=2)


def exact_table(some: Sequence[Line]) -> Table:
    """The same for programs, every number as the searches have it."""
    caption = "Searches on unseen samples"
    return Table(caption=caption, headers=EXACT_HEADERS, rows=[_exact(line) for line in some], words=2)


def notes(some: Sequence[Line]) -> tuple[str, ...]:
    """Sentences that the table has to be read with."""
    found = [GAIN]
    differing = _differing([line.resource for line in some])
    if differing:
        found.append(OWN_SAMPLES.format(what=f"their {phrases.listed(differing)} differ"))
    open_ones = [line.summary.name for line in some if line.summary.outcome not in DECIDED]
    if open_ones:
        verb = "has no winner" if len(open_ones) == 1 else "have no winner"
        found.append(f"{phrases.listed(open_ones)} {verb}: `mergesearch status` and `kubectl describe` say why.")
    return tuple(found)


def _line(resource: MergeSearch) -> Line:
    one = summary.summarize(resource)
    winner = next((row for row in one.rows if row.role is Role.WINNER), None)
    return Line(
        resource=resource,
        summary=one,
        winner=winner,
        baselines=tuple(_baseline(one, role) for role in BASELINES),
        against=verdict.weakest(one.rows) if winner is not None else None,
    )


def _told(line: Line) -> list[str]:
    one, scale = line.summary, line.summary.scale
    found = [
        one.name,
        one.outcome.value,
        str(len(one.rebuild.checkpoints)),
        one.optimizer.name if one.optimizer is not None else wording.NOTHING,
        str(one.tries.scored),
        *(wording.score(_fitness(row), scale) for row in (*line.baselines, line.winner)),
    ]
    if line.against is None:
        return [*found, *[wording.NOTHING] * 4]
    row, versus = line.against
    told = wording.signed(versus.gain, scale), row.name, wording.interval(versus, scale), significance.told_p(versus)
    return [*found, *told]


def _exact(line: Line) -> list[str]:
    one = line.summary
    found = [
        one.name,
        one.outcome.value,
        len(one.rebuild.checkpoints),
        one.optimizer.name if one.optimizer is not None else None,
        one.tries.scored,
        *(_fitness(row) for row in (*line.baselines, line.winner)),
    ]
    compared: tuple[exact.Value, ...] = (None,) * 6
    if line.against is not None:
        row, versus = line.against
        compared = (versus.gain, row.name, versus.low, versus.high, versus.p, versus.corrected_p)
    return [exact.cell(value) for value in (*found, *compared)]


def _baseline(one: Summary, role: Role) -> Row | None:
    """The baseline of a kind that was best on the search samples, among those that were confirmed."""
    found = [(row, row.on_search) for row in one.rows if row.role is role and row.on_unseen is not None]
    best = max(found, key=lambda pair: pair[1].fitness if pair[1] is not None else 0.0, default=None)
    return best[0] if best is not None else None


def _fitness(row: Row | None) -> float | None:
    return row.on_unseen.fitness if row is not None and row.on_unseen is not None else None


def _differing(resources: Sequence[MergeSearch]) -> list[str]:
    """What keeps the searches from being scored on the same samples."""
    asked: dict[str, set[object]] = {
        "tasks": {tuple(task.name for task in one.spec.objective.tasks) for one in resources},
        "aggregates": {one.spec.objective.aggregate for one in resources},
    }
    differing = [what for what, values in asked.items() if len(values) > 1]
    known = [found for one in resources if (found := _unseen(one)) is not None]
    if not differing and any(found != known[0] for found in known):
        differing.append("samples, or how these are scored,")
    return differing


def _unseen(resource: MergeSearch) -> tuple[Task, ...] | None:
    """The tasks with their unseen samples; None before the preflight has counted them."""
    spec, status = resource.spec, resource.status or MergeSearchStatus()
    if len(status.preflight.tasks) != len(spec.objective.tasks) + len(spec.held_out.tasks):
        return None
    return samples.tasks_of(spec, status, "unseen")[: len(spec.objective.tasks)]
