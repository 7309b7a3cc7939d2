"""Units pass every stage once, in any number of threads; whatever fails is raised, and no thread is left behind."""

import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch_merger.pipeline import Pipeline, Stage
from mergesearch_merger.plan import Unit
from mergesearch_merger.slots import Slot

NAMES = ("read", "merge", "write")
GUARD_SECONDS = 60.0


class BrokenError(Exception):
    """What a test lets a thread raise."""


@dataclass
class Log:
    """What happened to the units, known by their first byte."""

    passed: list[tuple[str, int]] = field(default_factory=list)
    taken: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, count: int, fails_at: int | None = None) -> Iterator[Unit]:
        """So many units, in order."""
        for number in range(count):
            if number == fails_at:
                raise BrokenError
            with self.lock:
                self.taken += 1
                done = sum(name == NAMES[-1] for name, _ in self.passed)
                self.most_in_flight = max(self.most_in_flight, self.taken - done)
            yield Unit(0, number, number + 1, b"", (), (), 0)

    def stage(self, name: str, threads: int, fails_at: int | None = None) -> Stage:
        """One that notes the units, and fails at one of them."""

        def handle(slot: Slot) -> None:
            if slot.held.begin == fails_at:
                raise BrokenError
            with self.lock:
                self.passed.append((name, slot.held.begin))

        return Stage(name, threads, lambda: handle)


def slots(count: int) -> list[Slot]:
    return [Slot(memoryview(b"")) for _ in range(count)]


def nothing() -> None:
    """Watch, and see nothing."""


