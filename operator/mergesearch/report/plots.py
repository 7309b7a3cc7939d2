"""Draws the plots of a report with matplotlib; the only module that imports it.

Drawn are shapes and words of our own; no name that a user chose enters a drawing. Colours are placeholders, see
`svg.py`.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mergesearch.api.status import RecordState
from mergesearch.lifecycle import phrases
from mergesearch.report import spacing, svg, wording
from mergesearch.report.shapes import Evaluation, Line, Role, Summary

DPI = 72
"""One pixel of the drawing is one of the page."""
DASHES = {
    Role.CHECKPOINT: (0, (1.2, 2)),
    Role.UNIFORM: (0, (4, 2)),
    Role.MERGE_BEST: (0, (8, 2, 1.5, 2)),
    Role.GREEDY: (0, (12, 3)),
}
"""Baselines differ by their dashes and their labels, never by colour alone."""
LABELS = {
    Role.CHECKPOINT: "checkpoint",
    Role.UNIFORM: "uniform",
    Role.MERGE_BEST: "merge-best",
    Role.GREEDY: "greedy",
}
LABEL_HEIGHT = 1.25
"""Of a line of text, in font sizes."""
HEADROOM = 0.06
"""Of the values' range, above and below them."""

DOT: dict[str, Any] = {
    "marker": "o",
    "markersize": 7,
    "markerfacecolor": svg.COLOURS["candidate"],
    "markeredgecolor": svg.COLOURS["paper"],
    "markeredgewidth": 0.8,
    "zorder": 4,
}
CROSS: dict[str, Any] = {
    "marker": "x",
    "markersize": 7,
    "markeredgewidth": 1.8,
    "color": svg.COLOURS["failed"],
    "zorder": 4,
}
STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 16,
    "markerfacecolor": svg.COLOURS["winner"],
    "markeredgecolor": svg.COLOURS["ink"],
    "zorder": 5,
}


@dataclass(frozen=True)
class Size:
    """A drawing's size and margins, in pixels."""

    width: int
    height: int
    left: int
    right: int
    font: float
    top: int = 10
    bottom: int = 44


WIDE = Size(width=760, height=380, left=56, right=92, font=12.5)
NARROW = Size(width=360, height=320, left=40, right=74, font=11)


def fitness_curve(summary: Summary, size: Size, prefix: str) -> str:
    """Fitness over evaluations as an SVG element: candidates, running best, failures, winner, baselines as lines."""
    with mpl.rc_context():
        mpl.rcdefaults()  # Not what the user's own matplotlibrc says.
        mpl.rcParams.update(_settings(size, prefix))
        figure = Figure(figsize=(size.width / DPI, size.height / DPI), dpi=DPI)
        axes = figure.add_axes(_inner(size))
        _frame(axes, summary, size)
        _baselines(axes, summary, size)
        _candidates(axes, summary)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return svg.for_page(text.getvalue(), prefix, "Fitness over evaluations", describe(summary))


def _settings(size: Size, prefix: str) -> dict[Any, Any]:
    ink, muted = svg.COLOURS["ink"], svg.COLOURS["muted"]
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": prefix,
        "text.parse_math": False,
        "font.size": size.font,
        "axes.edgecolor": muted,
        "axes.labelcolor": ink,
        "text.color": ink,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "grid.color": svg.COLOURS["grid"],
    }


def _inner(size: Size) -> tuple[float, float, float, float]:
    """Where the axes lie, as shares of the drawing: left, bottom, width, height."""
    return (
        size.left / size.width,
        size.bottom / size.height,
        1 - (size.left + size.right) / size.width,
        1 - (size.top + size.bottom) / size.height,
    )


