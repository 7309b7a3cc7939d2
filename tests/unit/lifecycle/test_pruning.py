"""Whose weights are removed: all that were scored, but for the best, the finalists, and what is still needed."""

import pytest

from mergesearch.api.status import MergeSearchStatus, Phase, RecordState, Stage
from mergesearch.lifecycle import pruning
from mergesearch.lifecycle.step import ChildState, Observed, Step
from unit.lifecycle.world import Bench, End, faults, resource, scored


def step(bench: Bench) -> Step:
    return Step(resource=bench.resource, status=bench.status, observed=Observed(), now=bench.now)


def ranked(status: MergeSearchStatus) -> list[str]:
    some = [record for record in status.candidates if record.fitness is not None]
    return [record.id for record in sorted(some, key=lambda record: -(record.fitness or 0.0))]


@pytest.mark.parametrize(("keep", "finalists"), [(1, 3), (3, 1), (2, 2)])
def test_while_it_searches_the_best_and_the_finalists_stay(keep: int, finalists: int) -> None:
    bench = Bench(
        resource(storage={"keepBest": keep}, search={"maxEvaluations": 20, "confirm": {"finalists": finalists}})
    )
    bench.until(lambda status: scored(status, 17))
    best = ranked(bench.status)[: max(keep, finalists)]
    assert set(best) <= set(bench.world.merges)
    there = {r.id for r in bench.status.candidates if r.merged and r.ended}
    assert len(there - set(best)) <= 4, "only what was scored since the last merge waits to be removed"


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_at_the_end_the_winner_and_the_next_best_stay(keep: int) -> None:
    bench = Bench(resource(storage={"keepBest": keep}))
    status = bench.rest()
    assert status.confirmed is not None
    others = [name for name in ranked(status) if name != status.confirmed.id]
    assert set(bench.world.merges) == {status.confirmed.id, *others[: keep - 1]}
    assert {r.id for r in (*status.baselines, *status.candidates) if r.merged} == set(bench.world.merges)


def test_a_complete_search_of_which_fewer_weights_are_to_be_kept_removes_the_others() -> None:
    bench = Bench(resource(storage={"keepBest": 4}))
    before = bench.rest()
    assert before.confirmed is not None
    assert len(bench.world.merges) == 4
    bench.edit("storage", keep_best=1)
    bench.step()
    assert [launch.stage for launch in bench.status.launches] == [Stage.CLEANUP]
    assert bench.condition("Complete")[0] == "True", "it stays complete"
    after = bench.rest()
    assert set(bench.world.merges) == {before.confirmed.id}
    assert (after.completion_time, after.confirmed) == (before.completion_time, before.confirmed)


def test_a_cleanup_that_was_given_up_is_tried_again_when_somebody_edits() -> None:
    bench = Bench(resource(storage={"keepBest": 4}), faults=faults((Stage.CLEANUP, None, End(code=1))))
    assert bench.rest().stage_failures == {Stage.CLEANUP: 3}
    bench.faults = lambda _child: None
    bench.edit("storage", keep_best=2)
    assert bench.rest().stage_failures == {}
    assert len(bench.world.merges) == 2


def test_a_mergers_first_work_is_to_remove_what_is_no_longer_needed() -> None:
    bench = Bench(resource())
    bench.rest()
    pruned = {name for child in bench.started if child.launch.stage is Stage.MERGE for name in child.launch.prunes}
    assert "uniform" in pruned
    assert {name for name in pruned if name.startswith("c0")}


def test_weights_of_what_has_failed_go() -> None:
    bench = Bench(resource(), faults=faults((Stage.EVALUATE, "c0002", End(code=65))))
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert bench.record("c0002").state is RecordState.FAILED
    assert "c0002" not in bench.world.merges


def test_nothing_that_is_being_removed_is_removed_twice() -> None:
    bench = Bench(resource())
    bench.until(lambda status: any(launch.prunes for launch in status.launches))
    gone = {name for launch in bench.status.launches for name in launch.prunes}
    assert not gone & set(pruning.removable(step(bench)))


def test_nothing_is_scored_while_it_is_being_removed() -> None:
    """A closed search has given up a merged candidate, and a merger removes it, when the search opens again."""
    bench = closed_with_merged_candidates()
    bench.until(lambda status: any(given_up(status) & set(launch.prunes) for launch in status.launches))
    gone = {name for launch in bench.status.launches for name in launch.prunes} & given_up(bench.status)
    removing = {launch.number for launch in bench.status.launches if gone & set(launch.prunes)}
    bench.edit("search", max_duration="10h")
    for _ in range(5):
        bench.step()
        assert bench.status.closed is None
        assert not any(gone & set(launch.candidates) for launch in bench.status.launches)
        for number, process in bench.processes.items():
            if number not in removing and process.state is not ChildState.ENDED:
                process.start(bench.world, bench.now)
                bench.finish(process)
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert {bench.record(name).state for name in gone} == {RecordState.SCORED}
    assert bench.world.lost == []


