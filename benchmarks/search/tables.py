"""Markdown from the records: means with standard errors over seeds, differences to the default run by run; pure."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from search import methods
from search.records import Dropped, Outcome

DEFAULT = methods.SOFTMAX.name


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def estimate(values: Sequence[float], digits: int = 2, *, sign: bool = False) -> str:
    """Mean and standard error of the mean."""
    if not values:
        return "–"
    mean = statistics.fmean(values)
    text = f"{mean:+.{digits}f}" if sign else f"{mean:.{digits}f}"
    return f"{text} ± {error(values):.{digits}f}" if len(values) > 1 else text


def error(values: Sequence[float]) -> float:
    """Standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))


def grid(
    lines: Sequence[Outcome],
    columns: Sequence[tuple[str, Callable[[Outcome], bool]]],
    cell: Callable[[Sequence[Outcome], Sequence[Outcome]], str],
) -> str:
    """A row for each method in order of appearance; a cell sees its own lines and those of the default beside it.

    Baselines have no budget: a column takes them whatever its budget is.
    """
    names = list(dict.fromkeys(line.method for line in lines))
    rows = []
    for name in names:
        cells = []
        for _, belongs in columns:
            own = [line for line in lines if line.method == name and belongs(line)]
            cells.append(cell(own, [line for line in lines if line.method == DEFAULT and belongs(line)]))
        rows.append([name, *cells])
    return markdown(["", *(title for title, _ in columns)], rows)


def regret(own: Sequence[Outcome], _: Sequence[Outcome]) -> str:
    """Mean regret."""
    return estimate([line.regret for line in own if line.regret is not None])


def confirmed(own: Sequence[Outcome], _: Sequence[Outcome]) -> str:
    """Mean fitness on unseen samples."""
    return estimate([line.confirmed for line in own])


def worse_by(own: Sequence[Outcome], default: Sequence[Outcome]) -> str:
    """Mean regret beyond the default's in the same landscape: above 0 where the default is better."""
    pairs = _paired(own, default)
    return estimate([(a.regret or 0.0) - (b.regret or 0.0) for a, b in pairs], sign=True) if pairs else "–"


def gain(own: Sequence[Outcome], default: Sequence[Outcome]) -> str:
    """Mean confirmed fitness beyond the default's in the same family and seed: below 0 where the default is better."""
    return estimate([a.confirmed - b.confirmed for a, b in _paired(own, default)], sign=True)


def examined(own: Sequence[Outcome], _: Sequence[Outcome]) -> str:
    """Mean fitness on the questions of the exam."""
    return estimate([line.exam for line in own if line.exam is not None])


def exam_gain(own: Sequence[Outcome], default: Sequence[Outcome]) -> str:
    """The same beyond the default's: below 0 where the default is better."""
    return estimate([(a.exam or 0.0) - (b.exam or 0.0) for a, b in _paired(own, default)], sign=True)


def effort(own: Sequence[Outcome], _: Sequence[Outcome]) -> str:
    """Evaluations to the final fitness of Paper: the median, and in how many runs it was reached."""
    if not own or not own[0].budget:
        return "–"
    numbers = [line.reached if line.reached is not None else math.inf for line in own]
    median = statistics.median_low(numbers)
    reached = sum(number < math.inf for number in numbers)
    return f"{median if median < math.inf else 'more'} ({reached} of {len(own)})"


def kept(own: Sequence[Outcome], _: Sequence[Outcome]) -> str:
    """Share of all weights that are not 0."""
    return f"{statistics.fmean(line.nonzero for line in own):.0%}" if own else "–"


def thresholds(lines: Sequence[Dropped], columns: Sequence[tuple[str, Callable[[Dropped], bool]]]) -> str:
    """What is read, and what the fitness gains, at each threshold."""
    head = ["skipBelow", *(f"{title}: {what}" for title, _ in columns for what in ("read", "fitness"))]
    rows = []
    for threshold in dict.fromkeys(line.threshold for line in lines):
        row = [threshold]
        for _, belongs in columns:
            own = [line for line in lines if line.threshold == threshold and belongs(line)]
            read = f"{statistics.fmean(line.read for line in own):.1%}" if own else "–"
            row += [read, estimate([line.gain for line in own], digits=3, sign=True)]
        rows.append(row)
    return markdown(head, rows)


def _paired(own: Sequence[Outcome], default: Sequence[Outcome]) -> list[tuple[Outcome, Outcome]]:
    beside = {(line.world, line.checkpoints, line.seed): line for line in default}
    keys = [(line.world, line.checkpoints, line.seed) for line in own]
    return [(line, beside[key]) for line, key in zip(own, keys, strict=True) if key in beside]
