"""The hypervolume over evaluations, with that of the checkpoints alone as a line."""

from mergesearch.report import canvas, svg, wording
from mergesearch.report.canvas import Size
from mergesearch.report.findings import Volume

CHECKPOINTS = (0, (1.2, 2))
LABEL = "checkpoints"


def volume_curve(volume: Volume, evaluations: int, size: Size, prefix: str) -> str:
    """The curve as an SVG element; `evaluations` is how many there are, scored or not."""
    with canvas.drawing(size, prefix, "Hypervolume over evaluations", describe(volume)) as drawn:
        axes = drawn.axes
        low, high = canvas.limits([volume.checkpoints, *volume.curve])
        pad = canvas.HEADROOM * (high - low) or 0.05
        axes.set_ylim(low - pad, high + pad)
        canvas.numbered(axes, evaluations, size)
        axes.set_xlim(-0.4, max(2, evaluations) + 0.6)
        axes.set_ylabel("hypervolume, search samples", labelpad=4)
        canvas.frame(axes, grid="y")
        axes.axhline(
            volume.checkpoints,
            gid="checkpoints",
            color=svg.COLOURS["baseline"],
            linestyle=CHECKPOINTS,
            linewidth=1.4,
            zorder=2,
        )
        axes.annotate(
            LABEL,
            xy=(1.0, volume.checkpoints),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center_baseline",
            annotation_clip=False,
        )
        axes.plot(
            range(len(volume.curve)),
            volume.curve,
            gid="volume",
            drawstyle="steps-post",
            color=svg.COLOURS["best"],
            linewidth=2.2,
            marker="o",
            markersize=3.5,
            zorder=3,
        )
    return drawn.svg


def describe(volume: Volume) -> str:
    """The curve in words, for those who cannot see it."""
    return (
        f"{wording.decimal(volume.checkpoints)} for the checkpoints alone, {wording.decimal(volume.curve[0])} with the "
        f"other baselines, {wording.decimal(volume.curve[-1])} after evaluation {len(volume.curve) - 1}."
    )
