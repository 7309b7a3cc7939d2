"""From a summary to its findings: which tasks trade off, what the search has added, at which cost; pure."""

import itertools
from collections.abc import Sequence

from mergesearch.api.status import RecordState
from mergesearch.report import correlation
from mergesearch.report.correlation import Correlations
from mergesearch.report.findings import (
    Absent,
    Compute,
    Findings,
    Fit,
    Heatmap,
    Pair,
    Point,
    Source,
    Tradeoffs,
    Volume,
    Weighting,
)
from mergesearch.report.shapes import Role, Summary
from mergesearch.search import hypervolume, selection

MAX_PAIRS = 6
"""All pairs of four tasks; of more, those that trade off most."""
TOP = 5
"""Weightings of the heatmap, as many as the paper shows."""
MARGIN = 0.1
"""Of the checkpoints' range, below the worst of them: the extremes of a front would count for nothing without it."""
ONE_TASK = Absent("The search has one task: there is nothing to trade off.")


def analyse(summary: Summary, training_flops: float | None = None) -> Findings:
    """The findings of a search at any moment. `training_flops` is what the checkpoints' training took, where known."""
    found = points(summary)
    correlated = _correlations(summary, found)
    return Findings(
        tradeoffs=_tradeoffs(summary, found, correlated),
        volume=_volume(summary, found),
        correlations=correlated,
        heatmap=_heatmap(summary),
        compute=_compute(summary, training_flops),
    )


def points(summary: Summary) -> tuple[Point, ...]:
    """Every model with its scores: the baselines, then the candidates in the order in which they were proposed."""
    known = [
        Point(row.id, row.name, row.role, row.on_search.scores)
        for row in summary.rows
        if row.on_search is not None and not row.role.is_candidate
    ]
    known += [
        Point(one.id, one.id, Role.WINNER if one.id == summary.winner else Role.CANDIDATE, one.scores)
        for one in summary.evaluations
        if one.fitness is not None
    ]
    return tuple(known)


def _checkpoints(found: Sequence[Point]) -> list[Point]:
    return [point for point in found if point.role is Role.CHECKPOINT]


def _correlations(summary: Summary, found: Sequence[Point]) -> Correlations | Absent:
    singles = _checkpoints(found)
    if len(summary.held_in) == 1:
        return ONE_TASK
    if len(singles) < correlation.FEWEST:
        return Absent(f"{_scored(singles)}; a correlation needs {correlation.FEWEST}.")
    return correlation.correlations([point.scores for point in singles])


def _tradeoffs(summary: Summary, found: tuple[Point, ...], correlated: Correlations | Absent) -> Tradeoffs | Absent:
    tasks = len(summary.held_in)
    if tasks == 1:
        return ONE_TASK
    if not found:
        return Absent("Nothing is scored yet.")
    pairs = [_pair(found, correlated, first, second) for first, second in itertools.combinations(range(tasks), 2)]
    # Sorting is stable: without a correlation the order of the tasks decides.
    kept = pairs if len(pairs) <= MAX_PAIRS else sorted(pairs, key=_harmony)[:MAX_PAIRS]
    front = tuple(found[place].id for place in selection.pareto([point.scores for point in found]))
    return Tradeoffs(points=found, front=front, pairs=tuple(kept), all_pairs=len(pairs))


def _harmony(pair: Pair) -> float:
    """The lower, the more the two tasks trade off."""
    return pair.rho if pair.rho is not None else 2.0


def _pair(found: Sequence[Point], correlated: Correlations | Absent, first: int, second: int) -> Pair:
    both = [(point.scores[first], point.scores[second]) for point in found]
    front = sorted((found[place] for place in selection.pareto(both)), key=lambda point: point.scores[first])
    one = correlated.of(first, second) if isinstance(correlated, Correlations) else None
    return Pair(
        first=first,
        second=second,
        front=tuple(point.id for point in front),
        fit=line([(point.scores[first], point.scores[second]) for point in _checkpoints(found)]),
        rho=one.rho if one is not None else None,
        p=one.p if one is not None else None,
    )


