"""Workers step keys, whatever goes wrong with one of them; the resync finds what no watch has told."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mergesearch_operator import faults
from mergesearch_operator.cluster import Cluster, Key
from mergesearch_operator.reconcile import Done, Reconciler
from mergesearch_operator.workers import Resync, Workers
from mergesearch_operator.workqueue import WorkQueue

A, B = ("n", "a"), ("n", "b")


@dataclass
class Script:
    """A reconciler that does what a test says."""

    act: Callable[[Key], Done]
    steps: list[Key] = field(default_factory=list)

    def step(self, key: Key) -> Done:
        self.steps.append(key)
        return self.act(key)


@dataclass
class Told:
    """What the workers have told, until somebody has heard enough."""

    wanted: int
    steps: list[tuple[Key, str]] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def __call__(self, key: Key, done: Done | None, error: str, seconds: float) -> None:
        self.steps.append((key, error))
        if len(self.steps) >= self.wanted:
            self.enough.set()


def work(queue: WorkQueue, act: Callable[[Key], Done], wanted: int) -> Told:
    """Work until so many steps were told."""
    told = Told(wanted)
    workers = Workers(queue, cast("Reconciler", Script(act)), told)
    workers.start(2)
    assert told.enough.wait(30)
    workers.stop()
    return told


ERRORS = {
    "Conflict": faults.ConflictError("x"),
    "Unavailable": faults.UnavailableError("x", retry_after=0.0),
    "Refused": faults.RefusedError("x"),
    "Exists": faults.ExistsError("x"),
    "Defect": KeyError("x"),
}


@pytest.mark.parametrize(("name", "error"), ERRORS.items(), ids=ERRORS.keys())
def test_a_step_that_fails_is_told_by_its_kind_and_tried_again(name: str, error: Exception) -> None:
    queue = WorkQueue()
    failures = iter([error])

    def act(key: Key) -> Done:
        for failure in failures:
            raise failure
        return Done()

    queue.add(A)
    assert work(queue, act, 2).steps == [(A, name), (A, "")]


def test_a_search_with_a_defect_does_not_stop_the_others() -> None:
    queue = WorkQueue()

    def act(key: Key) -> Done:
        if key == A:
            raise ZeroDivisionError
        return Done()

    queue.add(A)
    queue.add(B)
    assert (B, "") in work(queue, act, 3).steps


def test_a_step_that_knows_when_something_changes_is_repeated_then() -> None:
    queue = WorkQueue()
    queue.add(A)
    assert work(queue, lambda _key: Done(look_again=0.01), 3).steps == [(A, "")] * 3


@dataclass
class Lists:
    """A cluster of which only the lists are asked."""

    answers: dict[str | None, Any]
    asked: list[str | None] = field(default_factory=list)

    def searches(self, namespace: str | None) -> list[dict[str, Any]]:
        self.asked.append(namespace)
        answer = self.answers[namespace]
        if isinstance(answer, Exception):
            raise answer
        return [{"metadata": {"namespace": space, "name": name}} for space, name in answer]


def resync(lists: Lists, queue: WorkQueue, namespaces: tuple[str, ...] = ()) -> tuple[Resync, list[set[Key]]]:
    kept: list[set[Key]] = []
    made = Resync(cast("Cluster", lists), queue, namespaces, 0.01)
    made.start(kept.append)
    return made, kept


def until(fact: Callable[[], object]) -> None:
    for _ in range(3000):
        if fact():
            return
        threading.Event().wait(0.01)
    raise AssertionError("not within 30 s")


def test_a_resync_puts_every_search_of_the_cluster_into_the_queue_and_tells_which_there_are() -> None:
    queue, lists = WorkQueue(), Lists({None: [A, B]})
    made, kept = resync(lists, queue)
    until(lambda: len(kept) > 2)
    made.stop()
    assert kept[0] == {A, B}
    assert [queue.take(), queue.take()] == [A, B]


def test_a_resync_of_some_namespaces_asks_for_no_other() -> None:
    queue, lists = WorkQueue(), Lists({"n": [A], "m": [("m", "c")]})
    made, kept = resync(lists, queue, ("n", "m"))
    until(lambda: kept)
    made.stop()
    assert set(lists.asked) == {"n", "m"}
    assert kept[0] == {A, ("m", "c")}


def test_a_namespace_that_cannot_be_listed_holds_up_no_other_and_is_not_forgotten() -> None:
    queue, lists = WorkQueue(), Lists({"n": [A], "gone": faults.RefusedError("forbidden", code=403)})
    made, kept = resync(lists, queue, ("gone", "n"))
    first = made.last
    until(lambda: len(lists.asked) > 5)
    made.stop()
    assert queue.take() == A
    assert made.last > first
    assert kept == [], "nobody knows what is in the other namespace"


@pytest.mark.parametrize(
    ("error", "counts"),
    [(faults.UnavailableError("x"), True), (KeyError("metadata"), False)],
    ids=["a-server-out-of-reach-is-no-reason-to-start-anew", "a-defect-is"],
)
def test_a_resync_that_fails_is_repeated_and_forgets_nothing(error: Exception, counts: bool) -> None:
    queue, lists = WorkQueue(), Lists({None: error})
    made, kept = resync(lists, queue)
    first = made.last
    until(lambda: len(lists.asked) > 3)
    assert (made.last > first) is counts
    assert kept == []
    lists.answers = {None: [A]}
    until(lambda: kept)
    made.stop()
    assert made.last > first
