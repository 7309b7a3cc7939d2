"""When no more candidates are asked for, and when the search opens again; pure."""

from collections.abc import Callable

from mergesearch.api.base import number_of, seconds_of
from mergesearch.api.status import Decision
from mergesearch.lifecycle import accounting, baselines, clock, records, strategy
from mergesearch.lifecycle.step import Step
from mergesearch.reasons import Reason


def close(step: Step) -> Step:
    """Close the search at the first fact that holds."""
    if step.status.closed is None:
        return step.change(closed=decision(step))
    return step


def reopen(step: Step) -> Step:
    """A larger budget, or a goal that the confirmation did not reach, opens a closed search again."""
    status = step.status
    edited = step.resource.metadata.generation != status.observed_generation
    refuted = status.closed is not None and status.closed.reason is Reason.GOAL_REACHED and status.confirmed is not None
    if status.closed is None or status.failed is not None or not (edited or refuted) or decision(step) is not None:
        return step
    return step.change(closed=None, completion_time=None)


def decision(step: Step) -> Decision | None:
    """Why no more candidates are asked for, if so."""
    return next((found for fact in FACTS if (found := fact(step)) is not None), None)


def the_goal_is_reached(step: Step) -> Decision | None:
    """The best candidate has reached the goal, and its confirmation, if there is one, has not refuted it."""
    goal = step.spec.objective.goal
    best = next(iter(records.best_first(step.status.candidates)), None)
    if goal is None or best is None or best.fitness is None or best.fitness < number_of(goal):
        return None
    again = records.find(step.status, "unseen", best.id)
    if again is not None and again.fitness is not None and again.fitness < number_of(goal):
        return None
    return Decision(reason=Reason.GOAL_REACHED, message=f"{best.id} has {best.fitness:.4f}, the goal is {goal}")


def the_evaluations_are_spent(step: Step) -> Decision | None:
    """As many candidates as allowed have ended."""
    total, allowed = len(step.status.candidates), step.spec.search.max_evaluations
    if total < allowed or not all(record.ended for record in step.status.candidates):
        return None
    return Decision(reason=Reason.BUDGET_SPENT, message=f"{total} of {allowed} evaluations")


def nothing_has_improved(step: Step) -> Decision | None:
    """No generation among the last `patience` ones has brought a better candidate."""
    patience = step.spec.search.patience
    told = strategy.told(step.status, step.status.algorithm.population_size) if step.status.algorithm else []
    if patience is None or len(told) <= patience:
        return None
    best = [max((m.fitness for m in generation if m.fitness is not None), default=-1e300) for generation in told]
    if max(best[-patience:]) > max(best[:-patience]):
        return None
    return Decision(reason=Reason.NO_IMPROVEMENT, message=f"{patience} generations without a better candidate")


def the_time_is_spent(step: Step) -> Decision | None:
    """The active time has reached its limit. The confirmation still runs."""
    limit = step.spec.search.max_duration
    active = clock.active_seconds(step)
    if limit is None or active < seconds_of(limit):
        return None
    return Decision(reason=Reason.DURATION_SPENT, message=f"search.maxDuration is {limit}")


def the_gpu_hours_are_spent(step: Step) -> Decision | None:
    """One more candidate, and the confirmation that has to come after it, would pass the limit."""
    limit = step.spec.search.max_gpu_hours
    if limit is None or affordable(step, 1 + confirmations_to_come(step)):
        return None
    hours = step.status.cost.gpu_seconds / 3600
    return Decision(
        reason=Reason.GPU_HOURS_SPENT, message=f"{hours:.2f} of {limit} GPU-hours; the rest is for the confirmation"
    )


FACTS: tuple[Callable[[Step], Decision | None], ...] = (
    the_goal_is_reached,
    the_evaluations_are_spent,
    nothing_has_improved,
    the_time_is_spent,
    the_gpu_hours_are_spent,
)


def affordable(step: Step, evaluations: int) -> bool:
    """Whether what ran, what is in flight and so many further candidates stay within the GPU-hours."""
    limit = step.spec.search.max_gpu_hours
    if limit is None:
        return True
    spent = step.status.cost.gpu_seconds + accounting.in_flight_gpu_seconds(step)
    coming = accounting.expected_gpu_seconds(step.spec, step.status, evaluations)
    return spent + coming <= 3600 * number_of(limit)


def confirmations_to_come(step: Step) -> int:
    """Records that a confirmation would score now."""
    confirm = step.spec.search.confirm
    others = len(step.status.baselines) if confirm.baselines == "All" else len(baselines.CONFIRMED_KINDS)
    return confirm.finalists + others
