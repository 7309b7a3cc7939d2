"""What a person reads under `kubectl describe`."""

from collections.abc import Iterable
from datetime import timedelta

from mergesearch.api.status import MergeSearchStatus, Record, RecordState
from mergesearch.lifecycle.children import Child
from mergesearch.reasons import Reason
from mergesearch_operator import events
from mergesearch_operator.events import Note
from unit.lifecycle import world
from unit.lifecycle.world import Bench, End
from unit.operator.documents import NOW

RESOURCE = world.resource()


def told(bench: Bench, steps: int = 5000) -> list[Note]:
    """All notes of a search until it rests."""
    found: list[Note] = []
    for _ in range(steps):
        before = bench.status
        changed = bench.step()
        found += events.notes(before, bench.status) if changed else []
        if bench.status.completion_time is not None or bench.status.stalled is not None:
            return found
        bench.work()
    raise AssertionError("not at rest")


def reasons(notes: Iterable[Note], kind: str = "Warning") -> list[str]:
    return [note.reason for note in notes if note.kind == kind]


def test_a_calm_search_tells_its_phases_its_bests_and_its_end() -> None:
    notes = told(Bench(RESOURCE))
    assert not reasons(notes, "Warning")
    told_once = [note.reason for note in notes if note.reason != "NewBest"]
    assert told_once == ["Preflight", "Baselines", "Searching", "Confirming", "NoGain", "BudgetSpent"]
    assert reasons(notes, "Normal").count("NewBest") >= 1
    confirming, outcome, end = [
        note.message for note in notes if note.reason in ("Confirming", "NoGain", "BudgetSpent")
    ]
    assert confirming == "closed: 12 of 12 evaluations; 6 confirmations follow"
    assert outcome.startswith("no significant gain over ")
    assert end == "12 of 12 evaluations"


def test_what_can_be_proven_is_told_once_the_preflight_has_passed() -> None:
    (passed,) = [note for note in told(Bench(RESOURCE)) if note.reason == "Baselines"]
    assert passed.message.startswith("the preflight has passed: a gain of 6.6 points over a baseline is proven")


def test_a_better_candidate_is_told_beside_the_best_baseline() -> None:
    bench = Bench(RESOURCE)
    bench.world.landscape = lambda weights, _task, split: 0.99 if split == "again" else 0.5 + weights[0] / 10
    first = next(note for note in told(bench) if note.reason == "NewBest")
    name, _, rest = first.message.partition(" has ")
    assert name == "c0001"
    assert rest.endswith(" on the search samples; the best baseline, checkpoint-m-0, has 0.6000")


def test_without_baselines_a_better_candidate_is_told_alone() -> None:
    first = next(note for note in told(Bench(world.resource(search={"baselines": []}))) if note.reason == "NewBest")
    assert first.message.endswith(" on the search samples")


def test_a_suspension_is_told_with_what_it_waits_for_and_once_more_when_nothing_runs() -> None:
    bench = Bench(RESOURCE)
    bench.until(lambda status: len(status.launches) == 1 and status.phase == "Searching")
    bench.edit(suspend=True)
    found: list[Note] = []
    for _ in range(20):
        before = bench.status
        found += events.notes(before, bench.status) if bench.step() else []
        bench.work()
    assert [note for note in found if note.reason in ("Draining", "Suspended")] == [
        Note("Normal", "Draining", "draining: 1 process is to end, at most 7200 s after its start"),
        Note("Normal", "Suspended", "nothing runs; set spec.suspend to false to go on"),
    ]


def test_a_try_that_fails_is_told_with_its_reason_and_number() -> None:
    failed: list[str] = []

    def fault(child: Child) -> End | None:
        if child.launch.stage != "Evaluate" or failed:
            return None
        failed.append(child.launch.candidates[0])
        return End(code=1, reason=Reason.OUT_OF_MEMORY, message="no memory left")

    notes = [note for note in told(Bench(RESOURCE, faults=fault)) if note.kind == "Warning"]
    assert notes == [Note("Warning", "OutOfMemory", f"{failed[0]} is tried again (2): no memory left")]


def test_a_stall_is_told_once_with_what_to_do() -> None:
    def fault(child: Child) -> End | None:
        return End(code=64, reason=Reason.CHECKPOINT_MISSING, message="m-0 is missing")

    notes = told(Bench(RESOURCE, faults=fault))
    assert [note.reason for note in notes] == ["Preflight", "CheckpointMissing"], "its phase is not told beside it"
    assert notes[-1] == Note("Warning", "CheckpointMissing", "m-0 is missing")


def test_a_candidate_that_fails_for_good_is_told() -> None:
    record = Record(id="c0001", kind="Search", generation=0)
    failed = record.model_copy(
        update={"state": RecordState.FAILED, "reason": Reason.NON_FINITE_WEIGHTS, "message": "nan in layer 3"}
    )
    before = MergeSearchStatus(start_time=NOW, candidates=(record,))
    after = before.model_copy(update={"candidates": (failed,)})
    assert list(events.notes(before, after)) == [
        Note("Warning", "NonFiniteWeights", "c0001 has failed for good: nan in layer 3")
    ]


def test_nothing_new_is_told_of_nothing_new() -> None:
    bench = Bench(RESOURCE)
    bench.rest()
    assert list(events.notes(bench.status, bench.status)) == []


def test_the_same_note_at_the_same_time_is_the_same_event() -> None:
    note = Note("Normal", "NewBest", "c0001 has 0.5")
    first, again = events.event(RESOURCE, note, NOW), events.event(RESOURCE, note, NOW)
    assert first == again
    later = events.event(RESOURCE, note, NOW + timedelta(seconds=1))
    assert later["metadata"]["name"] != first["metadata"]["name"]
    assert first["involvedObject"]["uid"] == RESOURCE.metadata.uid
    assert first["metadata"]["name"].startswith("soup.")


def test_what_is_told_once_has_the_same_name_at_any_time() -> None:
    note = Note("Warning", "Forbidden", "exceeded quota")
    later = events.once(RESOURCE, note, NOW + timedelta(hours=1))
    assert later["metadata"] == events.once(RESOURCE, note, NOW)["metadata"]
    document = {"metadata": {"name": "soup", "namespace": "n", "uid": "u", "resourceVersion": "1"}}
    newer = {"metadata": {**document["metadata"], "resourceVersion": "2"}}
    first = events.unreadable(document, Reason.UNREADABLE, "words", NOW)["metadata"]
    assert events.unreadable(document, Reason.UNREADABLE, "words", NOW + timedelta(hours=1))["metadata"] == first
    assert events.unreadable(newer, Reason.UNREADABLE, "words", NOW)["metadata"] != first


def test_a_long_message_is_cut_to_what_the_api_server_takes() -> None:
    made = events.event(RESOURCE, Note("Normal", "NewBest", "x" * 5000), NOW)
    assert len(made["message"]) == events.LONGEST_NOTE <= 1024
