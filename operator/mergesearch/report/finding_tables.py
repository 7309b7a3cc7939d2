"""The tables of a report's findings as plain text in rows: pairs of tasks, the Pareto set, ρ, best weightings; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from mergesearch.lifecycle import chance
from mergesearch.report import wording
from mergesearch.report.correlation import Correlations
from mergesearch.report.findings import Heatmap, Pair, Tradeoffs, Volume
from mergesearch.report.shapes import Summary, TaskFacts
from mergesearch.report.tables import Table


@dataclass(frozen=True)
class Cell:
    """A cell of a shaded table."""

    text: str
    more: str
    """In small letters below."""
    share: float
    """Of the strongest shade, from -1 to 1; a number stands in every cell, so nothing hangs on the shade."""


@dataclass(frozen=True)
class Shaded:
    """A table whose cells are shaded by what they say."""

    caption: str
    headers: list[str]
    names: list[list[str]]
    """What stands before the cells of each row."""
    rows: list[list[Cell]]


def pairs(summary: Summary, found: Tradeoffs) -> Table:
    """What the drawings show, in numbers."""
    tasks = summary.held_in
    rows = [[*_names(pair, tasks), *_numbers(pair, tasks), str(len(pair.front))] for pair in found.pairs]
    headers = ["task across", "task upwards", "Spearman's ρ", "p", "slope of the line", "r²", "models on the front"]
    caption = "Pairs of tasks; ρ, p and the line are over the checkpoints"
    if len(found.pairs) < found.all_pairs:
        caption += f"; the {len(found.pairs)} of {found.all_pairs} pairs with the lowest ρ"
    return Table(caption=caption, headers=headers, rows=rows, words=2)


def _names(pair: Pair, tasks: Sequence[TaskFacts]) -> list[str]:
    return [tasks[pair.first].name, tasks[pair.second].name]


def _numbers(pair: Pair, tasks: Sequence[TaskFacts]) -> list[str]:
    scales = tasks[pair.first].scale, tasks[pair.second].scale
    return [
        wording.decimal(pair.rho),
        chance.value(pair.p) if pair.p is not None else wording.NOTHING,
        wording.slope(pair.fit.slope, *scales) if pair.fit is not None else wording.NOTHING,
        wording.decimal(pair.fit.r_squared) if pair.fit is not None else wording.NOTHING,
    ]


def front(summary: Summary, found: Tradeoffs) -> Table:
    """The Pareto set over all held-in tasks."""
    tasks = summary.held_in
    by_id = {point.id: point for point in found.points}
    rows = [
        [
            by_id[name].name,
            by_id[name].role.value,
            *(wording.score(score, task.scale) for score, task in zip(by_id[name].scores, tasks, strict=True)),
        ]
        for name in found.front
    ]
    headers = ["model", "role", *(task.name for task in tasks)]
    caption = "Models that no other one beats on every task, on the search samples"
    return Table(caption=caption, headers=headers, rows=rows, words=2)


def volumes(found: Volume) -> Table:
    """The curve in numbers."""
    rows = [[str(number), wording.decimal(volume, 4)] for number, volume in enumerate(found.curve)]
    caption = "Hypervolume after each evaluation; 0 is before the first"
    return Table(caption=caption, headers=["evaluation", "hypervolume"], rows=rows, words=0)


def reference(summary: Summary, found: Volume) -> Table:
    """Between what the hypervolume measures."""
    rows = [
        [
            task.name,
            wording.NOTHING if place in found.left_out else wording.score(found.reference[place], task.scale),
            wording.score(found.ideal[place], task.scale),
        ]
        for place, task in enumerate(summary.held_in)
    ]
    return Table(
        caption="Reference point, and the best checkpoint's score on each task",
        headers=["task", "reference", "best checkpoint"],
        rows=rows,
    )


def matrix(summary: Summary, found: Correlations) -> Shaded:
    """ρ of every pair with its p below."""
    tasks = summary.held_in
    return Shaded(
        caption=f"Spearman's ρ over {found.checkpoints} checkpoints, with p below",
        headers=["task", *(task.name for task in tasks)],
        names=[[task.name] for task in tasks],
        rows=[[_correlation(found, row, column) for column in range(len(tasks))] for row in range(len(tasks))],
    )


def _correlation(found: Correlations, row: int, column: int) -> Cell:
    if row == column:
        return Cell("1", "", 0.0)
    one = found.of(row, column)
    if one.rho is None or one.p is None:
        return Cell(wording.NOTHING, "", 0.0)
    return Cell(wording.decimal(one.rho), chance.equals(one.p), one.rho)


def heatmap(summary: Summary, found: Heatmap) -> Shaded:
    """The weights of the best candidates, checkpoint by checkpoint."""
    largest = max(weight for one in found.weightings for weight in one.weights)
    heads = [f"{one.id}: {wording.score(one.fitness, summary.scale)}" for one in found.weightings]
    count = len(found.weightings)
    return Shaded(
        caption=f"Weights of the best {count} candidates" if count > 1 else "Weights of the only candidate",
        headers=["checkpoint", "alone", *heads],
        names=[[source.name, wording.score(source.fitness, summary.scale)] for source in found.checkpoints],
        rows=[
            [
                Cell(wording.short_weight(one.weights[place]), "", one.weights[place] / largest)
                for one in found.weightings
            ]
            for place in range(len(found.checkpoints))
        ],
    )
