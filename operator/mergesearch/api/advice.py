"""What is allowed in a manifest, but is seldom meant; pure.

A piece of advice has the form of a problem and stops nothing. Advice about tasks is in `advice_tasks`.
"""

from collections.abc import Iterator

from mergesearch.api import base, check_pods
from mergesearch.api.problem import Problem, words
from mergesearch.api.resource import MergeSearch


def generations_come_out_even(resource: MergeSearch) -> Iterator[Problem]:
    """An unfinished generation is evaluated and teaches the optimiser nothing."""
    search = resource.spec.search
    for name in ("cmaes", "random"):
        chosen = getattr(search.algorithm, name)
        size = None if chosen is None else chosen.population_size
        if name == "cmaes" and size is not None and search.max_evaluations % size:
            rest = search.max_evaluations % size
            yield Problem(
                "spec.search.maxEvaluations",
                f"{search.max_evaluations}, {rest} more than whole generations of {size}",
                f"{search.max_evaluations - rest} or {search.max_evaluations - rest + size}",
                f"the last {rest} candidates are evaluated, but teach the optimiser nothing",
                rests_on=(f"spec.search.algorithm.{name}.populationSize",),
            )


def evaluators_have_work(resource: MergeSearch) -> Iterator[Problem]:
    """A generation is asked for at once; more evaluators than it has members wait."""
    search, evaluator = resource.spec.search, resource.spec.evaluator
    slots = search.parallelism * evaluator.batch
    chosen = search.algorithm.cmaes or search.algorithm.random
    size = (
        chosen.population_size if chosen is not None and chosen.population_size is not None else search.max_evaluations
    )
    if slots > size:
        yield Problem(
            "spec.search.parallelism",
            f"{search.parallelism} x evaluator.batch {evaluator.batch} = {slots} candidates at once",
            f"at most {size}",
            f"there are never more than {size} candidates to evaluate, so some evaluators never start",
            rests_on=("spec.evaluator.batch", "spec.search.maxEvaluations", "spec.search.algorithm"),
        )


def merges_reach_the_evaluators(resource: MergeSearch) -> Iterator[Problem]:
    """What is merged and not scored yet is bounded, and so are batches."""
    spec = resource.spec
    pending = spec.storage.max_pending
    wanted = (
        ("spec.merger.batch", "the merger never fills a batch", spec.merger.batch),
        (
            "spec.evaluator.batch",
            "the evaluators never have full batches",
            spec.search.parallelism * spec.evaluator.batch,
        ),
    )
    for other, message, number in wanted:
        if pending < number:
            yield Problem(
                "spec.storage.maxPending",
                f"the number {pending}",
                f"at least {number}, or a smaller {other}",
                message,
                rests_on=(other, "spec.search.parallelism"),
            )


def known_points_are_used(resource: MergeSearch) -> Iterator[Problem]:
    """Only a warm start reads what is known from earlier searches."""
    algorithm = resource.spec.search.algorithm
    if not resource.spec.search.initial or (algorithm.cmaes is not None and algorithm.cmaes.warm_start):
        return
    if algorithm.preset is not None:
        reason = f"the preset {algorithm.preset} starts from the uniform merge"
    else:
        reason = "random search does not learn" if algorithm.random is not None else "warmStart is false"
    found = f"{len(resource.spec.search.initial)} points"
    yield Problem(
        "spec.search.initial",
        found,
        "cmaes with warmStart",
        f"{reason}: these are not read",
        rests_on=("spec.search.algorithm",),
    )


def warm_start_has_history(resource: MergeSearch) -> Iterator[Problem]:
    """Without scores of baselines or known points a warm start is a cold one."""
    search = resource.spec.search
    cmaes = search.algorithm.cmaes
    reads_scores = cmaes is not None and cmaes.warm_start and cmaes.parametrization == "Softmax"
    if reads_scores and "Checkpoints" not in search.baselines and not search.initial:
        yield Problem(
            "spec.search.baselines",
            ", ".join(search.baselines) or "none",
            "Checkpoints among them, or spec.search.initial",
            "a warm start has no scores of checkpoints to start from",
            rests_on=("spec.search.initial", "spec.search.algorithm", "spec.search.baselines"),
        )


def winner_has_rivals(resource: MergeSearch) -> Iterator[Problem]:
    """A gain is measured against the baselines."""
    if not resource.spec.search.baselines:
        message = "there will be nothing that the winner is compared with"
        yield Problem("spec.search.baselines", "none", "Checkpoints, Uniform, MergeBest", message)


