"""Failures that may pass are tried again with the same weights; what is charged, and what is not."""

import pytest

from mergesearch.api.status import Phase, RecordState, Stage
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


def test_of_a_batch_that_dies_half_way_only_the_rest_is_tried_again() -> None:
    bench = Bench(resource(evaluator={"batch": 4}, merger={"batch": 4}))
    bench.faults = faults((Stage.EVALUATE, "c0001", End(code=137, reports=2)), times=1)
    bench.rest()
    batches = [ids for ids in bench.made(Stage.EVALUATE, "search") if set(ids) & {"c0001", "c0002", "c0003", "c0004"}]
    assert batches == [("c0001", "c0002", "c0003", "c0004"), ("c0003", "c0004")]


def test_weights_that_were_lost_are_merged_again() -> None:
    bench = Bench(resource())
    bench.until(lambda status: any(r.state is RecordState.MERGED for r in status.candidates) or bool(status.candidates))
    bench.until(lambda status: any(r.merged and not r.ended for r in status.candidates))
    lost = next(r.id for r in bench.status.candidates if r.merged and not r.ended)
    bench.world.destroy(lost)
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.record(lost).state is RecordState.SCORED
