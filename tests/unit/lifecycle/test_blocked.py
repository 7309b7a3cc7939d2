"""A child that cannot be made for now is remembered, so that a try that fails again changes nothing."""

from dataclasses import replace

from mergesearch.lifecycle.advance import advance
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild, Waiting
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, resource

WAITING = Waiting(Reason.FORBIDDEN, "the Job soup-1 cannot be made: a quota")
FORBIDDEN = ObservedChild(launch=1, state=ChildState.PENDING, waiting=WAITING, made=False)
THERE = replace(FORBIDDEN, waiting=None, made=True)


def test_it_is_told_once_and_stays_until_the_child_is_there() -> None:
    bench = Bench(resource())
    bench.step()
    bench.status = bench.decide(Observed((FORBIDDEN,)))
    assert bench.status.blocked is not None
    assert bench.condition("Reconciling") == ("True", "Forbidden")
    assert bench.decide(Observed((FORBIDDEN,))) is bench.status
    assert bench.decide(Observed()) is bench.status, "nobody has tried again"
    bench.status = bench.decide(Observed((THERE,)))
    assert bench.status.blocked is None
    assert bench.condition("Reconciling") == ("True", "Running")


def test_it_is_forgotten_with_its_launch() -> None:
    bench = Bench(resource())
    bench.step()
    bench.status = bench.decide(Observed((FORBIDDEN,)))
    bench.edit(suspend=True, suspend_policy="Now")
    assert advance(bench.resource, bench.status, Observed(), bench.now).blocked is None


def test_the_first_of_several_is_told() -> None:
    bench = Bench(resource())
    bench.step()
    second = replace(FORBIDDEN, launch=2)
    status = bench.decide(Observed((FORBIDDEN, second)))
    assert status.blocked is not None
    assert status.blocked.launch == 1
