"""When a search is closed, and that its budgets are hard."""

from datetime import timedelta

from mergesearch.api.status import Phase, Stage
from unit.lifecycle.world import Bench, resource, scored

GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}


def test_the_evaluations_are_counted_without_baselines_and_confirmations() -> None:
    bench = Bench(resource(search={"maxEvaluations": 10}))
    status = bench.rest()
    assert len(status.candidates) == 10
    assert bench.condition("Complete") == ("True", "BudgetSpent")


def test_a_goal_that_the_confirmation_reaches_ends_the_search() -> None:
    bench = Bench(resource(objective={"goal": "0.3"}, search={"maxEvaluations": 40}))
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "GoalReached")
    assert len(status.candidates) < 40


def test_a_goal_is_told_with_the_samples_that_it_was_reached_on() -> None:
    bench = Bench(resource(objective={"goal": "0.3"}, search={"maxEvaluations": 40}))
    closed = bench.until(lambda status: status.closed is not None).closed
    assert closed is not None
    best = bench.status.best
    assert best is not None
    assert closed.message == f"{best.id} has {best.fitness:.4f} on the search samples, the goal is 0.3"
    status = bench.rest()
    assert status.closed is not None
    assert status.confirmed is not None
    winner = f"{status.confirmed.id} has {status.confirmed.fitness:.4f} on unseen samples"
    assert status.closed.message == f"{winner}, the goal is 0.3"
    assert f"{winner}, as much as the goal of 0.3, " in message(bench, "Ready")


def test_a_goal_that_is_not_reached_on_unseen_samples_is_told_at_the_end() -> None:
    bench = Bench(resource(objective={"goal": "0.88"}, search={"maxEvaluations": 12}))
    bench.rest()
    assert " on unseen samples that had decided an earlier confirmation, less than the goal of 0.88, " in message(
        bench, "Ready"
    )


def message(bench: Bench, kind: str) -> str:
    return next(condition.message for condition in bench.status.conditions if condition.type == kind)


def test_a_goal_that_the_confirmation_refutes_opens_the_search_again() -> None:
    # Unseen samples are a little harder in this world: what has just reached the goal falls below it.
    bench = Bench(resource(objective={"goal": "0.88"}, search={"maxEvaluations": 12}))
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "BudgetSpent")
    assert len(status.candidates) == 12
    assert status.confirmed is not None
    assert status.confirmed.fitness < 0.88


def test_patience_ends_a_search_that_no_longer_improves() -> None:
    bench = Bench(resource(search={"maxEvaluations": 100, "patience": 2}))
    bench.world.landscape = lambda weights, task, split: 0.5
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "NoImprovement")
    assert len(status.candidates) == 12


def test_after_the_duration_nothing_new_is_asked_but_the_confirmation_runs() -> None:
    bench = Bench(resource(search={"maxEvaluations": 100, "maxDuration": "3m"}))
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "DurationSpent")
    assert status.confirmed is not None
    assert len(status.candidates) < 100


def test_time_in_which_nobody_watched_does_not_count() -> None:
    bench = Bench(resource(search={"maxEvaluations": 12, "maxDuration": "1h"}))
    bench.until(lambda status: scored(status, 2))
    bench.blind_since, bench.now = bench.now, bench.now + timedelta(hours=9)
    bench.rest()
    assert bench.condition("Complete") == ("True", "BudgetSpent")
    assert bench.status.active_seconds < 3600


def test_the_gpu_hours_leave_room_for_the_confirmation_and_are_never_passed() -> None:
    bench = Bench(resource(evaluator=GPU, search={"maxEvaluations": 100, "maxGpuHours": "0.1"}))
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "GpuHoursSpent")
    assert status.confirmed is not None
    assert status.cost.gpu_seconds <= 360
    assert bench.made(Stage.EVALUATE, "unseen")


def test_a_budget_that_ends_before_anything_is_scored_fails_the_search_with_the_reason() -> None:
    bench = Bench(resource(evaluator=GPU, search={"maxEvaluations": 100, "maxGpuHours": "0.02"}))
    status = bench.rest()
    assert status.phase is Phase.FAILED
    assert bench.condition("Failed") == ("True", "BudgetSpentUnconfirmed")
    assert bench.step() is False, "failed is final"


def test_a_raised_budget_resumes_a_complete_search_and_marks_the_second_confirmation() -> None:
    bench = Bench(resource(search={"maxEvaluations": 6}))
    first = bench.rest()
    assert first.confirmed is not None
    assert not first.confirmed.reused
    bench.edit("search", max_evaluations=12)
    bench.step()
    assert bench.condition("Complete") == ("False", "Resumed")
    second = bench.rest()
    assert [r.x for r in second.candidates[:6]] == [r.x for r in first.candidates]
    assert len(second.candidates) == 12
    assert second.confirmed is not None
    assert second.confirmed.reused == (second.rounds > 1)


def test_a_search_with_a_raised_budget_proposes_what_one_with_that_budget_would_have_proposed() -> None:
    raised, straight = Bench(resource(search={"maxEvaluations": 6})), Bench(resource(search={"maxEvaluations": 12}))
    raised.rest()
    raised.edit("search", max_evaluations=12)
    assert [r.x for r in raised.rest().candidates] == [r.x for r in straight.rest().candidates]


def test_a_duration_that_is_lowered_below_the_active_time_finishes_with_what_is_there() -> None:
    bench = Bench(resource(search={"maxEvaluations": 100, "parallelism": 2}))
    bench.until(lambda status: scored(status, 4) and bool(status.launches))
    running = {launch.number for launch in bench.status.launches}
    bench.edit("search", max_duration="1s")
    bench.step()
    assert bench.status.phase is Phase.CONFIRMING
    assert {launch.number for launch in bench.status.launches} == running, "what runs may finish, nothing else starts"
    status = bench.rest()
    assert bench.condition("Complete") == ("True", "DurationSpent")
    assert status.confirmed is not None
    assert len(status.candidates) < 100


def test_a_duration_that_is_lowered_before_a_candidate_is_scored_fails_the_search() -> None:
    bench = Bench(resource(search={"maxEvaluations": 100}))
    bench.until(lambda status: any(record.ended for record in status.baselines))
    bench.edit("search", max_duration="1s")
    status = bench.rest()
    assert status.phase is Phase.FAILED
    assert bench.condition("Failed") == ("True", "BudgetSpentUnconfirmed")
    assert status.launches == ()
