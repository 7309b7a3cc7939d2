"""One task against another: every model that is scored, the Pareto front, the line through the checkpoints."""

from collections.abc import Sequence

from mergesearch.lifecycle import phrases
from mergesearch.report import canvas, svg, wording
from mergesearch.report.canvas import Axes
from mergesearch.report.findings import Pair, Point, Tradeoffs
from mergesearch.report.shapes import Role, Scale

MERGES = ("merges", canvas.DIAMOND | {"markersize": 5.5})
MARKS = {
    Role.CANDIDATE: ("candidates", canvas.DOT | {"markersize": 5.5}),
    Role.CHECKPOINT: ("checkpoints", canvas.SQUARE | {"markersize": 5.5, "markeredgewidth": 1.4}),
    Role.UNIFORM: MERGES,
    Role.MERGE_BEST: MERGES,
    Role.GREEDY: MERGES,
    Role.WINNER: ("winner", canvas.STAR | {"markersize": 13}),
}
"""In the order in which they are drawn."""
FIT = (0, (6, 2.5))
TICKS = 5


def scatter(found: Tradeoffs, pair: Pair, scales: tuple[Scale, Scale], prefix: str, title: str) -> str:
    """A pair of tasks as an SVG element; `title` names the two for those who cannot see it, and the page beside it for
    all others: their names are people's own.
    """
    factors = scales[0].factor, scales[1].factor
    with canvas.drawing(canvas.SMALL, prefix, title, describe(found, pair, scales)) as drawn:
        axes = drawn.axes
        places = {point.id: _place(point, pair, factors) for point in found.points}
        canvas.limit(axes, list(places.values()))
        canvas.few_ticks(axes, TICKS)
        canvas.frame(axes, grid="both")
        _line(axes, found, pair, factors)
        _front(axes, [places[name] for name in pair.front])
        for name in dict.fromkeys(name for name, _ in MARKS.values()):
            roles = [role for role, (mark, _) in MARKS.items() if mark == name]
            some = [places[point.id] for point in found.points if point.role in roles]
            canvas.marks(axes, name, some, MARKS[roles[0]][1])
    return drawn.svg


def describe(found: Tradeoffs, pair: Pair, scales: tuple[Scale, Scale]) -> str:
    """The drawing in words, for those who cannot see it."""
    singles = sum(point.role is Role.CHECKPOINT for point in found.points)
    merges = len(found.points) - singles
    words = [
        f"{phrases.count(singles, 'checkpoint')} and {phrases.count(merges, 'merge')}; "
        f"{phrases.count(len(pair.front), 'model')} on the Pareto front."
    ]
    if pair.fit is not None:
        slope = wording.slope(pair.fit.slope, *scales)
        words.append(f"Line through the checkpoints: slope {slope}, r² {wording.decimal(pair.fit.r_squared)}.")
    return " ".join(words)


def _place(point: Point, pair: Pair, factors: tuple[float, float]) -> tuple[float, float]:
    return point.scores[pair.first] * factors[0], point.scores[pair.second] * factors[1]


def _line(axes: Axes, found: Tradeoffs, pair: Pair, factors: tuple[float, float]) -> None:
    """From the lowest checkpoint to the highest, since it says nothing beyond them."""
    if pair.fit is None:
        return
    known = [point.scores[pair.first] for point in found.points if point.role is Role.CHECKPOINT]
    ends = (min(known), max(known))
    axes.plot(
        [end * factors[0] for end in ends],
        [(pair.fit.intercept + pair.fit.slope * end) * factors[1] for end in ends],
        gid="fit",
        color=svg.COLOURS["baseline"],
        linestyle=FIT,
        linewidth=1.4,
        zorder=2,
    )


def _front(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    """Steps around what is dominated: from a model straight down to the next one's height, as no mix is promised."""
    axes.plot(
        [first for first, _ in places],
        [second for _, second in places],
        gid="front",
        drawstyle="steps-pre",
        color=svg.COLOURS["best"],
        linewidth=2.0,
        zorder=3,
    )