def aggregate_is_understood(resource: MergeSearch) -> Iterator[Problem]:
    """The aggregates other than means have their traps."""
    objective = resource.spec.objective
    weights = {base.number_of(task.weight) for task in objective.tasks}
    traps = {
        "GeometricMean": "a score of 0 on any task makes the fitness 0, however good the others are",
        "Minimum": "the worst task alone decides, and its noise is the noise of the search",
        "WeightedMean": "all tasks weigh the same, so this is the Mean" if len(weights) == 1 else "",
    }
    message = traps.get(objective.aggregate, "")
    if message and len(objective.tasks) > 1:
        rests_on = ("spec.objective.tasks[*].weight", "spec.objective.tasks.length")
        yield Problem(
            "spec.objective.aggregate", objective.aggregate, "Mean, if that is not meant", message, rests_on=rests_on
        )


def finalists_find_room(resource: MergeSearch) -> Iterator[Problem]:
    """The weights of the finalists stay until the winner is known."""
    keep, finalists = resource.spec.storage.keep_best, resource.spec.search.confirm.finalists
    if finalists > keep and "keep_best" in resource.spec.storage.model_fields_set:
        message = f"until the winner is known the {finalists} finalists stay, then {keep}"
        yield Problem(
            "spec.storage.keepBest",
            f"the number {keep}",
            f"room for {finalists} merges",
            message,
            rests_on=("spec.search.confirm.finalists",),
        )


def patience_can_run_out(resource: MergeSearch) -> Iterator[Problem]:
    """Patience counts generations."""
    search = resource.spec.search
    size = search.algorithm.cmaes or search.algorithm.random
    if search.patience is not None and size is not None and size.population_size is not None:
        generations = search.max_evaluations // size.population_size
        if search.patience >= generations:
            yield Problem(
                "spec.search.patience",
                f"{search.patience} generations",
                f"fewer than {generations}",
                f"the search has {generations} generations, so it ends before its patience does",
                rests_on=("spec.search.maxEvaluations", "spec.search.algorithm"),
            )


def claim_keeps_pods_apart(resource: MergeSearch) -> Iterator[Problem]:
    """The access mode of the workspace decides where pods can run, and how many."""
    template = resource.spec.storage.workspace.claim_template
    modes = template.access_modes if template is not None else ()
    where = "spec.storage.workspace.claimTemplate.accessModes"
    if modes == ("ReadWriteOnce",):
        message = "all pods of the search have to run on one node"
        if resource.spec.merger.slices > 1:
            message += f", where the {resource.spec.merger.slices} slices of a merge share its disks and its network"
        yield Problem(
            where, "ReadWriteOnce", "ReadWriteMany for several nodes", message, rests_on=("spec.merger.slices",)
        )
    if modes == ("ReadWriteOncePod",):
        message = "a merger and an evaluator never run at the same time"
        yield Problem(where, "ReadWriteOncePod", "ReadWriteMany", message)


def gpu_hours_are_counted(resource: MergeSearch) -> Iterator[Problem]:
    """A budget of GPU-hours is spent by GPUs."""
    hours = resource.spec.search.max_gpu_hours
    asked = [
        name for _, stage in check_pods.stages(resource) for name in stage.resources.limits if base.GPU.fullmatch(name)
    ]
    if hours is not None and not asked:
        message = "no stage asks for a GPU, so this budget is never spent"
        allowed = 'evaluator.resources.limits with a GPU, such as nvidia.com/gpu: "1"'
        rests_on = ("spec.merger.resources", "spec.evaluator.resources")
        yield Problem("spec.search.maxGpuHours", words(hours), allowed, message, rests_on=rests_on)


def deadline_fits_into_the_duration(resource: MergeSearch) -> Iterator[Problem]:
    """One process should not be allowed more time than the whole search."""
    duration = resource.spec.search.max_duration
    for name, stage in check_pods.stages(resource):
        if duration is not None and stage.active_deadline_seconds > base.seconds_of(duration):
            where = f"spec.{name}.activeDeadlineSeconds"
            found = f"the number {stage.active_deadline_seconds}"
            allowed = f"at most {base.seconds_of(duration)}, the {duration} of spec.search.maxDuration"
            message = "a single process may take longer than the search"
            yield Problem(where, found, allowed, message, rests_on=("spec.search.maxDuration",))


def search_is_meant_to_wait(resource: MergeSearch) -> Iterator[Problem]:
    """A suspended search starts nothing."""
    if resource.spec.suspend:
        yield Problem("spec.suspend", "true", "false to begin", "nothing starts while this is true")
