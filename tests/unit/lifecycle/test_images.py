"""Which images run is kept, and another one in mid-search is told; so is what a process waits for."""

from dataclasses import replace

from mergesearch.lifecycle import images
from mergesearch.lifecycle.advance import advance
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild, Waiting
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, resource

FIRST, SECOND = "registry/merger@sha256:" + "1" * 64, "registry/merger@sha256:" + "2" * 64


def with_image(observed: Observed, image: str) -> Observed:
    return replace(observed, children=tuple(replace(child, image=image) for child in observed.children))


def condition(bench: Bench, kind: str) -> tuple[str, Reason, str] | None:
    found = next((one for one in bench.status.conditions if one.type == kind), None)
    return None if found is None else (found.status, found.reason, found.message)


def test_the_first_image_of_each_kind_stays_and_another_one_is_told() -> None:
    bench = Bench(resource())
    bench.step()
    bench.status = bench.decide(with_image(bench.observe(), FIRST))
    assert bench.status.images == {"merger": FIRST, "evaluator": FIRST}
    assert condition(bench, "Reproducible") is None
    bench.status = bench.decide(with_image(bench.observe(), SECOND))
    assert bench.status.images["merger"] == FIRST
    assert bench.status.images["merger" + images.CHANGED] == SECOND
    told = condition(bench, "Reproducible")
    assert told is not None
    assert told[:2] == ("False", Reason.IMAGE_CHANGED)
    assert f"the merger ran {FIRST} first, later {SECOND}" in told[2]


def test_processes_that_share_a_request_and_run_different_images_are_told() -> None:
    bench = Bench(resource())
    bench.step()
    seen = with_image(bench.observe(), FIRST)
    first, *others = seen.children
    bench.status = bench.decide(Observed((replace(first, other_images=(SECOND,)), *others)))
    assert bench.status.images["merger"] == FIRST
    assert bench.status.images["merger" + images.CHANGED] == SECOND


def test_a_child_of_nobody_says_nothing_of_images() -> None:
    bench = Bench(resource())
    stranger = ObservedChild(launch=99, state=ChildState.RUNNING, image=FIRST)
    assert advance(bench.resource, bench.status, Observed((stranger,)), bench.now).images == {}


def waiting(bench: Bench, *waits: Waiting | None) -> tuple[str, Reason, str] | None:
    launches = [launch.number for launch in bench.status.launches]
    children = tuple(
        ObservedChild(launch=number, state=ChildState.PENDING if wait is not None else ChildState.RUNNING, waiting=wait)
        for number, wait in zip(launches, waits, strict=True)
    )
    bench.status = bench.decide(Observed(children))
    return condition(bench, "Reconciling")


def test_a_queue_is_told_where_nothing_runs_and_trouble_in_any_case() -> None:
    bench = Bench(resource())
    bench.step()
    queued = Waiting(Reason.QUEUED, "1 Insufficient nvidia.com/gpu")
    broken = Waiting(Reason.IMAGE_UNAVAILABLE, "the image x cannot be pulled")
    all_wait = ("True", Reason.QUEUED, "2 of 2 processes wait: 1 Insufficient nvidia.com/gpu")
    assert waiting(bench, queued, queued) == all_wait
    assert waiting(bench, queued, None) == ("True", Reason.RUNNING, "")
    trouble = ("True", Reason.IMAGE_UNAVAILABLE, "1 of 2 processes wait: the image x cannot be pulled")
    assert waiting(bench, None, broken) == trouble
    launch = bench.status.launches[0].number
    part = ObservedChild(launch=launch, state=ChildState.RUNNING, started_at=bench.now, waiting=broken)
    bench.status = bench.decide(Observed((part,)))
    alone = ("True", Reason.IMAGE_UNAVAILABLE, "1 of 1 processes wait: the image x cannot be pulled")
    assert condition(bench, "Reconciling") == alone, "one of several that share a request waits, the others run"
