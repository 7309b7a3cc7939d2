"""The queue loses no key, gives none to two workers, and keeps the pauses of each key to itself."""

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mergesearch_operator.cluster import Key
from mergesearch_operator.workqueue import FIRST_PAUSE, LONGEST_PAUSE, SETTLING, WorkQueue

KEYS = st.sampled_from([("n", "a"), ("n", "b"), ("m", "a")])
A, B = ("n", "a"), ("n", "b")


class Clock:
    """Stands still unless it is told to move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(queue: WorkQueue) -> Key | None:
    """The next key, if one is due now."""
    return queue.take() if len(queue) else None


def at_work() -> tuple[Clock, WorkQueue]:
    """A queue whose only key is with a worker."""
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A)
    assert taken(queue) == A
    return clock, queue


class Machine(RuleBasedStateMachine):
    """Against a model: for each key the time from which it is due, whether it is taken, and its failures in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = WorkQueue(self.clock)
        self.due: dict[Key, float] = {}
        self.busy: set[Key] = set()
        self.again: dict[Key, float] = {}
        self.failures: dict[Key, int] = {}
        self.paused: dict[Key, float] = {}

    @rule(key=KEYS, after=st.sampled_from([0.0, 1.0, 30.0]))
    def add(self, key: Key, after: float) -> None:
        self.queue.add(key, after=after)
        due = max(self.clock.now + after, self.paused.get(key, 0.0))
        into = self.again if key in self.busy else self.due
        into[key] = min(due, into.get(key, due))

    @rule(seconds=st.sampled_from([0.1, 1.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: any(due <= self.clock.now for due in self.due.values()))
    @rule()
    def take(self) -> None:
        key = self.queue.take()
        assert key is not None
        assert key not in self.busy, "two workers have one key"
        assert self.due.pop(key) <= self.clock.now
        self.busy.add(key)

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), after=st.sampled_from([None, 0.0, 5.0]))
    def done(self, data: st.DataObject, after: float | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.busy)))
        self.queue.done(key, after=after)
        self.failures.pop(key, None)
        self.paused[key] = self.clock.now + SETTLING
        self.release(key, [] if after is None else [self.clock.now + after])

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), at_least=st.sampled_from([0.0, 2.0]))
    def failed(self, data: st.DataObject, at_least: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.busy)))
        times = self.failures.get(key, 0)
        self.failures[key] = times + 1
        pause = max(at_least, min(LONGEST_PAUSE, FIRST_PAUSE * 2**times))
        assert self.queue.failed(key, at_least=at_least) == pause
        self.paused[key] = self.clock.now + pause
        self.again.pop(key, None)
        self.release(key, [self.paused[key]])

    def release(self, key: Key, times: list[float]) -> None:
        self.busy.remove(key)
        times += [self.again.pop(key)] if key in self.again else []
        if times:
            self.due[key] = max(min(times), self.paused[key])

    @invariant()
    def it_tells_its_depth_and_age(self) -> None:
        now = self.clock.now
        ready = [due for due in self.due.values() if due <= now]
        assert len(self.queue) == len(ready) + len(self.busy)
        if not self.busy:
            assert self.queue.oldest() == max((now - due for due in ready), default=0.0)


TestQueue = Machine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40)


def test_a_key_that_is_added_often_comes_once() -> None:
    queue = WorkQueue(Clock())
    for _ in range(5):
        queue.add(A)
    assert taken(queue) == A
    queue.done(A)
    assert taken(queue) is None


def test_what_happens_while_a_worker_has_the_key_is_not_missed() -> None:
    queue = WorkQueue()
    queue.add(A)
    assert taken(queue) == A
    queue.add(A)
    assert len(queue) == 1, "no second worker gets it"
    queue.done(A)
    assert queue.take() == A


def test_what_comes_right_after_a_step_is_met_by_one_more_step() -> None:
    """A step's own writes come back as events, one after the other."""
    clock, queue = at_work()
    queue.add(A)
    queue.done(A)
    for _ in range(5):
        assert taken(queue) is None
        queue.add(A)
        clock.now += SETTLING / 5
    clock.now += 0.001
    assert taken(queue) == A
    queue.done(A)
    clock.now += 1.0
    assert taken(queue) is None


def test_what_comes_later_is_met_at_once() -> None:
    clock, queue = at_work()
    queue.done(A)
    clock.now += SETTLING
    queue.add(A)
    assert taken(queue) == A


def test_the_key_that_has_waited_longest_comes_first() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(B)
    clock.now += 1
    queue.add(A)
    assert [taken(queue), taken(queue)] == [B, A]


def test_a_failing_key_does_not_hold_up_the_others() -> None:
    clock, queue = at_work()
    assert queue.failed(A, at_least=7.0) == 7.0
    queue.add(A)
    queue.add(B)
    assert taken(queue) == B
    assert len(queue) == 1, "an event does not shorten the pause that the server has asked for"
    clock.now += 7.0
    assert taken(queue) == A


def test_pauses_grow_to_a_cap_and_start_anew_after_success() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A)
    pauses = []
    for _ in range(40):
        clock.now += LONGEST_PAUSE
        assert taken(queue) == A
        pauses.append(queue.failed(A))
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    clock.now += LONGEST_PAUSE
    taken(queue)
    queue.done(A, after=0.0)
    clock.now += SETTLING
    taken(queue)
    assert queue.failed(A) == FIRST_PAUSE


def test_a_worker_that_never_comes_back_makes_the_queue_old() -> None:
    clock, queue = at_work()
    clock.now += 1000.0
    assert queue.oldest() == 1000.0


def test_closing_lets_every_waiting_worker_go() -> None:
    queue = WorkQueue()
    found: list[Key | None] = []
    threads = [threading.Thread(target=lambda: found.append(queue.take())) for _ in range(4)]
    for thread in threads:
        thread.start()
    queue.close()
    for thread in threads:
        thread.join(30)
    assert found == [None] * 4


def test_many_workers_never_share_a_key_and_meet_every_call() -> None:
    queue = WorkQueue()
    lock, busy, met = threading.Lock(), set[Key](), dict[Key, int]()
    clashes: list[Key] = []

    def work() -> None:
        while (key := queue.take()) is not None:
            with lock:
                clashes.extend([key] if key in busy else [])
                busy.add(key)
            with lock:
                busy.discard(key)
                met[key] = met.get(key, 0) + 1
            queue.done(key)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    keys = [("n", str(number)) for number in range(50)]
    for _ in range(20):
        for key in keys:
            queue.add(key)
    while len(queue):
        threading.Event().wait(0.01)
    queue.close()
    for thread in threads:
        thread.join(30)
    assert not clashes
    assert set(met) == set(keys)
