"""Several searches side by side, such as one with two checkpoints, one with four and one with eight; pure."""

from collections.abc import Sequence

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch.contract import Task
from mergesearch.lifecycle import phrases, samples
from mergesearch.report import significance, summary, verdict, wording
from mergesearch.report.shapes import Outcome, Role, Row, Scale, Summary
from mergesearch.report.tables import Table

HEADERS = [
    "search",
    "outcome",
    "checkpoints",
    "algorithm",
    "evaluations",
    "best checkpoint",
    "uniform",
    "merge-best",
    "greedy",
    "winner",
    "gain",
    "over",
    "95% interval",
    "p",
]
BASELINES = (Role.CHECKPOINT, Role.UNIFORM, Role.MERGE_BEST, Role.GREEDY)
DECIDED = (Outcome.GAIN, Outcome.NO_GAIN, Outcome.UNPROVEN)
OWN_SAMPLES = (
    "These searches do not have the same unseen samples, since {what}: compare each winner with the baselines in its "
    "own row, not with the winners of other rows."
)
GAIN = "The gain is the winner's over the strongest of its baselines that it does not clearly beat, else over the "
GAIN += "strongest of all, with a paired bootstrap over unseen samples."


def table(resources: Sequence[MergeSearch]) -> Table:
    """A row a search, in the order given: its winner and its baselines on unseen samples."""
    return Table(
        caption="Searches on unseen samples (fractions as points)",
        headers=HEADERS,
        rows=[_cells(summary.summarize(resource)) for resource in resources],
        words=2,
    )


def notes(resources: Sequence[MergeSearch]) -> tuple[str, ...]:
    """Sentences that the table has to be read with."""
    found = [GAIN]
    differing = _differing(resources)
    if differing:
        found.append(OWN_SAMPLES.format(what=f"their {phrases.listed(differing)} differ"))
    open_ones = [r.metadata.name for r in resources if summary.summarize(r).outcome not in DECIDED]
    if open_ones:
        some = "has no winner" if len(open_ones) == 1 else "have no winner"
        found.append(f"{phrases.listed(open_ones)} {some}: `mergesearch status` and `kubectl describe` say why.")
    return tuple(found)


def _cells(one: Summary) -> list[str]:
    winner = next((row for row in one.rows if row.role is Role.WINNER), None)
    against = verdict.weakest(one.rows) if winner is not None else None
    versus = against[1] if against is not None else None
    return [
        one.name,
        one.outcome.value,
        str(len(one.rebuild.checkpoints)),
        one.optimizer.name if one.optimizer is not None else wording.NOTHING,
        str(one.tries.scored),
        *(_score(_baseline(one, role), one.scale) for role in BASELINES),
        _score(winner, one.scale),
        wording.signed(versus.gain, one.scale) if versus is not None else wording.NOTHING,
        against[0].name if against is not None else wording.NOTHING,
        wording.interval(versus, one.scale) if versus is not None else wording.NOTHING,
        significance.told_p(versus) if versus is not None else wording.NOTHING,
    ]


def _baseline(one: Summary, role: Role) -> Row | None:
    """The baseline of a kind that was best on the search samples, among those that were confirmed."""
    found = [(row, row.on_search) for row in one.rows if row.role is role and row.on_unseen is not None]
    best = max(found, key=lambda pair: pair[1].fitness if pair[1] is not None else 0.0, default=None)
    return best[0] if best is not None else None


def _score(row: Row | None, scale: Scale) -> str:
    return wording.score(row.on_unseen.fitness if row is not None and row.on_unseen is not None else None, scale)


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