def test_the_removal_counts_when_its_process_has_ended_well() -> None:
    bench = Bench(resource())
    bench.until(lambda status: any("uniform" in launch.prunes for launch in status.launches))
    assert bench.record("uniform").merged
    bench.work()
    bench.step()
    assert not bench.record("uniform").merged


def test_a_removal_whose_process_has_failed_is_asked_for_again() -> None:
    bench = Bench(resource(merger={"batch": 4}))
    bench.faults = faults((Stage.MERGE, "c0001", End(code=137)), times=1)
    bench.until(lambda status: bool(status.confirmations))
    removals = [child.launch for child in bench.started if "uniform" in child.launch.prunes]
    assert [launch.split for launch in removals][:2] == ["search", "search"]
    assert len({launch.number for launch in removals}) == len(removals)


def given_up(status: MergeSearchStatus) -> set[str]:
    """Merged candidates that a closed search will not score."""
    return {record.id for record in status.candidates if record.merged and not record.ended}


def closed_with_merged_candidates() -> Bench:
    """One candidate is scored, one is in the only evaluator, two wait for it, and the time is over."""
    bench = Bench(
        resource(
            storage={"maxPending": 3},
            search={"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 8}}},
        )
    )
    bench.until(lambda status: scored(status, 1))
    for process in bench.processes.values():
        if process.child.launch.stage is Stage.MERGE:
            process.start(bench.world, bench.now)
            bench.finish(process)
    bench.step()
    assert len(given_up(bench.status)) == 3
    bench.edit("search", max_duration="1s")
    bench.step()
    assert bench.status.closed is not None
    return bench


def test_what_a_closed_search_gives_up_takes_no_room_and_is_removed() -> None:
    """It must not block the merges of the confirmation."""
    bench = closed_with_merged_candidates()
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    left = [record for record in status.candidates if not record.ended]
    assert {(record.state, record.merged) for record in left} == {(RecordState.WAITING, False)}
    assert len(bench.world.merges) == 1


def test_what_was_given_up_and_removed_is_merged_again_when_the_search_opens_again() -> None:
    bench = closed_with_merged_candidates()
    bench.rest()
    bench.edit("search", max_duration="10h")
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    assert all(record.state is RecordState.SCORED for record in status.candidates)


# --- A second confirmation ---


def test_a_former_winner_stays_until_it_is_beaten() -> None:
    """It wins again, so its weights must still be there, though three others looked better on the search samples."""
    bench = Bench(resource(search={"maxEvaluations": 6}))
    first = bench.rest()
    assert first.confirmed is not None
    weights = bench.world.merges[first.confirmed.id][1]

    def landscape(some: tuple[float, ...], task: str, split: str) -> float:
        if split == "unseen":
            return 0.9 if some == weights else 0.1
        return 0.99 - sum(abs(a - b) for a, b in zip(some, weights, strict=True)) / 1000 if some != weights else 0.9

    bench.world.landscape = landscape
    bench.edit("search", max_evaluations=14)
    second = bench.rest()
    assert second.rounds == 2
    assert second.confirmed is not None
    assert second.confirmed.id == first.confirmed.id
    assert first.confirmed.id in bench.world.merges


def test_new_finalists_stay_until_the_second_confirmation_is_decided() -> None:
    """One of two is confirmed already when the other has to be merged once more."""
    bench = Bench(resource(search={"maxEvaluations": 6, "confirm": {"finalists": 2, "baselines": "Best"}}))
    bench.rest()
    old = {record.id for record in bench.status.candidates}
    bench.world.landscape = lambda weights, _task, _split: 0.95 + 0.01 * weights[0]
    bench.edit("search", max_evaluations=14)
    bench.until(lambda status: any(launch.split == "unseen" for launch in status.launches))
    first, second = ranked(bench.status)[:2]
    assert not {first, second} & old
    bench.faults = faults((Stage.MERGE, second, End(code=137)), times=1)
    status = bench.rest()
    assert status.rounds == 2
    assert status.confirmed is not None
    assert status.confirmed.id == first
    assert first in bench.world.merges
    assert bench.world.lost == []


def test_a_lower_keep_best_removes_more() -> None:
    bench = Bench(resource(storage={"keepBest": 6}, search={"maxEvaluations": 20}))
    bench.until(lambda status: scored(status, 12))
    bench.edit("storage", keep_best=1)
    bench.until(lambda status: scored(status, 17))
    bench.work()
    assert len([r for r in bench.status.candidates if r.merged and r.ended]) <= 3 + 4


def test_a_cleanup_after_the_end_that_is_disrupted_without_end_is_given_up_and_the_search_stays_complete() -> None:
    bench = Bench(resource(storage={"keepBest": 4}))
    bench.rest()
    bench.faults = faults((Stage.CLEANUP, None, End(code=143, disrupted=True)))
    bench.edit("storage", keep_best=1)
    for _ in range(30):
        bench.step()
        bench.work()
        bench.now = bench.status.stages_not_before or bench.now
    assert bench.status.phase is Phase.COMPLETE
    assert bench.status.launches == ()
    assert bench.status.stage_failures == {Stage.CLEANUP: 3}