@contextmanager
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def run(pipeline: Pipeline, watch: Callable[[], None] = nothing) -> BaseException | None:
    """Run it in a thread that may not hang, and return what it raised; none of its threads may be left."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            pipeline.run(watch)
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            raised.append(error)

    with no_thread_left():
        guard = threading.Thread(target=guarded, daemon=True)
        guard.start()
        guard.join(GUARD_SECONDS)
        assert not guard.is_alive(), "it hangs"
    return raised[0] if raised else None


threads = st.tuples(*[st.integers(1, 4)] * 3)


@given(threads, st.integers(1, 5), st.integers(0, 30))
def test_every_unit_passes_every_stage_once_and_in_their_order(
    workers: tuple[int, int, int], held: int, count: int
) -> None:
    log = Log()
    stages = [log.stage(*pair) for pair in zip(NAMES, workers, strict=True)]

    assert run(Pipeline(log.take(count), slots(held), stages)) is None

    assert Counter(log.passed) == Counter((name, unit) for name in NAMES for unit in range(count))
    for unit in range(count):
        assert [name for name, one in log.passed if one == unit] == list(NAMES)
    assert log.most_in_flight <= held


@given(threads, st.integers(1, 5), st.integers(1, 30), st.data())
def test_what_a_stage_raises_is_raised_and_no_thread_is_left(
    workers: tuple[int, int, int], held: int, count: int, data: st.DataObject
) -> None:
    broken, fails_at = data.draw(st.sampled_from(NAMES)), data.draw(st.integers(0, count - 1))
    log = Log()
    stages = [
        log.stage(name, number, fails_at if name == broken else None)
        for name, number in zip(NAMES, workers, strict=True)
    ]

    assert isinstance(run(Pipeline(log.take(count), slots(held), stages)), BrokenError)

    for later in NAMES[NAMES.index(broken) :]:
        assert (later, fails_at) not in log.passed


def test_what_a_failure_held_goes_with_it() -> None:
    """A process that stays must not keep the slots of a failed request until somebody looks for cycles."""
    held = slots(1)
    gone = weakref.ref(held[0].memory)

    def fail(_slot: Slot) -> None:
        raise BrokenError

    gc.disable()
    try:
        with pytest.raises(BrokenError):
            Pipeline(Log().take(3), held, [Stage("read", 1, lambda: fail)]).run(nothing)
        held.clear()
        assert gone() is None
    finally:
        gc.enable()


@given(threads, st.integers(1, 5), st.integers(0, 30), st.sampled_from(NAMES))
def test_a_stage_that_cannot_begin_ends_all_of_them(
    workers: tuple[int, int, int], held: int, count: int, broken: str
) -> None:
    def begin() -> Callable[[Slot], None]:
        raise BrokenError

    log = Log()
    stages = [
        Stage(name, number, begin) if name == broken else log.stage(name, number)
        for name, number in zip(NAMES, workers, strict=True)
    ]

    assert isinstance(run(Pipeline(log.take(count), slots(held), stages)), BrokenError)

    assert broken not in {name for name, _ in log.passed}


@given(threads, st.integers(1, 5), st.integers(0, 30))
def test_units_that_cannot_be_made_end_all_stages(workers: tuple[int, int, int], held: int, fails_at: int) -> None:
    log = Log()
    stages = [log.stage(*pair) for pair in zip(NAMES, workers, strict=True)]

    assert isinstance(run(Pipeline(log.take(31, fails_at), slots(held), stages)), BrokenError)

    assert log.taken == fails_at


def alive(stage: str) -> int:
    return sum(thread.name.startswith(f"{stage}-") for thread in threading.enumerate())


def wait_until_alone(stage: str) -> None:
    """Wait until all threads of a stage but this one have ended."""
    end = time.monotonic() + GUARD_SECONDS
    while alive(stage) > 1:
        assert time.monotonic() < end, f"the other threads of {stage!r} do not end"
        time.sleep(0.001)


def test_a_slow_thread_may_be_the_last_to_pass_a_unit_on() -> None:
    """One reader holds the only unit while the other one, which finds no more, has ended."""
    log, both_begun = Log(), threading.Barrier(2)
    reads = log.stage("read", 2).begin()

    def read(slot: Slot) -> None:
        wait_until_alone("read")
        reads(slot)

    def begin() -> Callable[[Slot], None]:
        both_begun.wait(GUARD_SECONDS)
        return read

    stages = [Stage("read", 2, begin), log.stage("merge", 1), log.stage("write", 1)]

    assert run(Pipeline(log.take(1), slots(2), stages)) is None

    assert log.passed == [(name, 0) for name in NAMES]


def test_nobody_begins_with_another_unit_once_one_has_failed() -> None:
    """Five units are read; while one that merges fails, the other one holds a unit, and three wait."""
    log, all_read, both_hold = Log(), threading.Event(), threading.Barrier(2)
    reads, merges = log.stage("read", 1).begin(), log.stage("merge", 2).begin()

    def read(slot: Slot) -> None:
        reads(slot)
        if slot.held.begin == 4:
            all_read.set()

    def merge(slot: Slot) -> None:
        assert all_read.wait(GUARD_SECONDS)
        both_hold.wait(GUARD_SECONDS)
        if slot.held.begin == 0:
            raise BrokenError
        wait_until_alone("merge")
        merges(slot)

    stages = [Stage("read", 1, lambda: read), Stage("merge", 2, lambda: merge), log.stage("write", 1)]

    assert isinstance(run(Pipeline(log.take(5), slots(5), stages)), BrokenError)

    assert [one for one in log.passed if one[0] != "read"] == [("merge", 1)]


def test_units_are_made_by_one_thread_at_a_time() -> None:
    def slowly() -> Iterator[Unit]:
        for unit in log.take(20):
            time.sleep(0.001)
            yield unit

    log = Log()
    stages = [log.stage("read", 4), log.stage("merge", 1), log.stage("write", 1)]

    assert run(Pipeline(slowly(), slots(8), stages)) is None

    assert len(log.passed) == 60


@pytest.mark.parametrize("error", [BrokenError, KeyboardInterrupt, SystemExit])
def test_who_watches_may_end_it(error: type[BaseException]) -> None:
    """The units never end, so nothing but what `watch` raises can end the stages."""

    def endless() -> Iterator[Unit]:
        while True:
            yield from log.take(1)

    def watch() -> None:
        raise error

    log = Log()
    stages = [log.stage(name, 2) for name in NAMES]

    assert isinstance(run(Pipeline(endless(), slots(3), stages), watch), error)


def test_who_watches_is_called_while_a_stage_takes_its_time() -> None:
    seen = threading.Event()

    def wait(slot: Slot) -> None:
        assert seen.wait(GUARD_SECONDS), f"nobody watched unit {slot.held.begin}"

    log = Log()
    stages = [log.stage("read", 1), Stage("merge", 1, lambda: wait), log.stage("write", 1)]

    assert run(Pipeline(log.take(1), slots(1), stages), seen.set) is None
