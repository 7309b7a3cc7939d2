"""Facts about the objective, the algorithm, the budgets and the baselines of a search; pure."""

import math
from collections.abc import Iterator

from mergesearch.api import base, spec
from mergesearch.api.problem import Problem, listing, nearest, render, repeated, words
from mergesearch.api.resource import MergeSearch

WEIGHT_TOLERANCE = 1e-6
"""Weights of a known point may miss a sum of 1 by this much: decimal strings are rounded."""
MAX_SIGMA = 100
"""A larger step leaves the simplex or the box at once, and far larger ones overflow."""
MAX_WEIGHT = 10**6
"""Of a task, and its inverse the least: sums of weights stay exact enough."""
MAX_DURATION = 366 * 24 * 3600
"""Seconds of a year: longer than any search, and short enough for every calendar."""
_ALGORITHMS = ("cmaes", "random", "preset")


def algorithm_is_one(resource: MergeSearch) -> Iterator[Problem]:
    """One algorithm proposes all candidates."""
    algorithm = resource.spec.search.algorithm
    chosen = [name for name in _ALGORITHMS if getattr(algorithm, name) is not None]
    if len(chosen) != 1:
        where = "spec.search.algorithm"
        yield Problem(
            where,
            " and ".join(chosen) or "none",
            f"exactly one of {listing(_ALGORITHMS)}",
            "one algorithm proposes the candidates",
            rests_on=tuple(f"{where}.{name}.presence" for name in _ALGORITHMS),
        )


def task_weights_have_an_effect(resource: MergeSearch) -> Iterator[Problem]:
    """Only a WeightedMean reads the weights of the tasks."""
    objective = resource.spec.objective
    if objective.aggregate == "WeightedMean":
        return
    for index, task in enumerate(objective.tasks):
        if base.number_of(task.weight) != 1:
            yield Problem(
                f"spec.objective.tasks[{index}].weight",
                words(task.weight),
                'no weight, or "1", unless spec.objective.aggregate is WeightedMean',
                f"the aggregate {objective.aggregate} does not read weights",
                rests_on=("spec.objective.aggregate",),
            )


def numbers_are_of_this_world(resource: MergeSearch) -> Iterator[Problem]:
    """Step size, weights and duration are such that arithmetic with them means something."""
    search = resource.spec.search
    sigma = search.algorithm.cmaes.sigma if search.algorithm.cmaes is not None else None
    if sigma is not None and base.number_of(sigma) > MAX_SIGMA:
        where = "spec.search.algorithm.cmaes.sigma"
        yield Problem(where, words(sigma), f"at most {MAX_SIGMA}; 0.7 is usual", "this step is too large")
    if search.max_duration is not None and base.seconds_of(search.max_duration) > MAX_DURATION:
        allowed = f"at most {MAX_DURATION // 3600}h; no maxDuration sets no limit"
        yield Problem("spec.search.maxDuration", words(search.max_duration), allowed, "this is more than a year")
    for index, task in enumerate(resource.spec.objective.tasks):
        if not 1 / MAX_WEIGHT <= base.number_of(task.weight) <= MAX_WEIGHT:
            where, allowed = f"spec.objective.tasks[{index}].weight", f"{1 / MAX_WEIGHT:g} to {MAX_WEIGHT}"
            yield Problem(where, words(task.weight), allowed, "this weight is too small or too large")


def goal_is_above_zero(resource: MergeSearch) -> Iterator[Problem]:
    """Every model reaches a goal of 0."""
    goal = resource.spec.objective.goal
    if goal is not None and base.number_of(goal) == 0:
        message = "the first candidate reaches this goal"
        yield Problem("spec.objective.goal", words(goal), 'a number above 0, such as "0.70"', message)


def baselines_are_different(resource: MergeSearch) -> Iterator[Problem]:
    """Each baseline is scored once."""
    names = resource.spec.search.baselines
    for index, first in repeated(names):
        other = f"spec.search.baselines[{first}]"
        message = f"{other} is this baseline already"
        yield Problem(f"spec.search.baselines[{index}]", names[index], "each baseline once", message, rests_on=(other,))


def baselines_have_what_they_need(resource: MergeSearch) -> Iterator[Problem]:
    """Merge-best and the greedy soup follow from the checkpoints' scores."""
    names = resource.spec.search.baselines
    for index, name in enumerate(names):
        if name in ("MergeBest", "Greedy") and "Checkpoints" not in names:
            where, message = f"spec.search.baselines[{index}]", f"{name} follows from the scores of the checkpoints"
            yield Problem(where, name, "Checkpoints beside it", message, rests_on=("spec.search.baselines",))


