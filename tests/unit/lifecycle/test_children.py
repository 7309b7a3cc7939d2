"""The children that ought to exist: their names, and what they may use."""

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus, Stage
from mergesearch.lifecycle import children
from unit.lifecycle.world import START, Bench, resource

NAMES = {
    Stage.PREFLIGHT_CHECKPOINTS: "soup-abcde-00007-p",
    Stage.PREFLIGHT_TASKS: "soup-abcde-00007-p",
    Stage.MERGE: "soup-abcde-00007-m",
    Stage.EVALUATE: "soup-abcde-00007-e",
    Stage.COMPARE: "soup-abcde-00007-c",
    Stage.READ: "soup-abcde-00007-r",
    Stage.CLEANUP: "soup-abcde-00007-x",
}


@pytest.mark.parametrize(("stage", "name"), NAMES.items(), ids=[str(stage) for stage in NAMES])
def test_a_name_says_whose_child_it_is_and_what_it_does(stage: Stage, name: str) -> None:
    launch = Launch(number=7, stage=stage, created_at=START)
    assert children.name(resource(), launch) == name


def test_the_longest_name_fits_a_job() -> None:
    what = resource()
    meta = what.metadata.model_copy(update={"name": "n" * 40, "uid": "0" * 36})
    launch = Launch(number=99999, stage=Stage.EVALUATE, created_at=START)
    assert len(children.name(what.model_copy(update={"metadata": meta}), launch)) <= 63


def test_there_is_a_child_for_each_launch_in_their_order_and_no_other() -> None:
    bench = Bench(resource(search={"parallelism": 4}))
    bench.until(lambda status: len(status.launches) > 3)
    found = children.children(bench.resource, bench.status)
    assert [child.launch for child in found] == list(bench.status.launches)
    assert len({child.name for child in found}) == len(found)


def test_a_search_that_has_not_begun_has_no_children() -> None:
    assert children.children(resource(), MergeSearchStatus()) == ()


def limits() -> MergeSearch:
    return resource(
        merger={"activeDeadlineSeconds": 100, "resources": {"limits": {"nvidia.com/gpu": "1"}}},
        evaluator={"activeDeadlineSeconds": 200, "resources": {"limits": {"nvidia.com/gpu": "4"}}},
    )


STAGES = {
    Stage.PREFLIGHT_CHECKPOINTS: (False, 100, 0),
    Stage.PREFLIGHT_TASKS: (True, 200, 0),
    Stage.MERGE: (False, 100, 1),
    Stage.EVALUATE: (True, 200, 4),
    Stage.COMPARE: (True, 200, 0),
    Stage.CLEANUP: (False, 100, 0),
}


def test_each_stage_runs_on_its_image_within_its_deadline_with_its_gpus() -> None:
    bench = Bench(limits())
    bench.rest()
    found = {child.launch.stage: (child.evaluator, child.deadline_seconds, child.gpus) for child in bench.started}
    assert found == STAGES
