"""The verdict: one sentence, and never more than the numbers hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api.status import Better, Decision, Gain, MergeSearchStatus, RecordKind
from mergesearch.lifecycle import proof
from mergesearch.lifecycle.baselines import CONFIRMED_KINDS
from mergesearch.reasons import Reason
from mergesearch.report import advice, tables
from mergesearch.report.shapes import Outcome, Role, Summary
from mergesearch.report.summary import summarize
from unit.report import histories
from unit.report.histories import CLEAR, History, clear, compared, with_status

BASELINES = ("checkpoint-m-0", "uniform", "merge-best")
"""What is confirmed by default: the best checkpoint, uniform, merge-best."""


def summary_of(history: History, status: MergeSearchStatus | None) -> Summary:
    return summarize(with_status(history.resource, status))


def test_the_baselines_of_these_tests_are_those_that_were_compared(history: History) -> None:
    winner = history.end.confirmed
    assert winner is not None
    assert tuple(gain.baseline for gain in winner.gains) == BASELINES
    assert len(CONFIRMED_KINDS) == 4


# --- Complete ---


def test_a_clear_gain_over_all_names_the_weakest_comparison_with_its_numbers(history: History) -> None:
    found = summary_of(history, clear(history.end, uniform=(0.041, 0.02, 0.06, 0.0004)))
    winner = history.end.confirmed
    assert winner is not None
    uniform = next(record for record in history.end.confirmations if record.id == "uniform")
    assert found.outcome is Outcome.GAIN
    assert found.verdict == (
        f"{winner.id} beats the best checkpoint (m-0), merge-best and uniform on samples the search never saw: "
        f"{100 * winner.fitness:.1f} against {100 * (uniform.fitness or 0):.1f} for uniform, gain +4.1 points, "
        "95% interval +2.0..+6.0, p = 0.0004."
    )
    assert found.notes == ()


def test_of_equal_gains_the_status_and_the_report_name_the_same_baseline(history: History) -> None:
    equal = (0.03, -0.01, 0.07, 0.08)
    resource = with_status(history.resource, clear(history.end, checkpoint_m_0=equal, uniform=equal, merge_best=equal))
    assert resource.status is not None
    assert resource.status.confirmed is not None
    _, line = proof.outcome(resource.spec, resource.status, resource.status.confirmed)
    assert "+0.0300 against checkpoint m-0" in line
    assert "No significant gain over checkpoint m-0: " in summarize(resource).verdict


def test_where_no_resample_was_as_extreme_p_is_said_to_lie_below_a_bound(history: History) -> None:
    numbers = (0.041, 0.02, 0.06, 1 / 10_001)
    resource = with_status(history.resource, clear(history.end, uniform=numbers))
    assert resource.status is not None
    assert resource.status.confirmed is not None
    found = summarize(resource)
    _, line = proof.outcome(resource.spec, resource.status, resource.status.confirmed)
    table = tables.final(found)
    row = next(row for row in table.rows if row[0] == "uniform")
    assert found.verdict.endswith(", p < 0.0001.")
    assert line.endswith(", p < 0.0001)")
    assert row[table.headers.index("p")] == "<0.0001"


def test_every_checkpoint_is_beaten_only_where_every_one_was_compared() -> None:
    history = histories.run(histories.manifest(maxEvaluations=8, confirm={"baselines": "All"}))
    found = summary_of(history, clear(history.end))
    assert " beats every checkpoint and baseline on samples the search never saw: " in found.verdict


def test_several_checkpoints_of_which_not_all_baselines_were_compared_are_counted() -> None:
    history = histories.run(histories.manifest(maxEvaluations=8, confirm={"baselines": "All"}))
    winner = clear(history.end).confirmed
    assert winner is not None
    gains = tuple(gain for gain in winner.gains if gain.baseline != "uniform")
    confirmations = tuple(record for record in history.end.confirmations if record.id != "uniform")
    changed = {"confirmed": winner.model_copy(update={"gains": gains}), "confirmations": confirmations}
    found = summary_of(history, history.end.model_copy(update=changed))
    assert f"{winner.id} beats 4 checkpoints and merge-best on samples" in found.verdict


def test_one_baseline_that_is_not_clearly_beaten_decides_against_three_that_are(history: History) -> None:
    found = summary_of(history, clear(history.end, merge_best=(0.06, -0.001, 0.12, 0.026)))
    assert found.outcome is Outcome.NO_GAIN
    assert found.verdict.startswith("No significant gain over merge-best: ")
    assert "gain +6.0 points, 95% interval -0.1..+12.0, p = 0.026" in found.verdict
    claimed = found.verdict.partition(" It beats ")[2]
    assert "the best checkpoint" in claimed
    assert "uniform" in claimed
    assert "merge-best" not in claimed
    assert any("points is proven four times in five" in note for note in found.notes)


def test_a_baseline_ahead_of_the_winner_is_called_the_better_choice(history: History) -> None:
    found = summary_of(history, clear(history.end, uniform=(-0.01, -0.03, 0.01, 0.8)))
    assert found.outcome is Outcome.NO_GAIN
    assert found.verdict.startswith("No gain over uniform: ")
    assert "On unseen samples uniform is the better choice." in found.notes


def test_the_better_choice_says_where_its_weights_are(history: History) -> None:
    status = clear(history.end, uniform=(-0.01, -0.03, 0.01, 0.8))
    assert status.confirmed is not None
    kept = status.confirmed.model_copy(update={"better": Better(id="uniform", path="uid/merges/uniform")})
    found = summary_of(history, status.model_copy(update={"confirmed": kept}))
    assert found.notes[-1] == (
        "On unseen samples uniform is the better choice; its merged weights stay in uid/merges/uniform on the "
        "workspace."
    )


def test_a_checkpoint_is_called_one(history: History) -> None:
    found = summary_of(history, compared(clear(history.end), {"checkpoint-m-0": (0.0, -0.02, 0.02, 0.5)}))
    assert found.verdict.startswith("No gain over checkpoint m-0: ")


def test_p_is_corrected_for_the_choice_among_the_finalists(history: History) -> None:
    found = summary_of(history, clear(history.end, uniform=(0.02, 0.001, 0.04, 0.02)))
    assert found.finalists == 3
    assert found.outcome is Outcome.NO_GAIN
    assert "p = 0.020 (0.060 when corrected for the choice among 3 finalists)" in found.verdict


def test_a_single_finalist_needs_no_correction() -> None:
    history = histories.run(histories.manifest(maxEvaluations=8, confirm={"finalists": 1}))
    found = summary_of(history, clear(history.end, uniform=(0.02, 0.001, 0.04, 0.02)))
    assert found.outcome is Outcome.GAIN


def test_reused_samples_are_told_in_the_sentence_and_explained(history: History) -> None:
    for gains in (clear(history.end), compared(history.end, {"uniform": (0.01, -0.02, 0.03, 0.3)})):
        assert gains.confirmed is not None
        again = gains.model_copy(update={"confirmed": gains.confirmed.model_copy(update={"reused": True})})
        found = summary_of(history, again)
        assert found.reused
        assert "never saw, though these had decided an earlier confirmation" in found.verdict
        assert any("no longer quite unseen" in note for note in found.notes)


@pytest.mark.parametrize(("goal", "words"), [("0.1", "10.0 is reached"), ("0.99", "99.0 is not reached")])
def test_whether_the_goal_is_reached_on_unseen_samples_is_a_note(history: History, goal: str, words: str) -> None:
    spec = history.resource.spec
    aimed = spec.model_copy(update={"objective": spec.objective.model_copy(update={"goal": goal})})
    resource = history.resource.model_copy(update={"spec": aimed, "status": clear(history.end)})
    assert summarize(resource).notes == (f"The goal of {words} on unseen samples.",)


def test_without_baselines_nothing_is_proven() -> None:
    history = histories.run(histories.manifest(maxEvaluations=6, baselines=[]))
    found = summary_of(history, history.end)
    assert found.outcome is Outcome.UNPROVEN
    assert "no baseline was compared" in found.verdict


def test_a_confirmed_baseline_without_a_comparison_is_named(history: History) -> None:
    winner = clear(history.end).confirmed
    assert winner is not None
    lost = winner.model_copy(update={"gains": winner.gains[:-1]})
    found = summary_of(history, history.end.model_copy(update={"confirmed": lost}))
    assert found.outcome is Outcome.UNPROVEN
    assert "it was not compared with merge-best" in found.verdict


def test_an_earlier_greedy_soup_that_the_winner_was_compared_with_counts_as_it_does_for_the_operator() -> None:
    """A search that opens again may end with another soup; both are confirmed and compared then."""
    history = histories.run(histories.manifest(maxEvaluations=6, baselines=["Checkpoints", "Greedy"]))
    status = clear(history.end)
    winner = status.confirmed
    assert winner is not None
    (last,) = (record for record in status.confirmations if record.kind is RecordKind.GREEDY)
    earlier = last.model_copy(update={"id": "greedy-1"})
    gains = (*winner.gains, Gain(baseline="greedy-1", gain=-0.01, low=-0.03, high=0.01, p=0.8))
    again = winner.model_copy(update={"gains": gains})
    status = status.model_copy(update={"confirmations": (*status.confirmations, earlier), "confirmed": again})
    found = summary_of(history, status)
    assert [row.id for row in found.rows if row.role is Role.GREEDY] == ["greedy-1", last.id]
    assert found.outcome is Outcome.NO_GAIN
    assert found.verdict.startswith("No gain over greedy-1: ")
    assert proof.outcome(history.resource.spec, status, again)[0] is Reason.BASELINE_BETTER


numbers = st.tuples(*[st.floats(-0.2, 0.2)] * 3, st.floats(0.0001, 1.0))


@given(found=st.fixed_dictionaries(dict.fromkeys(BASELINES, st.one_of(numbers, st.just(CLEAR)))))
def test_a_gain_is_claimed_exactly_if_no_comparison_leaves_room_for_chance(
    history: History, found: dict[str, tuple[float, float, float, float]]
) -> None:
    summary = summary_of(history, compared(history.end, found))
    clearly = [gain > 0 and low > 0 and 3 * p < 0.05 for gain, low, _, p in found.values()]
    proven = all(clearly)
    assert summary.outcome is (Outcome.GAIN if proven else Outcome.NO_GAIN)
    assert (f"{summary.winner} beats " in summary.verdict) == proven
    assert (" It beats " in summary.verdict) == (any(clearly) and not proven)
    assert summary.verdict.count("\n") == 0
    told = compared(history.end, found)
    assert told.confirmed is not None
    reason, _ = proof.outcome(history.resource.spec, told, told.confirmed)
    smallest = min(numbers[0] for numbers, beaten in zip(found.values(), clearly, strict=True) if not beaten or proven)
    expected = Reason.GAIN if proven else Reason.BASELINE_BETTER if smallest < 0.0 else Reason.NO_GAIN
    assert reason is expected, "conditions and reports tell the same outcome"


# --- On the way ---


def test_before_the_first_step_it_has_not_started(history: History) -> None:
    assert summary_of(history, None).outcome is Outcome.NOT_STARTED
    assert summary_of(history, None).verdict == "The search has not started yet."


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("Preflight", "Preflight: checkpoints and tasks are being checked, nothing is scored yet."),
        ("Baselines", "Baselines: 0 of 5 baselines scored."),
        ("Searching", "Searching: 0 of 14 candidates scored."),
    ],
)
def test_a_running_search_says_where_it_is(history: History, phase: str, words: str) -> None:
    found = summary_of(history, history.first(lambda status: status.phase == phase))
    assert (found.outcome, found.verdict) == (Outcome.RUNNING, words)


def test_a_best_so_far_is_never_called_proven(history: History) -> None:
    status = history.first(lambda status: status.counts.scored >= 6)
    assert status.best is not None
    found = summary_of(history, status)
    assert found.verdict.startswith(
        f"Searching: {status.counts.scored} of 14 candidates scored; {status.best.id} leads"
    )
    assert found.verdict.endswith("; nothing is proven yet.")


def test_a_confirmation_counts_what_is_scored_on_unseen_samples(history: History) -> None:
    found = summary_of(history, history.first(lambda status: bool(status.confirmations)))
    assert "Confirming: 0 of 6 confirmations scored on samples the search never saw; " in found.verdict


def test_failures_are_counted_in_a_running_search(with_failures: History) -> None:
    status = with_failures.first(lambda status: status.counts.failed == 2)
    assert f"{status.counts.scored} of 14 candidates scored, 2 failed" in summary_of(with_failures, status).verdict


def test_a_suspended_search_says_how_to_go_on(history: History) -> None:
    spec = history.resource.spec.model_copy(update={"suspend": True})
    resource = history.resource.model_copy(update={"spec": spec, "status": history.statuses[5]})
    found = summarize(resource)
    assert found.outcome is Outcome.SUSPENDED
    assert found.verdict.startswith("Suspended: ")
    assert found.verdict.endswith("Set spec.suspend to false to go on.")


def test_a_stalled_search_says_why_and_what_to_do(history: History) -> None:
    decision = Decision(reason=Reason.STORAGE_FULL, message="c0003: 1 GiB is free, a merge needs 4 GiB")
    found = summary_of(history, history.statuses[8].model_copy(update={"stalled": decision}))
    assert found.outcome is Outcome.STALLED
    assert found.verdict == (
        "Stalled (StorageFull): c0003: 1 GiB is free, a merge needs 4 GiB. Make room on the workspace or lower "
        "storage.keepBest, then set spec.retry to a new value; all scores so far are kept."
    )


WAYS = {
    advice.Place.CLUSTER: "set spec.retry to a new value",
    advice.Place.MACHINE: "`mergesearch run` command with --retry",
}


@pytest.mark.parametrize("place", WAYS)
@pytest.mark.parametrize("reason", list(Reason))
def test_every_stall_has_a_way_out_that_fits_the_place(reason: Reason, place: advice.Place) -> None:
    words = advice.after_stall(reason, place, scored=True)
    assert [other for other, way in WAYS.items() if way in words] == [place]
    assert words.endswith(".")
    assert "{" not in words


def test_sample_counts_are_lowered_in_the_manifest_only_where_and_while_it_can_be_edited() -> None:
    def told(place: advice.Place, *, scored: bool) -> str:
        return advice.after_stall(Reason.TOO_FEW_SAMPLES, place, scored=scored)

    early = told(advice.Place.MACHINE, scored=False)
    assert early.startswith("Ask for smaller sample counts in the manifest and run the same command again, without")
    assert early.endswith("give the task more documents, then run the same `mergesearch run` command with --retry.")
    for fixed in (
        told(advice.Place.MACHINE, scored=True),
        told(advice.Place.CLUSTER, scored=False),
        told(advice.Place.CLUSTER, scored=True),
    ):
        assert fixed.startswith("The sample counts of a search cannot change: start a new one with smaller ones, or ")


def test_fingerprints_are_short_in_the_verdict_the_warnings_and_the_list_of_failures(history: History) -> None:
    was, now = "0123456789ab" + "c" * 52, "f" * 64
    message = f"m-1: has changed (fingerprint {was}, now {now}): /blobs/{was}"
    told = f"m-1: has changed (fingerprint 0123456789ab…, now ffffffffffff…): /blobs/{was}"
    decision = Decision(reason=Reason.CHECKPOINT_CHANGED, message=message)
    status = history.end.model_copy(update={"stalled": decision, "completion_time": None})
    assert summary_of(history, status).verdict.startswith(f"Stalled (CheckpointChanged): {told}. ")
    failed = status.model_copy(update={"failed": decision})
    assert summary_of(history, failed).verdict.startswith(f"Failed: {told}. ")
    trouble = history.end.candidates[0].model_copy(update={"attempt": 2, "message": message})
    preflight = history.end.preflight.model_copy(update={"warnings": (message,)})
    found = summary_of(history, status.model_copy(update={"candidates": (trouble,), "preflight": preflight}))
    assert found.warnings == (told,)
    assert [row[4] for row in tables.troubles(found).rows] == [told]


def test_scores_are_said_to_be_kept_only_where_there_are_any(history: History) -> None:
    decision = Decision(reason=Reason.TASK_UNKNOWN, message="no such task")
    for status, kept in ((history.statuses[1], False), (history.end, True)):
        found = summary_of(history, status.model_copy(update={"stalled": decision, "completion_time": None}))
        assert found.outcome is Outcome.STALLED
        assert ("all scores so far are kept" in found.verdict) == kept


def test_a_list_of_problems_stands_between_the_reason_and_what_to_do(history: History) -> None:
    decision = Decision(reason=Reason.PREFLIGHT_FAILED, message="CheckpointMissing: m-1\nTaskUnknown: b")
    found = summary_of(history, history.statuses[1].model_copy(update={"stalled": decision}))
    lines = found.verdict.splitlines()
    assert lines[:3] == ["Stalled (PreflightFailed):", "CheckpointMissing: m-1", "TaskUnknown: b"]
    assert lines[3].startswith("Mend what the preflight names")


def test_on_one_machine_a_suspended_search_goes_on_by_the_manifest_and_the_command(history: History) -> None:
    spec = history.resource.spec.model_copy(update={"suspend": True})
    resource = history.resource.model_copy(update={"spec": spec, "status": history.statuses[2]})
    assert summarize(resource, advice.Place.MACHINE).verdict.endswith(
        "Set spec.suspend to false in the manifest and run the same `mergesearch run` command to go on."
    )


def test_a_failed_search_says_why_and_what_is_left(history: History) -> None:
    decision = Decision(reason=Reason.BUDGET_SPENT_UNCONFIRMED, message="nothing could be confirmed within the budget")
    status = history.statuses[8]
    failed = status.model_copy(update={"failed": decision, "completion_time": status.start_time})
    found = summary_of(history, failed)
    assert found.outcome is Outcome.FAILED
    assert found.verdict.startswith("Failed: nothing could be confirmed within the budget. The search has ended;")


def test_an_earlier_confirmation_is_a_note_while_the_search_goes_on(history: History) -> None:
    resumed = clear(history.end).model_copy(update={"completion_time": None, "closed": None})
    found = summary_of(history, resumed)
    assert found.outcome is Outcome.RUNNING
    assert len(found.notes) == 1
    assert found.notes[0].startswith("An earlier confirmation stands: ")
    assert "nothing is proven yet" not in found.verdict


def test_a_later_confirmation_that_was_not_finished_is_a_note(history: History) -> None:
    last = history.end.confirmations[-1]
    other = last.model_copy(update={"id": "c0001", "kind": RecordKind.SEARCH, "state": "Waiting", "fitness": None})
    status = clear(history.end).model_copy(update={"confirmations": (*history.end.confirmations, other)})
    assert (
        "A later confirmation was not finished within the budget; this one stands." in summary_of(history, status).notes
    )
