"""Failures that may pass are tried again with the same weights; what is charged, and what is not."""

from datetime import timedelta

import pytest

from mergesearch.api.status import Phase, RecordState, Stage
from mergesearch.lifecycle import retries
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, faults, resource

ENDS = {
    "a crash": End(code=137, message="killed"),
    "nobody knows": End(code=None),
    "out of memory": End(code=75, reason=Reason.OUT_OF_MEMORY),
    "no report": End(code=0),
    "stopped": End(code=143),
}


@pytest.mark.parametrize("stage", [Stage.MERGE, Stage.EVALUATE])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_failure_that_passes_changes_nothing_but_the_tries(stage: Stage, end: End) -> None:
    disturbed, undisturbed = Bench(resource()), Bench(resource())
    disturbed.faults = faults((stage, "c0003", end), times=2)
    status, plain = disturbed.rest(), undisturbed.rest()
    assert status.phase is Phase.COMPLETE
    assert [(r.id, r.x, r.scores) for r in status.candidates] == [(r.id, r.x, r.scores) for r in plain.candidates]
    assert disturbed.record("c0003").attempt == 3
    assert status.counts.retried == 2


def test_after_its_retries_a_candidate_has_failed_with_the_last_reason() -> None:
    bench = Bench(resource(evaluator={"retries": 1}))
    bench.faults = faults((Stage.EVALUATE, "c0003", End(code=75, reason=Reason.OUT_OF_MEMORY, message="80 GiB")))
    bench.rest()
    record = bench.record("c0003")
    assert (record.state, record.reason, record.message) == (RecordState.FAILED, Reason.OUT_OF_MEMORY, "80 GiB")
    assert bench.made(Stage.EVALUATE).count(("c0003",)) == 2


def test_disruptions_by_the_platform_are_not_charged() -> None:
    bench = Bench(resource(evaluator={"retries": 0}))
    bench.faults = faults((Stage.EVALUATE, "c0003", End(code=137, disrupted=True)), times=4)
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert bench.record("c0003").state is RecordState.SCORED
    assert status.counts.disrupted == 4


def test_of_a_batch_that_dies_half_way_only_the_rest_is_tried_again_each_alone() -> None:
    bench = Bench(resource(evaluator={"batch": 4}, merger={"batch": 4}))
    bench.faults = faults((Stage.EVALUATE, "c0001", End(code=137, reports=2)), times=1)
    bench.rest()
    batches = [ids for ids in bench.made(Stage.EVALUATE, "search") if set(ids) & {"c0001", "c0002", "c0003", "c0004"}]
    assert batches == [("c0001", "c0002", "c0003", "c0004"), ("c0003",), ("c0004",)]


@pytest.mark.parametrize("stage", [Stage.MERGE, Stage.EVALUATE])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("allowed", [0, 2])
def test_a_candidate_that_kills_its_process_fails_none_of_its_neighbours(stage: Stage, end: End, allowed: int) -> None:
    more = {"batch": 4, "retries": allowed}
    bench = Bench(resource(evaluator=more, merger=more, search={"baselines": ["Uniform"]}))
    bench.faults = faults((stage, "c0002", end))
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert [r.id for r in status.candidates if r.state is RecordState.FAILED] == ["c0002"]
    tried = [ids for ids in bench.made(stage, "search") if "c0002" in ids]
    assert [len(ids) for ids in tried] == [4] + [1] * (allowed + 1), "together once, then alone, as often as allowed"


@pytest.mark.parametrize("stage", [Stage.MERGE, Stage.EVALUATE])
def test_what_has_died_alone_is_charged_and_what_has_gone_through_is_batched_again(stage: Stage) -> None:
    more = {"batch": 4}
    bench = Bench(resource(evaluator=more, merger=more, search={"maxEvaluations": 4, "baselines": []}))
    bench.faults = faults((stage, "c0001", End(code=137)), times=1)
    bench.until(lambda status: any(r.alone for r in status.candidates))
    assert [(r.alone, r.charged, r.attempt) for r in bench.status.candidates] == [(True, 0, 2)] * 4
    bench.faults = faults((stage, "c0002", End(code=137)), times=1)
    bench.until(lambda status: status.candidates[1].charged == 1)
    assert bench.rest().phase is Phase.COMPLETE
    assert not any(r.alone for r in bench.status.candidates)
    if stage is Stage.MERGE:
        sizes = [len(ids) for ids in bench.made(Stage.EVALUATE, "search")]
        assert max(sizes) > 1, "its evaluation is a stage of its own"


def test_weights_that_were_lost_are_merged_again() -> None:
    bench = Bench(resource())
    bench.until(lambda status: any(r.state is RecordState.MERGED for r in status.candidates) or bool(status.candidates))
    bench.until(lambda status: any(r.merged and not r.ended for r in status.candidates))
    lost = next(r.id for r in bench.status.candidates if r.merged and not r.ended)
    bench.world.destroy(lost)
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.record(lost).state is RecordState.SCORED


@pytest.mark.parametrize("stage", [Stage.MERGE, Stage.EVALUATE])
@pytest.mark.parametrize("said", [True, False], ids=["in its own words", "by its exit code alone"])
def test_a_full_volume_is_tried_again_and_then_stalls_and_costs_no_candidate(stage: Stage, said: bool) -> None:
    full = End(code=66, reason=Reason.NO_SPACE if said else None, message="1 byte free")
    bench = Bench(resource(merger={"retries": 1}, evaluator={"retries": 1}), faults=faults((stage, "c0002", full)))
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", "StorageFull")
    assert status.stalled is not None
    assert status.stalled.message == "c0002: 1 byte free"
    assert bench.record("c0002").state is RecordState.WAITING
    assert [ids for ids in bench.made(stage, "search") if "c0002" in ids] == [("c0002",)] * 2
    bench.faults = faults((stage, "c0002", full), times=1)
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE, "after another try it may fail as often as before"


def test_failures_of_one_stage_are_not_charged_to_the_other() -> None:
    bench = Bench(resource(merger={"retries": 1}, evaluator={"retries": 1}))
    bench.faults = faults((Stage.MERGE, "c0002", End(code=137)), (Stage.EVALUATE, "c0002", End(code=137)), times=1)
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.record("c0002").state is RecordState.SCORED


def test_disruptions_without_end_stall_and_another_try_completes() -> None:
    bench = Bench(resource(), faults=faults((Stage.EVALUATE, "c0002", End(code=143, disrupted=True))))
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", "DisruptedTooOften")
    assert status.stalled is not None
    assert status.stalled.message.startswith("c0002: sent back 11 times without a fault of its own; last: Disrupted")
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


PAUSES = {1: 2, 2: 4, 3: 8, 7: 128, 8: 256, 9: 300, 10: 300, 10**6: 300}


@pytest.mark.parametrize(("times", "seconds"), PAUSES.items())
def test_pauses_double_up_to_a_cap(times: int, seconds: int) -> None:
    assert retries.pause(times).total_seconds() == seconds


def test_a_candidate_is_not_tried_again_before_its_pause_is_over() -> None:
    bench = Bench(resource(search={"maxEvaluations": 1, "baselines": []}), seconds=0.5)
    bench.faults = faults((Stage.EVALUATE, "c0001", End(code=137)), times=1)
    bench.until(lambda status: bool(status.candidates) and status.candidates[0].charged == 1)
    bench.now = (bench.record("c0001").not_before or bench.now) - timedelta(seconds=1)
    assert bench.step() is False
    bench.now += timedelta(seconds=1)
    assert bench.step() is True
    assert bench.record("c0001").state is RecordState.EVALUATING