def describe(summary: Summary) -> str:
    """The curve in words, for those who cannot see it."""
    scored = _scored(summary.evaluations)
    if not scored:
        return "No candidate is scored yet."
    first, last = scored[0], scored[-1]
    failed = sum(one.fitness is None and one.state is RecordState.FAILED for one in summary.evaluations)
    words = [
        f"{phrases.count(len(scored), 'scored candidate')}, {failed} failed.",
        f"The running best goes from {wording.score(first.fitness, summary.scale)} at evaluation {first.number} "
        f"to {wording.score(last.running_best, summary.scale)} at evaluation {last.number}.",
    ]
    if summary.lines:
        levels = [f"{LABELS[line.role]} {wording.score(line.fitness, summary.scale)}" for line in summary.lines]
        words.append(f"Baselines on the same samples: {phrases.listed(levels)}.")
    return " ".join(words)


def _scored(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return [one for one in evaluations if one.fitness is not None]


def _frame(axes: Axes, summary: Summary, size: Size) -> None:
    factor = summary.scale.factor
    values = [one.fitness for one in summary.evaluations if one.fitness is not None]
    values += [line.fitness for line in summary.lines]
    low, high = min(values, default=0.0) * factor, max(values, default=1.0) * factor
    pad = HEADROOM * (high - low) or 0.5
    axes.set_ylim(low - 2 * pad, high + pad)
    axes.set_xlim(0.4, max(2, len(summary.evaluations)) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5 if size is NARROW else 10, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_xlabel("evaluation")
    unit = f" ({summary.scale.unit})" if summary.scale.unit else ""
    axes.set_ylabel(f"fitness{unit}, search samples", labelpad=4)
    axes.grid(visible=True, axis="y", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _baselines(axes: Axes, summary: Summary, size: Size) -> None:
    factor = summary.scale.factor
    for line in summary.lines:
        axes.axhline(
            line.fitness * factor,
            gid=f"baseline-{line.role}",
            color=svg.COLOURS["baseline"],
            linestyle=DASHES[line.role],
            linewidth=1.4,
            zorder=2,
        )
    low, high = axes.get_ylim()
    per_pixel = (high - low) / (size.height - size.top - size.bottom)
    ordered = sorted(summary.lines, key=lambda line: line.fitness)
    places = spacing.spread([line.fitness * factor for line in ordered], LABEL_HEIGHT * size.font * per_pixel)
    for line, place in zip(ordered, places, strict=True):
        _label(axes, line, place)


def _label(axes: Axes, line: Line, place: float) -> None:
    axes.annotate(
        LABELS[line.role],
        xy=(1.0, place),
        xycoords=("axes fraction", "data"),
        xytext=(5, 0),
        textcoords="offset points",
        va="center_baseline",
        annotation_clip=False,
    )


def _candidates(axes: Axes, summary: Summary) -> None:
    factor = summary.scale.factor
    scored = _scored(summary.evaluations)
    _running_best(axes, summary)
    _marks(axes, "candidates", [(one.number, one.fitness * factor) for one in scored if one.fitness is not None], DOT)
    low, high = axes.get_ylim()
    failed = [one.number for one in summary.evaluations if one.state is RecordState.FAILED]
    _marks(axes, "failed", [(number, low + (high - low) * 0.025) for number in failed], CROSS)
    winner = [one for one in scored if one.id == summary.winner]
    _marks(axes, "winner", [(one.number, one.fitness * factor) for one in winner if one.fitness is not None], STAR)


def _running_best(axes: Axes, summary: Summary) -> None:
    """A step line up to the last score."""
    factor = summary.scale.factor
    last = max((one.number for one in _scored(summary.evaluations)), default=0)
    known = [one for one in summary.evaluations[:last] if one.running_best is not None]
    axes.plot(
        [one.number for one in known],
        [one.running_best * factor for one in known if one.running_best is not None],
        gid="running-best",
        drawstyle="steps-post",
        color=svg.COLOURS["best"],
        linewidth=2.2,
        zorder=3,
    )


def _marks(axes: Axes, name: str, points: Sequence[tuple[int, float]], style: dict[str, Any]) -> None:
    axes.plot(
        [number for number, _ in points],
        [value for _, value in points],
        gid=name,
        linestyle="none",
        clip_on=False,
        **style,
    )