def line(both: Sequence[tuple[float, float]]) -> Fit | None:
    """The line of least squares through at least three points that differ in both numbers."""
    if len(both) < correlation.FEWEST or any(len(set(side)) == 1 for side in zip(*both, strict=True)):
        return None
    from scipy import stats

    found = stats.linregress([first for first, _ in both], [second for _, second in both])
    return Fit(slope=float(found.slope), intercept=float(found.intercept), r_squared=float(found.rvalue) ** 2)


def _volume(summary: Summary, found: Sequence[Point]) -> Volume | Absent:
    tasks, singles = len(summary.held_in), _checkpoints(found)
    if tasks == 1:
        return ONE_TASK
    missing = [row for row in summary.rows if row.role is Role.CHECKPOINT and row.state is not RecordState.SCORED]
    if missing or len(singles) < 2:
        return Absent(f"{_scored(singles)}; the scale comes from the scores of all of them.")
    columns = list(zip(*(point.scores for point in singles), strict=True))
    ideal = tuple(max(column) for column in columns)
    reference = tuple(min(column) - MARGIN * (max(column) - min(column)) for column in columns)
    used = [task for task in range(tasks) if ideal[task] > reference[task]]
    if not used:
        return Absent("All checkpoints score alike on every task, so there is no scale for a volume.")
    baselines = [point for point in found if point.role not in (Role.WINNER, Role.CANDIDATE)]
    ordered = [*singles, *(point for point in baselines if point not in singles)]
    ordered += [point for point in found if point not in baselines]
    scaled = [[(point.scores[t] - reference[t]) / (ideal[t] - reference[t]) for t in used] for point in ordered]
    grown = hypervolume.curve(scaled)
    after = dict(zip((point.id for point in ordered), grown.volumes, strict=True))
    return Volume(
        reference=reference,
        ideal=ideal,
        left_out=tuple(task for task in range(tasks) if task not in used),
        checkpoints=grown.volumes[len(singles) - 1],
        curve=tuple(_so_far(summary, after, grown.volumes[len(baselines) - 1])),
        error=grown.error,
    )


def _so_far(summary: Summary, after: dict[str, float], begun: float) -> list[float]:
    """A volume for every evaluation up to the last that is scored; one without a score adds nothing."""
    curve = [begun]
    last = max((one.number for one in summary.evaluations if one.fitness is not None), default=0)
    for one in summary.evaluations[:last]:
        curve.append(after[one.id] if one.fitness is not None else curve[-1])
    return curve


def _heatmap(summary: Summary) -> Heatmap | Absent:
    scored = [(one.fitness, one) for one in summary.evaluations if one.fitness is not None]
    if not scored:
        return Absent("No candidate is scored yet.")
    different = {one.weights: (fitness, one) for fitness, one in reversed(scored)}  # of equal weightings the first
    best = sorted(different.values(), key=lambda pair: (-pair[0], pair[1].number))[:TOP]
    alone = {
        row.name: row.on_search.fitness
        for row in summary.rows
        if row.role is Role.CHECKPOINT and row.on_search is not None
    }
    names = [source.name for source in summary.rebuild.checkpoints]
    order = sorted(range(len(names)), key=lambda place: -alone.get(names[place], float("-inf")))
    return Heatmap(
        checkpoints=tuple(Source(name=names[place], fitness=alone.get(names[place])) for place in order),
        weightings=tuple(
            Weighting(id=one.id, fitness=fitness, weights=tuple(one.weights[place] for place in order))
            for fitness, one in best
        ),
    )


def _compute(summary: Summary, training_flops: float | None) -> Compute | Absent:
    tokens = summary.spent.prompt_tokens + summary.spent.generated_tokens
    parameters = summary.rebuild.parameters
    if not tokens:
        return Absent("No tokens are counted yet.")
    if not parameters:
        return Absent("The preflight has not counted the parameters of a merge.")
    flops = summary.spent.flops
    return Compute(
        parameters=parameters,
        tokens=tokens,
        flops=flops,
        training_flops=training_flops,
        share=flops / training_flops if training_flops is not None else None,
    )


def _scored(singles: Sequence[Point]) -> str:
    return f"{len(singles)} checkpoint{' is' if len(singles) == 1 else 's are'} scored"
