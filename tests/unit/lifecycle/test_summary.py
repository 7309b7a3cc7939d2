"""What people read first: phase, counts, the best so far, the Pareto set, conditions."""

from datetime import timedelta

import pytest

from mergesearch.api.status import Phase, RecordState, Stage
from mergesearch.lifecycle import strategy
from unit.lifecycle.world import START, Bench, End, faults, resource, scored

CONDITIONS = ["Ready", "Reconciling", "Stalled", "Suspended", "Complete", "Failed"]


def test_the_phases_of_a_search_come_in_their_order() -> None:
    bench = Bench(resource())
    seen: list[Phase] = []

    def look(_status: object) -> bool:
        if not seen or seen[-1] is not bench.status.phase:
            seen.append(bench.status.phase)
        return bench.status.phase is Phase.COMPLETE

    bench.until(look)
    assert seen == [Phase.PREFLIGHT, Phase.BASELINES, Phase.SEARCHING, Phase.CONFIRMING, Phase.COMPLETE]


@pytest.mark.parametrize("begun", [False, True], ids=["before it began", "midway"])
def test_a_suspended_search_says_so(begun: bool) -> None:
    bench = Bench(resource())
    if begun:
        bench.until(lambda status: scored(status, 1))
    bench.edit(suspend=True, suspend_policy="Now")
    bench.step()
    assert bench.status.phase is Phase.SUSPENDED
    assert bench.condition("Suspended") == ("True", "Suspended")
    assert bench.condition("Reconciling") == ("False", "Suspended")


def test_a_stall_weighs_more_than_a_suspension() -> None:
    bench = Bench(resource(), faults=faults((Stage.PREFLIGHT_TASKS, None, End(code=64))))
    bench.rest()
    bench.edit(suspend=True)
    bench.step()
    assert bench.status.phase is Phase.STALLED
    assert bench.condition("Reconciling") == ("False", "RequestRefused")


# --- Conditions ---


def test_every_condition_is_always_there_with_a_reason() -> None:
    bench = Bench(resource())

    def whole(_status: object) -> bool:
        assert [condition.type for condition in bench.status.conditions] == CONDITIONS
        assert all(condition.reason for condition in bench.status.conditions)
        return bench.status.phase is Phase.COMPLETE

    bench.until(whole)


def test_a_running_search_is_reconciling_and_a_complete_one_is_ready() -> None:
    bench = Bench(resource())
    bench.until(lambda status: scored(status, 1))
    assert bench.condition("Reconciling") == ("True", "Running")
    assert bench.condition("Ready") == ("False", "NotYet")
    assert bench.condition("Complete") == ("False", "NotYet")
    bench.rest()
    assert bench.condition("Reconciling") == ("False", "BudgetSpent")
    assert bench.condition("Ready") == ("True", "NoGain")
    assert bench.condition("Complete") == ("True", "BudgetSpent")


def test_a_condition_keeps_the_time_at_which_it_last_changed() -> None:
    bench = Bench(resource())
    bench.step()
    bench.rest()
    since = {condition.type: condition.last_transition_time for condition in bench.status.conditions}
    assert since["Stalled"] == since["Failed"] == START
    assert since["Ready"] == since["Complete"] == bench.status.completion_time


def test_conditions_are_of_the_generation_that_was_seen() -> None:
    bench = Bench(resource())
    bench.step()
    bench.edit("search", parallelism=2)
    bench.step()
    assert {condition.observed_generation for condition in bench.status.conditions} == {2}


def test_the_headline_is_the_winner_the_stall_or_how_far_it_is() -> None:
    bench = Bench(resource())

    def headline() -> str:
        return next(condition.message for condition in bench.status.conditions if condition.type == "Ready")

    bench.until(lambda status: scored(status, 5))
    assert headline() == "Searching: 5 of 12 candidates scored"
    bench.faults = faults((Stage.EVALUATE, "c0006", End(code=64, message="no such task")))
    bench.rest()
    assert headline() == "no such task"
    bench.faults = lambda _child: None
    bench.retry()
    status = bench.rest()
    assert status.confirmed is not None
    assert headline().startswith("no significant gain over ")
    assert f"{status.confirmed.id} has {status.confirmed.fitness:.4f} on unseen samples" in headline()


def message(bench: Bench, kind: str) -> str:
    return next(condition.message for condition in bench.status.conditions if condition.type == kind)


def test_a_closed_search_says_why_and_what_follows_until_its_end() -> None:
    bench = Bench(resource(search={"maxEvaluations": 100, "maxDuration": "3m"}))
    said: list[str] = []

    def look(_status: object) -> bool:
        words = message(bench, "Reconciling")
        if words and words not in said:
            said.append(words)
        return bench.status.completion_time is not None

    bench.until(look)
    why = "closed: search.maxDuration of 3m is spent; "
    assert said == [
        *(f"{why}{count} confirmations follow" for count in range(6, 1, -1)),
        f"{why}1 confirmation follows",
        f"{why}the comparison is under way",
        f"{why}weights that are not kept are removed",
    ]
    assert message(bench, "Reconciling") == ""


def test_once_the_winner_is_decided_no_comparison_is_said_to_follow() -> None:
    bench = Bench(resource(), faults=faults((Stage.CLEANUP, None, End(code=137)), times=1))
    bench.until(lambda status: status.confirmed is not None and status.stage_failures != {})
    assert not bench.status.launches, "the cleanup is tried again after a pause"
    assert message(bench, "Reconciling") == "closed: 12 of 12 evaluations"
    assert bench.rest().phase is Phase.COMPLETE


