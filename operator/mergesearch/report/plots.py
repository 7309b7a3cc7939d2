"""The fitness curve: every candidate, the running best, failures, the winner, baselines as lines."""

from collections.abc import Sequence

from mergesearch.api.status import RecordState
from mergesearch.lifecycle import phrases
from mergesearch.report import canvas, spacing, svg, wording
from mergesearch.report.canvas import Axes, Size
from mergesearch.report.shapes import Evaluation, Line, Role, Summary

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


def fitness_curve(summary: Summary, size: Size, prefix: str) -> str:
    """Fitness over evaluations as an SVG element: candidates, running best, failures, winner, baselines as lines."""
    with canvas.drawing(size, prefix, "Fitness over evaluations", describe(summary)) as drawn:
        _frame(drawn.axes, summary, size)
        _baselines(drawn.axes, summary, size)
        _candidates(drawn.axes, summary)
    return drawn.svg


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
    values = [one.fitness for one in summary.evaluations if one.fitness is not None]
    values += [line.fitness for line in summary.lines]
    low, high = canvas.limits([value * summary.scale.factor for value in values])
    pad = canvas.HEADROOM * (high - low) or 0.5
    axes.set_ylim(low - 2 * pad, high + pad)
    canvas.numbered(axes, len(summary.evaluations), size)
    unit = f" ({summary.scale.unit})" if summary.scale.unit else ""
    axes.set_ylabel(f"fitness{unit}, search samples", labelpad=4)
    canvas.frame(axes, grid="y")


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
    per_pixel = (high - low) / size.inner_height
    ordered = sorted(summary.lines, key=lambda line: line.fitness)
    wanted = [line.fitness * factor for line in ordered]
    places = spacing.spread(wanted, canvas.LABEL_HEIGHT * size.font * per_pixel)
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
    scored = [(one.number, one.fitness * factor, one.id) for one in summary.evaluations if one.fitness is not None]
    _running_best(axes, summary)
    canvas.marks(axes, "candidates", [(number, fitness) for number, fitness, _ in scored], canvas.DOT)
    low, high = axes.get_ylim()
    failed = [one.number for one in summary.evaluations if one.state is RecordState.FAILED]
    canvas.marks(axes, "failed", [(number, low + (high - low) * 0.025) for number in failed], canvas.CROSS)
    winner = [(number, fitness) for number, fitness, id_ in scored if id_ == summary.winner]
    canvas.marks(axes, "winner", winner, canvas.STAR)


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
