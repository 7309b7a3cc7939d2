"""Reports that nobody could read are read from the workspace, and count as if their process had delivered them."""

from typing import Any

import pytest

from mergesearch.api.status import Launch, Phase, RecordState, Stage
from mergesearch.contract import ReadRequest
from mergesearch.lifecycle.children import children
from unit.lifecycle.world import Bench, End, Process, resource

WHOLE: dict[str, Any] = {
    "merger": {"batch": 4},
    "evaluator": {"batch": 4, "retries": 0},
    "search": {"baselines": ["Uniform"]},
}
HIDDEN: dict[str, dict[str, bool]] = {"a pointer": {"pointer": True}, "the pod is gone": {"pointer": False}}


def at(stage: Stage, split: str | None = None) -> tuple[Bench, Process]:
    """A bench with a running process of a stage."""
    bench = Bench(resource(**WHOLE))

    def found() -> Process | None:
        some = (p for p in bench.processes.values() if p.child.launch.stage is stage)
        some = (p for p in some if split in (None, p.child.launch.split) and p.child.launch.candidates != ("uniform",))
        return next(some, None)

    bench.until(lambda _status: found() is not None)
    process = found()
    assert process is not None
    process.start(bench.world, bench.now)
    return bench, process


def read(bench: Bench) -> Launch:
    (launch,) = (launch for launch in bench.status.launches if launch.stage is Stage.READ)
    return launch


def facts(bench: Bench) -> list[tuple[object, ...]]:
    everything = (*bench.status.baselines, *bench.status.candidates, *bench.status.confirmations)
    return [(r.id, r.x, r.state, r.attempt, r.charged, r.disruptions, r.scores) for r in everything]


CASES = [
    (Stage.MERGE, "search"),
    (Stage.MERGE, "unseen"),
    (Stage.EVALUATE, "search"),
    (Stage.EVALUATE, "unseen"),
    (Stage.COMPARE, None),
]


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN.keys())
@pytest.mark.parametrize(("stage", "split"), CASES, ids=[f"{stage} {split or ''}" for stage, split in CASES])
def test_a_search_goes_on_as_if_the_reports_had_come(stage: Stage, split: str | None, hidden: dict[str, bool]) -> None:
    bench, process = at(stage, split)
    bench.finish(process)
    process.hide(bench.world, **hidden)
    bench.step()
    assert read(bench).reads is stage
    (child,) = (child for child in children(bench.resource, bench.status) if child.launch.stage is Stage.READ)
    assert isinstance(child.request, ReadRequest)
    assert (child.name[-2:], child.gpus, child.evaluator) == ("-r", 0, False), "a merger reads, without GPUs"
    calm = Bench(resource(**WHOLE))
    assert bench.rest().phase is Phase.COMPLETE
    calm.rest()
    assert facts(bench) == facts(calm)
    assert len(bench.made(stage)) == len(calm.made(stage))


@pytest.mark.parametrize("stage", [Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS])
def test_a_preflight_whose_report_is_too_long_is_read_by_its_pointer(stage: Stage) -> None:
    bench, process = at(stage)
    bench.finish(process)
    process.hide(bench.world, pointer=True)
    bench.step()
    assert read(bench).reads is stage
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(stage)) == 1


def test_what_was_reported_before_is_not_read_again() -> None:
    bench, process = at(Stage.EVALUATE, "search")
    process.publish(3)
    bench.step()
    bench.finish(process)
    process.hide(bench.world, pointer=False)
    bench.step()
    assert read(bench).candidates == ("c0004",)


@pytest.mark.parametrize("stage", [Stage.MERGE, Stage.EVALUATE])
@pytest.mark.parametrize("end", [End(code=0), End(code=137), End(code=None)], ids=["nothing there", "dies", "vanishes"])
def test_where_the_read_finds_nothing_the_candidates_are_tried_again_and_nothing_is_charged(
    stage: Stage, end: End
) -> None:
    bench, process = at(stage, "search")
    wanted = process.child.launch.candidates
    bench.finish(process)
    process.end(None, bench.now)
    process.hide(bench.world, pointer=False, published=False)
    bench.step()
    (reader,) = (p for p in bench.processes.values() if p.child.launch.stage is Stage.READ)
    reader.start(bench.world, bench.now)
    bench.finish(reader, end)
    bench.step()
    tried = [record for record in bench.status.candidates if record.id in wanted]
    assert [(r.state, r.charged, r.disruptions) for r in tried] == [(RecordState.WAITING, 0, 1)] * len(wanted)
    assert not any(launch.stage is Stage.READ for launch in bench.status.launches), "it is not read again"
    assert bench.rest().phase is Phase.COMPLETE


def test_a_read_whose_own_report_nobody_can_read_has_found_out_nothing() -> None:
    """Its pod is gone as well: what it was to fetch may lie there all the same."""
    bench = Bench(resource(evaluator={"retries": 0}))
    bench.until(lambda status: any(record.state is RecordState.EVALUATING for record in status.candidates))
    process = next(p for p in bench.processes.values() if p.child.launch.stage is Stage.EVALUATE)
    process.start(bench.world, bench.now)
    bench.finish(process)
    process.hide(bench.world, pointer=False)
    bench.step()
    read = next(p for p in bench.processes.values() if p.child.launch.stage is Stage.READ)
    read.start(bench.world, bench.now)
    bench.finish(read)
    read.hide(bench.world, pointer=False)
    bench.step()
    record = bench.record(process.child.launch.candidates[0])
    assert (record.state, record.charged, record.disruptions) == (RecordState.WAITING, 0, 1)
    assert bench.rest().phase is Phase.COMPLETE
    assert bench.record(record.id).state is RecordState.SCORED


def test_what_a_process_that_is_known_to_have_died_did_not_report_is_tried_alone() -> None:
    bench, process = at(Stage.EVALUATE, "search")
    bench.finish(process, End(code=137, reports=2))
    process.hide(bench.world, pointer=True)
    bench.step()
    (reader,) = (p for p in bench.processes.values() if p.child.launch.stage is Stage.READ)
    reader.start(bench.world, bench.now)
    bench.finish(reader)
    bench.step()
    assert [r.state for r in bench.status.candidates[:4]] == [RecordState.SCORED] * 2 + [RecordState.WAITING] * 2
    assert [(r.alone, r.charged) for r in bench.status.candidates[2:4]] == [(True, 0)] * 2


def test_a_comparison_that_cannot_be_read_is_made_again() -> None:
    bench, process = at(Stage.COMPARE)
    bench.finish(process)
    process.hide(bench.world, pointer=False, published=False)
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(Stage.COMPARE)) == 2
    assert bench.status.stage_failures == {}


def test_a_cleanup_that_went_well_needs_no_report() -> None:
    bench, process = at(Stage.CLEANUP)
    bench.finish(process)
    process.hide(bench.world, pointer=False)
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(Stage.CLEANUP)) == 1


def test_a_suspension_ends_a_read_as_anything_else() -> None:
    bench, process = at(Stage.EVALUATE, "search")
    bench.finish(process)
    process.hide(bench.world, pointer=True)
    bench.step()
    assert read(bench)
    bench.edit(suspend=True, suspend_policy="Now")
    bench.step()
    assert bench.status.launches == ()
    bench.edit(suspend=False)
    assert bench.rest().phase is Phase.COMPLETE
