"""What a report's findings mean, in pairs of a name and a few words; pure."""

from collections.abc import Iterator

from mergesearch.lifecycle import phrases
from mergesearch.report import correlation, wording
from mergesearch.report.background import Pair
from mergesearch.report.correlation import Correlations
from mergesearch.report.findings import Absent, Compute, Tradeoffs, Volume
from mergesearch.report.shapes import Summary


def tradeoffs(found: Tradeoffs) -> tuple[Pair, ...]:
    """What the drawings show."""
    words = f"{phrases.count(len(found.front), 'model')} of {len(found.points)}: no other one beats them on every task"
    return (
        Pair("Pareto set", words),
        Pair("Front", "in each drawing, the models that no other one beats on both of its tasks"),
        Pair("Line", "least squares through the checkpoints: what a gain on one task costs on the other among them"),
    )


def volume(summary: Summary, found: Volume) -> tuple[Pair, ...]:
    """What the curve measures, and where it stands."""
    return tuple(_volume(summary, found))


def _volume(summary: Summary, found: Volume) -> Iterator[Pair]:
    yield Pair("Checkpoints alone", wording.decimal(found.checkpoints))
    yield Pair("With the other baselines", wording.decimal(found.curve[0]))
    if len(found.curve) > 1:
        yield Pair(f"After evaluation {len(found.curve) - 1}", wording.decimal(found.curve[-1]))
    yield Pair(
        "What it measures",
        "how much of all that can be wanted of the tasks at once some model reaches. 0 is the reference point, the "
        "worst checkpoint's score on each task less a tenth of the checkpoints' range; 1 would be a model that is as "
        "good as the best checkpoint on every task, and merges that are better than that pass it",
    )
    if found.left_out:
        tasks = summary.held_in
        names = phrases.listed([tasks[place].name for place in found.left_out])
        yield Pair("Left out", f"{names}: all checkpoints score alike there")
    how = "exactly" if found.error is None else f"by sampling, with a standard error of at most {found.error:.2g}"
    yield Pair("Computed", how)


def correlations(found: Correlations) -> tuple[Pair, ...]:
    """How to read the matrix."""
    return tuple(_correlations(found))


def _correlations(found: Correlations) -> Iterator[Pair]:
    yield Pair("Below 0", "checkpoints that are better at one task are worse at the other: a trade-off")
    count = phrases.count(found.checkpoints, "checkpoint")
    if found.least is None:
        yield Pair("Significance", f"with {count} no correlation, not even 1, has p below {correlation.LEVEL:g}")
    else:
        needed = f"|ρ| of at least {wording.decimal(found.least)} has p below {correlation.LEVEL:g}"
        yield Pair("Significance", f"with {count} {needed}")
    how = "all orders of the scores, counted" if found.exact else "Student's t"
    yield Pair("p", f"two-sided, of each pair by itself; {how}")


def compute(found: Compute | Absent) -> tuple[Pair, ...]:
    """What the evaluations have computed."""
    return tuple(_compute(found))


def _compute(found: Compute | Absent) -> Iterator[Pair]:
    if isinstance(found, Absent):
        yield Pair("FLOPs of evaluations", f"unknown: {found.why}")
        return
    how = f"2 × {found.parameters:,} parameters × {found.tokens:,} tokens that were counted"
    yield Pair("FLOPs of evaluations", f"{wording.flops(found.flops)}: {how}")
    if found.share is not None and found.training_flops is not None:
        share = wording.small_share(found.share)
        yield Pair("Share of the training", f"{share} of {wording.flops(found.training_flops)} FLOPs")
