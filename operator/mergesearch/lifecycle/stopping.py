"""When no more candidates are asked for, what the budgets still allow, and what is given up; pure."""

import math
from collections.abc import Callable

from mergesearch.api.base import number_of, seconds_of
from mergesearch.api.status import Decision, MergeSearchStatus, Record, RecordKind
from mergesearch.lifecycle import baselines, clock, expectations, launches, records, strategy
from mergesearch.lifecycle.step import Step
from mergesearch.reasons import Reason

SPENT = (Reason.DURATION_SPENT, Reason.GPU_HOURS_SPENT)
"""Reasons for closing after which not even a greedy soup is scored any more."""


def close(step: Step) -> Step:
    """Close the search at the first fact that holds."""
    if step.status.closed is None:
        return step.change(closed=decision(step))
    return step


def decision(step: Step) -> Decision | None:
    """Why no more candidates are asked for, if so."""
    return next((found for fact in FACTS if (found := fact(step)) is not None), None)


def the_goal_is_reached(step: Step) -> Decision | None:
    """The best candidate has reached the goal and its confirmation is to come; or some candidate has reached it, on the
    unseen samples as well.
    """
    goal = step.spec.objective.goal
    if goal is None:
        return None
    wanted = number_of(goal)
    contenders = records.contenders(step.status)
    reached = [record for record, fitness in records.scored(contenders) if fitness >= wanted]
    confirmed = {record.id: fitness for record, fitness in records.scored(step.status.confirmations)}
    proven = [record for record in reached if confirmed.get(record.id, -1.0) >= wanted]
    found = proven or [record for record in reached[:1] if record.id not in confirmed]
    if not found:
        return None
    best = max(found, key=lambda record: confirmed.get(record.id, wanted))
    fitness, where = (confirmed[best.id], "unseen") if proven else (best.fitness, "the search")
    message = f"{best.id} has {fitness:.4f} on {where} samples, the goal is {goal}"
    return Decision(reason=Reason.GOAL_REACHED, message=message)


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
    best = [max((m.fitness for m in generation if m.fitness is not None), default=-math.inf) for generation in told]
    if max(best[-patience:]) > max(best[:-patience]):
        return None
    return Decision(reason=Reason.NO_IMPROVEMENT, message=f"{patience} generations without a better candidate")


def the_time_is_spent(step: Step) -> Decision | None:
    """The active time has reached its limit. The confirmation still runs."""
    limit = step.spec.search.max_duration
    if limit is None or clock.active_seconds(step) < seconds_of(limit):
        return None
    return Decision(reason=Reason.DURATION_SPENT, message=f"search.maxDuration of {limit} is spent")


def the_gpu_hours_are_spent(step: Step) -> Decision | None:
    """One more candidate, and the confirmation that has to come after it, would pass the limit."""
    limit = step.spec.search.max_gpu_hours
    if limit is None or affordable(step, search=1, unseen=confirmations_to_come(step)):
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


def affordable(step: Step, *, search: int = 0, unseen: int = 0, in_flight: bool = True) -> bool:
    """Whether what ran, what is in flight and so many further candidates, on the search samples and on the unseen
    ones, stay within the GPU-hours.
    """
    limit = step.spec.search.max_gpu_hours
    if limit is None:
        return True
    spent = step.status.cost.gpu_seconds + (expectations.in_flight_gpu_seconds(step) if in_flight else 0.0)
    coming = expectations.gpu_seconds(step.spec, step.status, search=search, unseen=unseen)
    return spent + coming <= 3600 * number_of(limit)


def confirmations_to_come(step: Step) -> int:
    """Records that a confirmation would have to score if the search closed now, at most."""
    search, status = step.spec.search, step.status
    if search.confirm.baselines == "All":
        others = sum(r.kind not in baselines.BESIDE for r in status.baselines) + ("Greedy" in search.baselines)
    else:
        others = len(search.baselines)
    known = sum(record.ended and record.kind is not RecordKind.SEARCH for record in status.confirmations)
    return min(search.confirm.finalists, search.max_evaluations) + max(0, others - known)


def reserve(step: Step) -> int:
    """Evaluations of the confirmation that anything else must leave affordable."""
    if step.status.closed is None or search_runs(step.status):
        return confirmations_to_come(step)
    live = records.live(step.status)
    waiting = sum(not r.ended and ("unseen", r.id) not in live for r in step.status.confirmations)
    return waiting + (not baselines.greedy_ended(step))


def search_runs(status: MergeSearchStatus) -> bool:
    """Whether a process works on a candidate of the search."""
    return any(record.state in launches.RUNNING for record in status.candidates)


def greedy_over(step: Step) -> bool:
    """Whether the greedy recipe has come to its end, or to that of the budget."""
    live = records.live(step.status)
    runs = any(("search", soup.id) in live for soup in baselines.of_kind(step.status, RecordKind.GREEDY))
    return baselines.greedy_ended(step) or (not runs and _too_late(step))


def given_up(step: Step, record: Record) -> bool:
    """Whether a baseline or a candidate will not be scored any more, unless the search opens again."""
    if step.status.closed is None or record.ended:
        return False
    return record.kind is RecordKind.SEARCH or (record.kind is RecordKind.GREEDY and _too_late(step))


def _too_late(step: Step) -> bool:
    """Whether a closed search has no budget for greedy soups."""
    closed = step.status.closed
    spent = (closed is not None and closed.reason in SPENT) or the_time_is_spent(step) is not None
    return spent or not affordable(step, search=1, unseen=reserve(step), in_flight=False)
