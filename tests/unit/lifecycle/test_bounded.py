"""No status is written that is larger than its bound."""

from mergesearch.api.status import MAX_STATUS_BYTES, MergeSearchStatus, Record
from mergesearch.lifecycle import size
from mergesearch.lifecycle.advance import advance
from mergesearch.lifecycle.step import Observed, Step
from mergesearch.reasons import Reason
from unit.lifecycle.world import START, Bench, resource, scored


def searching() -> Bench:
    bench = Bench(resource())
    bench.until(lambda status: scored(status, 2))
    return bench


def padded(bench: Bench, length: int) -> MergeSearchStatus:
    """The status with records of the last generation that take so many bytes."""
    status = bench.status
    long = [record.model_copy(update={"message": "m" * 200}) for record in status.candidates]
    more: list[Record] = []
    while len(more) * 350 < length:
        more.append(long[0].model_copy(update={"id": f"d{len(more):05d}"}))
    return status.model_copy(update={"baselines": (*status.baselines, *more)})


def test_a_step_to_a_status_that_is_too_large_stalls_the_one_before() -> None:
    bench = searching()
    large = padded(bench, MAX_STATUS_BYTES)
    assert len(large.to_stored()) > MAX_STATUS_BYTES
    step = Step(resource=bench.resource, status=large, observed=Observed(), now=bench.now)
    kept = size.bounded(step, bench.status)
    assert kept.stalled is not None
    assert kept.stalled.reason is Reason.STATUS_TOO_LARGE
    assert str(MAX_STATUS_BYTES) in kept.stalled.message
    assert ("Stalled", "True") in [(condition.type, condition.status) for condition in kept.conditions]
    assert (kept.baselines, kept.candidates, kept.launches) == (
        bench.status.baselines,
        bench.status.candidates,
        bench.status.launches,
    )
    again = size.bounded(step, kept)
    assert again is kept, "and nothing more is written"


def test_a_status_that_is_just_small_enough_is_written() -> None:
    bench = searching()
    step = Step(resource=bench.resource, status=bench.status, observed=Observed(), now=bench.now)
    exact = len(bench.status.to_stored())
    assert size.bounded(step, MergeSearchStatus(), limit=exact) is bench.status
    assert size.bounded(step, MergeSearchStatus(), limit=exact - 1).stalled is not None


def test_a_search_whose_status_has_grown_too_large_stalls_at_its_next_step() -> None:
    bench = searching()
    large = padded(bench, MAX_STATUS_BYTES)
    bench.work()
    after = advance(bench.resource, large, bench.observe(), START)
    assert after.stalled is not None
    assert after.stalled.reason is Reason.STATUS_TOO_LARGE
    assert advance(bench.resource, after, bench.observe(), START) is after
