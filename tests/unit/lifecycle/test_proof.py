"""What came of a search, in a reason and a line."""

import pytest

from mergesearch.api.status import Confirmed, Gain, MergeSearchStatus, RecordKind
from mergesearch.contract import CompareReport, Comparison
from mergesearch.lifecycle import proof, requests, verdict
from mergesearch.lifecycle.step import Observed, Step
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, resource

Numbers = tuple[float, float, float, float]

CLEAR: Numbers = (0.05, 0.03, 0.07, 0.0001)
CHECKPOINT, UNIFORM, MERGE_BEST = "checkpoint-m-0", "uniform", "merge-best"


@pytest.fixture(scope="module")
def end() -> tuple[Bench, Confirmed]:
    """A search that is complete, and its winner; three finalists."""
    bench = Bench(resource())
    status = bench.rest()
    assert status.confirmed is not None
    assert [gain.baseline for gain in status.confirmed.gains] == [CHECKPOINT, UNIFORM, MERGE_BEST]
    return bench, status.confirmed.model_copy(update={"id": "c0017", "fitness": 0.6572})


def compared(winner: Confirmed, numbers: dict[str, Numbers]) -> Confirmed:
    gains = tuple(Gain(baseline=b, gain=g, low=low, high=high, p=p) for b, (g, low, high, p) in numbers.items())
    return winner.model_copy(update={"gains": gains})


