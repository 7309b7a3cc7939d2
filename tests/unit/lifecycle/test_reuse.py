"""Weights that come back: their scores are taken over, and nothing runs for them."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from mergesearch.api.status import (
    Decision,
    Launch,
    MergeSearchStatus,
    Phase,
    Record,
    RecordKind,
    RecordState,
    Stage,
    encode_vector,
)
from mergesearch.contract import EvaluationReport, Failure
from mergesearch.lifecycle import confirmation, expectations, records, reuse, stopping, strategy, summary, waits
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild, Step, Waiting
from mergesearch.reasons import Reason
from unit.lifecycle.world import START, Bench, End, faults, resource, scored

BROKEN = Failure(reason=Reason.NON_FINITE_WEIGHTS, message="NaN in model.norm")


def coarse(checkpoints: int = 3, **parts: Any) -> Bench:
    """A search that keeps no weight below one half, so that it merges hardly anything but single checkpoints."""
    search = {"maxEvaluations": 16, "baselines": [], **parts.pop("search", {})}
    return Bench(resource(checkpoints, merge={"skipBelow": "0.5"}, search=search, **parts))


def weights(bench: Bench, record: Record) -> tuple[float, ...]:
    return strategy.weights(bench.resource.spec, record)


def groups(bench: Bench) -> list[list[Record]]:
    """The candidates by their weights, in order."""
    found: dict[tuple[float, ...], list[Record]] = {}
    for record in bench.status.candidates:
        found.setdefault(weights(bench, record), []).append(record)
    return list(found.values())


def evaluated(bench: Bench) -> Counter[str]:
    """How often each candidate was in an evaluator on the search samples."""
    return Counter(name for names in bench.made(Stage.EVALUATE, "search") for name in names if name.startswith("c"))


def test_the_same_weights_are_merged_and_scored_once_and_count_each_time() -> None:
    bench = coarse()
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    first = {group[0].id for group in groups(bench)}
    assert len(first) < len(status.candidates) == 16
    assert dict(evaluated(bench)) == dict.fromkeys(first, 1)
    assert {name for names in bench.made(Stage.MERGE, "search") for name in names} == first
    assert status.counts.scored == 16
    assert status.counts.reused == 16 - len(first)


def test_whoever_takes_scores_over_says_whose_they_are_and_has_cost_nothing() -> None:
    bench = coarse()
    status = bench.rest()
    for first, *others in groups(bench):
        assert (first.same_as, first.prompt_tokens, first.generated_tokens) == (None, 100, 50)
        for record in others:
            assert (record.same_as, record.scores, record.fitness) == (first.id, first.scores, first.fitness)
            assert (record.prompt_tokens, record.generated_tokens) == (0, 0)
            assert (record.merge_seconds, record.evaluate_seconds, record.merged) == (0.0, 0.0, False)
    ran = [*(group[0] for group in groups(bench)), *status.confirmations]
    assert status.cost.prompt_tokens == 100 * len(ran)


def test_the_optimiser_is_told_of_all_of_them() -> None:
    bench = coarse()
    status = bench.rest()
    told = strategy.told(status, 4)
    assert [len(generation) for generation in told] == [4, 4, 4, 4]
    flat = [member.fitness for generation in told for member in generation]
    assert flat == [record.fitness for record in status.candidates]
    assert None not in flat


def test_what_has_cost_nothing_is_expected_of_nobody() -> None:
    bench = coarse(search={"maxGpuHours": "10"}, evaluator={"resources": {"limits": {"nvidia.com/gpu": "1"}}})
    status = bench.rest()
    assert status.counts.reused > len(groups(bench))
    assert expectations.usual_seconds(bench.resource.spec, status, "search") == 10.0
    assert expectations.seconds(bench.resource.spec, status, "search") == 10.0


def test_a_search_that_has_come_to_a_standstill_ends_without_another_process() -> None:
    bench = coarse(2, search={"maxEvaluations": 120, "algorithm": {"cmaes": {"populationSize": 2}}})
    bench.until(lambda status: len({record.x for record in status.candidates if record.same_as is None}) == 2)
    bench.until(lambda status: status.closed is not None)
    assert len(bench.status.candidates) == 120
    assert sum(evaluated(bench).values()) == 2
    assert bench.rest().phase is Phase.COMPLETE


@pytest.mark.parametrize("parallelism", [1, 2])
def test_where_the_last_score_is_taken_over_the_room_is_left_to_the_confirmation(parallelism: int) -> None:
    """The bench refuses a soup beside it that is merged into the same room."""
    search = {
        "maxEvaluations": 2,
        "parallelism": parallelism,
        "baselines": ["Checkpoints", "Greedy"],
        "algorithm": {"cmaes": {"populationSize": 3}},
        "confirm": {"finalists": 1, "baselines": "All"},
    }
    status = coarse(search=search, storage={"keepBest": 1, "maxPending": 1}).rest()
    assert status.phase is Phase.COMPLETE
    assert status.counts.reused == 1


# --- While the same weights are at work ---


def twins(bench: Bench) -> tuple[str, str]:
    """The first two candidates of the first generation that have the same weights."""
    bench.until(lambda status: bool(status.candidates))
    return next((group[0].id, group[1].id) for group in groups(bench) if len(group) > 1)


def test_the_second_of_a_generation_waits_for_the_first() -> None:
    bench = coarse(search={"parallelism": 4}, storage={"maxPending": 8})
    first, second = twins(bench)
    bench.until(lambda _status: bench.record(first).state is RecordState.EVALUATING)
    assert bench.record(second).state is RecordState.WAITING
    bench.until(lambda _status: bench.record(first).state is RecordState.SCORED)
    assert bench.record(second).same_as == first


def test_where_the_first_is_tried_again_the_second_still_waits() -> None:
    bench = coarse(search={"parallelism": 4}, storage={"maxPending": 8})
    first, second = twins(bench)
    bench.faults = faults((Stage.EVALUATE, first, End(code=1)), times=2)
    bench.until(lambda _status: bench.record(first).charged == 2)
    assert bench.record(second).state is RecordState.WAITING
    bench.rest()
    assert (bench.record(first).same_as, bench.record(second).same_as) == (None, first)
    assert evaluated(bench)[first] == 3


def test_where_the_first_fails_for_good_the_second_is_tried_itself() -> None:
    bench = coarse()
    first, second = twins(bench)
    bench.faults = faults((Stage.MERGE, first, End(code=0, failure=BROKEN)))
    bench.rest()
    assert (bench.record(first).state, bench.record(second).state) == (RecordState.FAILED, RecordState.SCORED)
    assert bench.record(second).same_as is None
    _, _, *others = next(group for group in groups(bench) if group[0].id == first)
    assert all(record.same_as == second for record in others)


def test_one_that_had_failed_takes_over_from_a_later_one_and_that_one_is_the_finalist() -> None:
    bench = coarse(search={"maxEvaluations": 4})
    first, second = twins(bench)
    bench.faults = faults((Stage.MERGE, first, End(code=0, failure=BROKEN)), times=1)
    bench.until(lambda _status: bench.record(second).state is RecordState.SCORED)
    assert bench.record(first).state is RecordState.FAILED
    bench.retry()
    status = bench.rest()
    assert (bench.record(first).state, bench.record(first).same_as) == (RecordState.SCORED, second)
    assert (evaluated(bench)[first], evaluated(bench)[second]) == (0, 1)
    finalists = {record.id for record in confirmation.finalists(step_of(bench))}
    assert second in finalists
    assert first not in finalists
    assert status.phase is Phase.COMPLETE


@pytest.mark.parametrize("policy", ["Drain", "Now"])
def test_a_suspension_and_a_restart_change_nothing_of_it(policy: str) -> None:
    calm, bench = coarse(), coarse()
    calm.rest()
    for number in range(1, 12, 2):
        bench.until(lambda status, n=number: scored(status, n) or status.completion_time is not None)  # type: ignore[misc]
        bench.edit(suspend=True, suspend_policy=policy)
        bench.rest()
        bench.processes.clear()
        bench.edit(suspend=False)
    bench.rest()
    assert [(r.x, r.scores, r.same_as) for r in bench.status.candidates] == [
        (r.x, r.scores, r.same_as) for r in calm.status.candidates
    ]


# --- The confirmation ---


def test_finalists_have_different_weights_and_the_best_names_one_whose_weights_are_there() -> None:
    bench = coarse(search={"confirm": {"finalists": 3}}, storage={"keepBest": 3})
    status = bench.rest()
    confirmed = [record for record in status.confirmations if record.kind is RecordKind.SEARCH]
    assert len(confirmed) == len({weights(bench, bench.record(record.id)) for record in confirmed}) > 1
    assert status.best is not None
    assert bench.record(status.best.id).same_as is None
    assert set(bench.world.merges) == {record.id for record in confirmed}


def step_of(bench: Bench, status: MergeSearchStatus | None = None) -> Step:
    return Step(resource=bench.resource, status=status or bench.status, observed=Observed(), now=bench.now)


def with_vector(bench: Bench, name: str, *vector: float) -> None:
    """A candidate that waits and is in no process gets another vector."""
    waiting = bench.record(name)
    assert waiting.state is RecordState.WAITING
    changed = waiting.model_copy(update={"x": encode_vector(vector)})
    both = tuple(changed if record.id == name else record for record in bench.status.candidates)
    bench.status = bench.status.model_copy(update={"candidates": both})


def one_by_one(baselines: Sequence[str], **parts: Any) -> Bench:
    """A search of one generation whose second candidate waits for room."""
    search = {"maxEvaluations": 4, "baselines": [*baselines], "algorithm": {"cmaes": {"parametrization": "Box"}}}
    search["algorithm"]["cmaes"]["populationSize"] = 4  # type: ignore[index]
    bench = Bench(resource(search=search | parts.pop("search", {}), storage={"maxPending": 1}, **parts))
    bench.until(lambda status: bool(status.candidates))
    return bench


def test_a_candidate_that_equals_a_merged_baseline_takes_over_its_scores() -> None:
    bench = one_by_one(["Uniform"])
    with_vector(bench, "c0004", 1.0, 1.0, 1.0)
    bench.step()
    assert (bench.record("c0004").same_as, bench.record("c0004").state) == ("uniform", RecordState.SCORED)
    assert bench.record("c0004").scores == bench.record("uniform").scores


def test_a_winner_that_equals_a_baseline_is_merged_for_its_confirmation() -> None:
    bench = one_by_one(["Uniform"], search={"confirm": {"finalists": 1}})
    bench.world.landscape = lambda weights, _task, _split: 0.9 - max(weights) + min(weights)
    with_vector(bench, "c0003", 1.0, 1.0, 1.0)
    with_vector(bench, "c0004", 1.0, 1.0, 1.0)
    status = bench.rest()
    assert [record.same_as for record in status.candidates[2:]] == ["uniform", "uniform"]
    assert status.confirmed is not None
    assert status.confirmed.id == "c0003"
    assert bench.world.merges["c0003"][1] == weights(bench, bench.record("c0003"))


def scored_twin(kind: RecordKind, members: tuple[int, ...]) -> Callable[[Bench], None]:
    """A baseline of this kind with these members is scored."""

    def add(bench: Bench) -> None:
        facts = {"scores": (0.5, 0.5), "errors": (None, None), "fitness": 0.5, "state": RecordState.SCORED}
        record = Record(id="other", kind=kind, members=members, started_at=bench.now, finished_at=bench.now)
        bench.status = bench.status.model_copy(update={"baselines": (record.model_copy(update=facts),)})

    return add


NOT_LENT = {
    "a checkpoint as it is": (scored_twin(RecordKind.CHECKPOINT, (0,)), (1.0, 0.0, 0.0)),
    "the noise floor": (scored_twin(RecordKind.NOISE, (0,)), (1.0, 0.0, 0.0)),
    "merge-best of one checkpoint, which is no merge": (scored_twin(RecordKind.MERGE_BEST, (0,)), (1.0, 0.0, 0.0)),
    "a greedy soup": (scored_twin(RecordKind.GREEDY, (0, 1)), (1.0, 1.0, 0.0)),
    "other weights": (scored_twin(RecordKind.UNIFORM, (0, 1, 2)), (1.0, 1.0, 0.9)),
}


@pytest.mark.parametrize(("twin", "vector"), NOT_LENT.values(), ids=NOT_LENT.keys())
def test_only_scores_of_the_same_merge_are_taken_over(twin: Callable[[Bench], None], vector: tuple[float, ...]) -> None:
    bench = one_by_one([])
    twin(bench)
    with_vector(bench, "c0004", *vector)
    step = step_of(bench)
    assert reuse.take(step) is step


def test_a_merge_best_of_several_lends_its_scores() -> None:
    bench = one_by_one([])
    scored_twin(RecordKind.MERGE_BEST, (0, 1))(bench)
    with_vector(bench, "c0004", 1.0, 1.0, 0.0)
    (found,) = (r for r in reuse.take(step_of(bench)).status.candidates if r.same_as is not None)
    assert (found.id, found.same_as, found.fitness) == ("c0004", "other", 0.5)


def test_a_closed_search_takes_nothing_over() -> None:
    bench = coarse(search={"parallelism": 1, "confirm": {"finalists": 1}}, objective={"goal": "0.01"})
    status = bench.rest()
    left = [record for record in status.candidates if record.state is RecordState.WAITING]
    assert left, "the first score has reached the goal"
    assert all(record.same_as is None for record in left)


def test_a_goal_that_only_equal_weights_have_reached_is_confirmed_once() -> None:
    bench = coarse(objective={"goal": "0.5"})
    bench.world.landscape = lambda _weights, _task, split: 0.6 if split == "search" else 0.4
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    confirmed = [record.id for record in status.confirmations if record.kind is RecordKind.SEARCH]
    assert len(confirmed) == len({weights(bench, bench.record(name)) for name in confirmed})


def test_contenders_are_the_best_first_and_never_two_of_the_same_weights() -> None:
    def candidate(name: str, fitness: float, same_as: str | None = None) -> Record:
        return Record(
            id=name,
            kind=RecordKind.SEARCH,
            state=RecordState.SCORED,
            fitness=fitness,
            scores=(fitness,),
            same_as=same_as,
        )

    status = MergeSearchStatus(
        candidates=(
            candidate("c1", 0.7, "c4"),
            candidate("c2", 0.9, "uniform"),
            candidate("c3", 0.9, "uniform"),
            candidate("c4", 0.7),
            candidate("c5", 0.8),
            candidate("c6", 0.8, "c5"),
        )
    )
    assert [record.id for record in records.contenders(status)] == ["c2", "c5", "c4"]


def test_a_report_that_was_found_again_is_booked_once() -> None:
    bench = Bench(resource(search={"maxEvaluations": 4}))
    bench.until(lambda status: any(launch.split == "unseen" for launch in status.launches))
    bench.until(lambda status: any(launch.stage is Stage.COMPARE for launch in status.launches))
    before = bench.status.cost
    lost = Failure(reason=Reason.SAMPLES_LOST, message="a file is gone", transient=True)
    bench.faults = faults((Stage.COMPARE, None, End(code=0, failure=lost)), times=1)
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    again = [r for r in bench.world.given if isinstance(r, EvaluationReport) and r.reused]
    assert len(again) == len(status.confirmations) > 0
    assert (status.cost.prompt_tokens, status.cost.flops) == (before.prompt_tokens, before.flops)
    assert all(record.prompt_tokens == 100 for record in status.confirmations)


def test_a_report_that_nobody_has_read_before_is_booked_where_it_is_found() -> None:
    bench = Bench(resource(search={"maxEvaluations": 4}))
    bench.until(lambda status: any(launch.stage is Stage.EVALUATE for launch in status.launches))
    (process,) = [p for p in bench.processes.values() if p.child.launch.stage is Stage.EVALUATE][:1]
    process.start(bench.world, bench.now)
    process.publish(1)
    process.reports.clear()
    process.end(None, bench.now)
    before = bench.status.cost.prompt_tokens
    name = process.child.launch.candidates[0]
    bench.until(lambda _status: bench.record(name).state is RecordState.SCORED)
    assert bench.record(name).prompt_tokens == 100
    assert any(isinstance(r, EvaluationReport) and r.reused and r.candidate == name for r in bench.world.given)
    assert bench.status.cost.prompt_tokens - before >= 100


# --- What is decided of a status as it stands ---


def as_it_stands(*candidates: Record, **fields: Any) -> Step:
    bench = Bench(resource(merge={"skipBelow": "0.5"}, **fields.pop("parts", {})))
    return step_of(bench, MergeSearchStatus(candidates=candidates, **fields))


def single(name: str, checkpoint: int, **fields: Any) -> Record:
    """A candidate that is one of three checkpoints alone."""
    x = encode_vector(tuple(9.0 if i == checkpoint else 0.0 for i in range(3)))
    return Record(id=name, kind=RecordKind.SEARCH, generation=0, x=x, **fields)


SCORED: dict[str, Any] = {
    "state": RecordState.SCORED,
    "scores": (0.6, 0.6),
    "errors": (None, None),
    "fitness": 0.6,
    "started_at": START,
    "finished_at": START,
}


def test_nothing_is_taken_over_by_a_record_whose_process_still_runs() -> None:
    launch = Launch(number=1, stage=Stage.MERGE, candidates=("c2", "c3"), created_at=START)
    step = as_it_stands(single("c1", 0, **SCORED), single("c2", 0), launches=(launch,))
    assert reuse.take(step) is step
    assert reuse.take(step.change(launches=())).status.candidates[1].same_as == "c1"


def test_nothing_is_taken_over_by_what_a_closed_search_has_given_up() -> None:
    closed = Decision(reason=Reason.GOAL_REACHED, message="enough")
    step = as_it_stands(single("c1", 0, **SCORED), single("c2", 0), closed=closed)
    assert reuse.take(step) is step
    assert reuse.take(step.change(closed=None)).status.candidates[1].same_as == "c1"


def test_the_best_is_the_one_that_was_scored_itself_also_where_another_came_before_it() -> None:
    best = summary.best(as_it_stands(single("c1", 0, same_as="c2", **SCORED), single("c2", 0, **SCORED)))
    assert best is not None
    assert best.id == "c2"


def test_a_goal_that_was_refuted_is_not_reached_again_by_the_same_weights() -> None:
    refuted = Record(id="c2", kind=RecordKind.SEARCH, **{**SCORED, "fitness": 0.4})
    step = as_it_stands(
        single("c1", 0, same_as="c2", **SCORED),
        single("c2", 0, **SCORED),
        confirmations=(refuted,),
        parts={"objective": {"goal": "0.5", "tasks": [{"name": "a", "metric": "acc"}]}},
    )
    assert stopping.the_goal_is_reached(step) is None


@pytest.mark.parametrize(("same_as", "waits_on"), [("c1", True), (None, False)], ids=["taken over", "evaluated"])
def test_scores_that_were_taken_over_are_no_sign_that_other_evaluators_run(same_as: str | None, waits_on: bool) -> None:
    later = {**SCORED, "finished_at": START + timedelta(minutes=1)}
    launch = Launch(number=1, stage=Stage.EVALUATE, candidates=("c3",), created_at=START)
    step = as_it_stands(single("c1", 0, **SCORED), single("c2", 0, same_as=same_as, **later), launches=(launch,))
    waiting = Waiting(reason=Reason.IMAGE_UNAVAILABLE, message="no such image", overdue=True)
    child = ObservedChild(launch=1, state=ChildState.PENDING, waiting=waiting)
    assert (waits.cut_short(step, launch, child) is child) is waits_on