def evaluations_fit_into_the_status(resource: MergeSearch) -> Iterator[Problem]:
    """The status holds a vector of N numbers for every candidate."""
    count, evaluations = len(resource.spec.checkpoints), resource.spec.search.max_evaluations
    if count * evaluations > spec.MAX_PRODUCT:
        yield Problem(
            "spec.search.maxEvaluations",
            f"{count} checkpoints x {evaluations} evaluations = {count * evaluations}",
            f"at most {spec.MAX_PRODUCT}, so at most {spec.MAX_PRODUCT // count} evaluations",
            "the status would grow too large",
            rests_on=("spec.checkpoints.length",),
        )


def generation_fits_into_the_evaluations(resource: MergeSearch) -> Iterator[Problem]:
    """An optimiser learns from whole generations only."""
    evaluations = resource.spec.search.max_evaluations
    for name in ("cmaes", "random"):
        chosen = getattr(resource.spec.search.algorithm, name)
        if chosen is not None and chosen.population_size is not None and chosen.population_size > evaluations:
            yield Problem(
                f"spec.search.algorithm.{name}.populationSize",
                f"the number {chosen.population_size}",
                f"at most spec.search.maxEvaluations, {evaluations}",
                "no generation would ever be complete",
                rests_on=("spec.search.maxEvaluations",),
            )


def finalists_fit_into_the_evaluations(resource: MergeSearch) -> Iterator[Problem]:
    """Finalists are chosen among the candidates of the search."""
    finalists, evaluations = resource.spec.search.confirm.finalists, resource.spec.search.max_evaluations
    # The default number gives way to a short search; a number that somebody wrote is meant.
    if finalists > evaluations and "finalists" in resource.spec.search.confirm.model_fields_set:
        yield Problem(
            "spec.search.confirm.finalists",
            f"the number {finalists}",
            f"at most spec.search.maxEvaluations, {evaluations}",
            "there are fewer candidates than finalists",
            rests_on=("spec.search.maxEvaluations",),
        )


def known_points_name_checkpoints(resource: MergeSearch) -> Iterator[Problem]:
    """The weights of a known point belong to checkpoints of this search, and sum to 1."""
    names = [checkpoint.name for checkpoint in resource.spec.checkpoints]
    for index, point in enumerate(resource.spec.search.initial):
        where = f"spec.search.initial[{index}].weights"
        unknown = [name for name in point.weights if name not in names]
        for name in unknown:
            yield Problem(
                render(("spec", "search", "initial", index, "weights", name)),
                words(point.weights[name]),
                f"weights of {listing(names)}",
                f"no checkpoint is called {name}",
                nearest(name, names),
                rests_on=("spec.checkpoints[*].name", "spec.checkpoints.length"),
            )
        total = math.fsum(base.number_of(weight) for weight in point.weights.values())
        if abs(total - 1) > WEIGHT_TOLERANCE:
            found, allowed = f"a sum of {total:.9g}", f"a sum of 1, within {WEIGHT_TOLERANCE:g}"
            yield Problem(where, found, allowed, "these are not the weights of a merge", rests_on=(where,))


def known_points_have_all_scores(resource: MergeSearch) -> Iterator[Problem]:
    """A known point has a fitness only with a score for each held-in task."""
    names = [task.name for task in resource.spec.objective.tasks]
    rests_on = ("spec.objective.tasks[*].name", "spec.objective.tasks.length")
    for index, point in enumerate(resource.spec.search.initial):
        where = f"spec.search.initial[{index}].scores"
        allowed = f"scores of {' and '.join(names)}"
        unknown = [name for name in point.scores if name not in names]
        for name in unknown:
            place = render(("spec", "search", "initial", index, "scores", name))
            message = f"{name} is not a task of spec.objective"
            yield Problem(place, words(point.scores[name]), allowed, message, nearest(name, names), rests_on=rests_on)
        misspelt = {nearest(name, names) for name in unknown}
        missing = [name for name in names if name not in point.scores and name not in misspelt]
        if missing:
            message = f"{' and '.join(missing)} ha{'s' if len(missing) == 1 else 've'} no score"
            found = f"scores of {' and '.join(point.scores)}"
            yield Problem(where, found, allowed, message, rests_on=(where, *rests_on))