SCORE = "c0017 has 0.6572 on unseen samples"
OUTCOMES: dict[str, tuple[dict[str, Numbers], str, str]] = {
    "all are beaten": (
        {CHECKPOINT: CLEAR, UNIFORM: (0.041, 0.02, 0.06, 0.0004), MERGE_BEST: CLEAR},
        "Gain",
        f"gain over checkpoint m-0, uniform and merge-best: {SCORE}, +0.0410 against uniform "
        "(95% interval +0.0200..+0.0600, p = 0.0004)",
    ),
    "two are not": (
        {CHECKPOINT: CLEAR, UNIFORM: (-0.0022, -0.01, 0.006, 0.63), MERGE_BEST: (-0.001, -0.01, 0.006, 0.6)},
        "BaselineBetter",
        f"no gain over uniform and merge-best: {SCORE}, -0.0022 against uniform "
        "(95% interval -0.0100..+0.0060, p = 0.63)",
    ),
    "one is equal": (
        {CHECKPOINT: (0.0, -0.02, 0.02, 0.5), UNIFORM: CLEAR, MERGE_BEST: CLEAR},
        "NoGain",
        f"no gain over checkpoint m-0: {SCORE}, +0.0000 against checkpoint m-0 "
        "(95% interval -0.0200..+0.0200, p = 0.50)",
    ),
    "chance explains one, though another gain is smaller": (
        {CHECKPOINT: CLEAR, UNIFORM: (0.06, -0.001, 0.12, 0.026), MERGE_BEST: CLEAR},
        "NoGain",
        f"no significant gain over uniform: {SCORE}, +0.0600 against uniform "
        "(95% interval -0.0010..+0.1200, p = 0.026, 0.078 when corrected for 3 finalists)",
    ),
    "one is better, and chance explains the gain over another": (
        {CHECKPOINT: CLEAR, UNIFORM: (0.06, -0.001, 0.12, 0.026), MERGE_BEST: (-0.001, -0.01, 0.006, 0.6)},
        "BaselineBetter",
        f"no gain over merge-best, no significant gain over uniform: {SCORE}, -0.0010 against merge-best "
        "(95% interval -0.0100..+0.0060, p = 0.60)",
    ),
    "one was not compared": (
        {CHECKPOINT: CLEAR, UNIFORM: CLEAR},
        "Unproven",
        f"nothing is proven: {SCORE}, but it was not compared with merge-best",
    ),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_the_line_names_what_is_not_beaten_with_the_numbers(case: str, end: tuple[Bench, Confirmed]) -> None:
    bench, winner = end
    numbers, reason, line = OUTCOMES[case]
    found = proof.outcome(bench.resource.spec, bench.status, compared(winner, numbers))
    assert (str(found[0]), found[1]) == (reason, line)


def test_a_gain_is_claimed_only_after_the_correction_for_the_finalists(end: tuple[Bench, Confirmed]) -> None:
    _, winner = end
    (gain,) = compared(winner, {UNIFORM: (0.02, 0.001, 0.04, 0.02)}).gains
    assert proof.significant(gain, choices=1)
    assert not proof.significant(gain, choices=3)


def test_the_comparison_has_corrected_p_itself_where_it_knows_how(end: tuple[Bench, Confirmed]) -> None:
    """It knows how alike the finalists are, so that p is not multiplied by their number."""
    bench, winner = end
    (gain,) = compared(winner, {UNIFORM: (0.02, 0.001, 0.04, 0.02)}).gains
    told = gain.model_copy(update={"corrected_p": 0.031})
    assert proof.corrected_p(told, choices=3) == 0.031
    assert proof.significant(told, choices=3)
    _, line = proof.outcome(bench.resource.spec, bench.status, refuted(winner, corrected_p=0.052))
    assert line.endswith("p = 0.020, 0.052 when corrected for 3 finalists)")


def refuted(winner: Confirmed, corrected_p: float) -> Confirmed:
    """With the same gain over every baseline, which the comparison has corrected."""
    found = compared(winner, dict.fromkeys((CHECKPOINT, UNIFORM, MERGE_BEST), (0.02, -0.001, 0.04, 0.02)))
    gains = tuple(gain.model_copy(update={"corrected_p": corrected_p}) for gain in found.gains)
    return found.model_copy(update={"gains": gains})


def test_finalists_that_the_comparison_did_not_know_do_not_count(end: tuple[Bench, Confirmed]) -> None:
    """A search that goes on may score more of them, and end before they are compared."""
    bench, winner = end
    assert winner.finalists == 3
    told = compared(winner, dict.fromkeys((CHECKPOINT, UNIFORM, MERGE_BEST), (0.02, 0.001, 0.04, 0.015)))
    later = next(r for r in bench.status.confirmations if r.kind is RecordKind.SEARCH)
    more = bench.status.model_copy(
        update={"confirmations": (*bench.status.confirmations, later.model_copy(update={"id": "c0099"}))}
    )
    assert proof.choices(more.model_copy(update={"confirmed": told})) == 3
    assert proof.outcome(bench.resource.spec, more, told)[0] is Reason.GAIN, "0.045 for three, 0.06 for four"
    unknown = told.model_copy(update={"finalists": None})
    assert proof.outcome(bench.resource.spec, more, unknown)[0] is Reason.NO_GAIN, "of an earlier release all count"


def test_what_the_comparison_says_of_the_winner_stands_in_the_status(end: tuple[Bench, Confirmed]) -> None:
    bench, _ = end
    request = requests.compare(bench.resource, bench.status)
    comparisons = tuple(
        Comparison(candidate=f.id, baseline=b.id, gain=0.02, low=0.01, high=0.03, p=0.004, corrected_p=0.007)
        for f in request.finalists
        for b in request.baselines
    )
    report = CompareReport(version=1, request_hash=request.hash(), comparisons=comparisons)
    status = verdict.decide(Step(bench.resource, bench.status, Observed(), bench.now), report).status
    assert status.confirmed is not None
    assert status.confirmed.finalists == len(request.finalists) == 3
    assert {gain.corrected_p for gain in status.confirmed.gains} == {0.007}


def test_many_names_are_cut_to_a_number(end: tuple[Bench, Confirmed]) -> None:
    bench, winner = end
    many = {f"greedy-{i}": CLEAR for i in range(4)} | {CHECKPOINT: CLEAR, UNIFORM: CLEAR, MERGE_BEST: CLEAR}
    _, line = proof.outcome(bench.resource.spec, bench.status, compared(winner, many))
    assert line.startswith("gain over greedy-0, greedy-1, greedy-2 and 4 more: ")


def test_samples_that_had_decided_before_are_told_in_the_line(end: tuple[Bench, Confirmed]) -> None:
    bench, winner = end
    again = compared(winner, {CHECKPOINT: CLEAR, UNIFORM: CLEAR, MERGE_BEST: CLEAR}).model_copy(update={"reused": True})
    _, line = proof.outcome(bench.resource.spec, bench.status, again)
    assert f"{SCORE} that had decided an earlier confirmation, +0.0500 against " in line


def test_without_baselines_nothing_is_proven() -> None:
    bench = Bench(resource(search={"baselines": []}))
    bench.rest()
    assert bench.condition("Ready") == ("True", "Unproven")
    assert ready(bench).endswith(" on unseen samples, but there was no baseline")


# --- What kubectl shows ---


def ready(bench: Bench) -> str:
    return next(condition.message for condition in bench.status.conditions if condition.type == "Ready")


def test_ready_says_that_a_baseline_is_the_better_choice() -> None:
    bench = Bench(resource())
    bench.world.gains = {"uniform": -0.02}
    bench.rest()
    assert bench.condition("Ready") == ("True", "BaselineBetter")
    assert bench.condition("Complete") == ("True", "BudgetSpent")
    assert ready(bench).startswith("no gain over uniform, no significant gain over checkpoint m-0 and merge-best: ")
    assert "-0.0200 against uniform" in ready(bench)


def test_the_gain_of_the_column_is_the_confirmed_one_once_it_is_known() -> None:
    bench = Bench(resource())
    bench.world.gains = {"uniform": -0.0022}

    def column(status: MergeSearchStatus) -> bool:
        searched = status.best.gain if status.best is not None else None
        assert status.gain == (searched if status.confirmed is None else -0.0022)
        return status.completion_time is not None

    status = bench.until(column)
    assert status.best is not None
    assert status.best.gain != status.gain, "what the search has seen stays there"
