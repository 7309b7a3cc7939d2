"""What all drawings share: matplotlib's settings, sizes, marks, and how a drawing becomes part of the page; the only
module that imports matplotlib.

Drawn are shapes and words of our own; no name that a user chose enters a drawing. Colours are placeholders, see
`svg.py`.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib as mpl
import matplotlib.axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mergesearch.report import svg

Axes = matplotlib.axes.Axes
DPI = 72
"""One pixel of the drawing is one of the page."""
HEADROOM = 0.06
"""Of the values' range, above and below them."""
LABEL_HEIGHT = 1.25
"""Of a line of text, in font sizes."""

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
    "zorder": 6,
}
SQUARE: dict[str, Any] = {
    "marker": "s",
    "markersize": 6.5,
    "markerfacecolor": "none",
    "markeredgecolor": svg.COLOURS["ink"],
    "markeredgewidth": 1.6,
    "zorder": 5,
}
DIAMOND: dict[str, Any] = SQUARE | {"marker": "D", "markersize": 6.5, "markerfacecolor": svg.COLOURS["baseline"]}
"""Marks differ by their shapes, never by colour alone."""


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
    ticks: int = 10
    """At most so many on the lower axis."""

    @property
    def inner_height(self) -> int:
        """Of the axes."""
        return self.height - self.top - self.bottom


WIDE = Size(width=760, height=380, left=62, right=92, font=12.5)
NARROW = Size(width=360, height=330, left=58, right=82, font=12, bottom=46, ticks=5)
SMALL = Size(width=340, height=250, left=40, right=12, font=12, bottom=28, ticks=5)
"""One of several side by side, on a phone one below the other; what the axes are stands beside it."""


@dataclass
class Drawing:
    """Axes to draw on, and the text once they are done."""

    axes: Axes
    svg: str = field(default="", init=False)


@contextmanager
def drawing(size: Size, prefix: str, title: str, description: str) -> Iterator[Drawing]:
    """Draw inside; afterwards `svg` is an element of the page. `title` and `description` are for those who cannot see
    it, `prefix` keeps its ids apart.
    """
    with mpl.rc_context():
        mpl.rcdefaults()  # Not what the user's own matplotlibrc says.
        mpl.rcParams.update(_settings(size, prefix))
        figure = Figure(figsize=(size.width / DPI, size.height / DPI), dpi=DPI)
        drawn = Drawing(figure.add_axes(_inner(size)))
        yield drawn
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn.svg = svg.for_page(text.getvalue(), prefix, title, description)


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
        size.inner_height / size.height,
    )


def frame(axes: Axes, *, grid: Literal["both", "x", "y"]) -> None:
    """Two of four sides, and thin lines behind the marks."""
    axes.grid(visible=True, axis=grid, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def numbered(axes: Axes, evaluations: int, size: Size) -> None:
    """The lower axis counts evaluations."""
    axes.set_xlim(0.4, max(2, evaluations) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=size.ticks, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_xlabel("evaluation")


def few_ticks(axes: Axes, number: int) -> None:
    """On both axes."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=number))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=number))


def limits(values: Sequence[float]) -> tuple[float, float]:
    """The values' range."""
    return min(values, default=0.0), max(values, default=1.0)


def limit(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    """Both axes a little wider than the places."""
    across, upwards = (_wider([place[side] for place in places]) for side in (0, 1))
    axes.set_xlim(*across)
    axes.set_ylim(*upwards)


def _wider(values: Sequence[float]) -> tuple[float, float]:
    low, high = limits(values)
    pad = HEADROOM * (high - low) or 0.5
    return low - pad, high + pad


def marks(axes: Axes, name: str, places: Sequence[tuple[float, float]], style: dict[str, Any]) -> None:
    """The same mark at every place."""
    axes.plot(
        [first for first, _ in places],
        [second for _, second in places],
        gid=name,
        linestyle="none",
        clip_on=False,
        **style,
    )