def test_what_is_confirmed_is_compared_next() -> None:
    bench = Bench(resource(), faults=faults((Stage.COMPARE, None, End(code=137)), times=1))
    bench.until(lambda status: status.stage_failures != {})
    assert message(bench, "Reconciling") == "closed: 12 of 12 evaluations; the comparison follows"


def test_a_search_that_is_closed_while_candidates_run_waits_for_them() -> None:
    bench = Bench(resource(search={"maxEvaluations": 100, "parallelism": 2}))
    bench.until(lambda status: scored(status, 1) and len(status.launches) == 2)
    bench.edit("search", max_duration="1s")
    bench.step()
    assert message(bench, "Reconciling") == (
        "closed: search.maxDuration of 1s is spent; what runs comes to its end, then the confirmation follows"
    )


def test_a_search_that_drains_says_what_runs_on_and_is_not_written_as_time_passes() -> None:
    bench = Bench(resource(search={"parallelism": 2}, evaluator={"activeDeadlineSeconds": 600}))
    bench.until(lambda status: scored(status, 2) and len(status.launches) == 2)
    bench.edit(suspend=True)
    bench.step()
    assert message(bench, "Suspended") == "draining: 2 processes are to end, each at most 600 s after its start"
    bench.now += timedelta(seconds=1)
    assert bench.step() is False
    bench.finish(next(iter(bench.processes.values())))
    bench.step()
    assert message(bench, "Suspended") == "draining: 1 process is to end, at most 600 s after its start"
    bench.rest()
    assert message(bench, "Suspended") == "nothing runs; set spec.suspend to false to go on"


# --- Counts ---


def test_counts_follow_the_candidates() -> None:
    bench = Bench(resource(storage={"maxPending": 3}))
    bench.until(lambda status: scored(status, 1) and status.counts.merging > 0)
    counts = bench.status.counts
    states = [record.state for record in bench.status.candidates]
    assert counts.total == 4
    assert counts.scored == 1
    assert counts.evaluating == states.count(RecordState.EVALUATING) + states.count(RecordState.MERGED) == 2
    assert (counts.merging, counts.waiting, counts.failed) == (1, 0, 0)


def test_tries_and_disruptions_of_all_records_are_counted() -> None:
    bench = Bench(resource(evaluator={"retries": 3}))
    bench.faults = faults(
        (Stage.EVALUATE, "uniform", End(code=137)),
        (Stage.EVALUATE, "c0003", End(code=143, disrupted=True)),
        times=2,
    )
    counts = bench.rest().counts
    assert (counts.retried, counts.disrupted) == (4, 2)


# --- Best, Pareto, noise ---


def test_the_best_is_the_best_with_the_weights_that_were_merged() -> None:
    bench = Bench(resource())
    status = bench.rest()
    top = max(status.candidates, key=lambda record: record.fitness or 0.0)
    best = status.best
    assert best is not None
    assert best.id == top.id
    assert best.fitness == pytest.approx(top.fitness, abs=1e-6)
    weights = strategy.weights(bench.resource.spec, top)
    assert best.weights == {f"m-{i}": round(weight, 6) for i, weight in enumerate(weights) if weight}


def test_the_gain_is_over_the_best_baseline_but_never_over_the_noise() -> None:
    bench = Bench(resource())
    bench.world.landscape = lambda weights, _task, split: 0.99 if split == "again" else 0.5 + max(weights) / 10
    status = bench.rest()
    assert status.best is not None
    assert status.best.gain == pytest.approx(status.best.fitness - 0.6)


def test_without_baselines_there_is_no_gain() -> None:
    status = Bench(resource(search={"baselines": []})).rest()
    assert status.best is not None
    assert status.best.gain is None


def test_weights_of_zero_are_left_out() -> None:
    bench = Bench(resource(search={"algorithm": {"preset": "Paper"}}, merge={"skipBelow": "0.3"}))
    status = bench.rest()
    assert status.best is not None
    assert 0.0 not in status.best.weights.values()
    assert sum(status.best.weights.values()) == pytest.approx(1.0, abs=1e-5)


def test_nothing_is_best_before_a_candidate_is_scored() -> None:
    bench = Bench(resource())
    status = bench.until(lambda status: bool(status.candidates))
    assert status.best is None


def test_the_pareto_set_holds_baselines_and_candidates_but_not_the_noise() -> None:
    bench = Bench(resource())
    good = {"a": 0, "b": 1}
    bench.world.landscape = lambda weights, task, _split: weights[good.get(task, 2)]
    status = bench.rest()
    assert status.pareto[:2] == ("checkpoint-m-0", "checkpoint-m-1")
    assert "checkpoint-m-2" not in status.pareto
    assert "noise" not in status.pareto


def test_of_equal_points_the_first_stands_for_all() -> None:
    bench = Bench(resource())
    bench.world.landscape = lambda _weights, _task, _split: 0.5
    assert bench.rest().pareto == ("checkpoint-m-0",)


@pytest.mark.parametrize("name", ["noise", "checkpoint-m-0"])
def test_the_noise_is_unknown_until_both_are_scored(name: str) -> None:
    bench = Bench(resource(), faults=faults((Stage.EVALUATE, name, End(code=137)), times=1))
    bench.until(lambda _status: bool(bench.status.baselines) and bench.record("checkpoint-m-2").ended)
    assert bench.status.noise is None
    assert bench.rest().noise == 0.0


def test_without_checkpoints_there_is_no_noise() -> None:
    assert Bench(resource(search={"baselines": ["Uniform"]})).rest().noise is None


def test_a_complete_search_changes_no_more() -> None:
    bench = Bench(resource())
    bench.rest()
    bench.now += timedelta(days=1)
    assert bench.step() is False
