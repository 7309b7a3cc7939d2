"""What a report knows of a search, at any moment of its life."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.api.status import MergeSearchStatus, RecordState
from mergesearch.report import analysis, data, facts, page, tables
from mergesearch.report.shapes import Outcome, Role, Summary
from mergesearch.report.summary import summarize
from unit.report import answers, histories
from unit.report.histories import History, clear, with_status

algorithms = st.sampled_from(
    [
        {"cmaes": {"populationSize": 4}},
        {"cmaes": {"parametrization": "Box"}},
        {"preset": "Paper"},
        {"random": {"populationSize": 3}},
    ]
)


@st.composite
def searches(draw: st.DrawFn) -> History:
    """Whole small searches, of which some candidates fail."""
    wanted = ["Checkpoints", "Uniform", "MergeBest", "Greedy"]
    baselines = draw(st.sampled_from([wanted, wanted[:3], ["Checkpoints"], ["Uniform"], []]))
    resource = histories.manifest(
        checkpoints=draw(st.integers(2, 5)),
        tasks=("a", "b", "c")[: draw(st.integers(1, 3))],
        held_out=("h", "i")[: draw(st.integers(0, 2))],
        maxEvaluations=draw(st.integers(1, 12)),
        algorithm=draw(algorithms),
        baselines=baselines,
        confirm={"finalists": draw(st.integers(1, 3)), "baselines": draw(st.sampled_from(["Best", "All"]))},
    )
    failing = draw(st.frozensets(st.integers(1, 12).map(lambda n: f"c{n:04d}"), max_size=4))
    factor = draw(st.sampled_from([1.0, 10.0]))
    return histories.run(resource, lambda weights, task: factor * answers.peak(weights, task), failing)


def assert_sound(summary: Summary) -> None:
    """What holds of every summary."""
    assert summary.verdict
    if summary.outcome is Outcome.GAIN:
        assert all(row.versus is None or row.versus.significant for row in summary.rows)
    bests = [one.running_best for one in summary.evaluations if one.running_best is not None]
    assert bests == sorted(bests)
    for make in (
        tables.final,
        tables.on_search,
        tables.weights,
        tables.generations,
        tables.evaluations,
        tables.troubles,
        tables.samples,
        tables.documents,
    ):
        table = make(summary)
        assert all(len(row) == len(table.headers) for row in table.rows), table.caption
    for some in (facts.proof, facts.learning, facts.cost, facts.rebuild):
        assert all(pair.name and pair.value for pair in some(summary))
    json.dumps(data.document(summary, analysis.analyse(summary)), allow_nan=False)


@settings(max_examples=30)
@given(history=searches())
def test_every_moment_of_every_search_can_be_reported(history: History) -> None:
    for status in (None, *history.statuses):
        assert_sound(summarize(with_status(history.resource, status)))


@settings(max_examples=12)
@given(history=searches(), place=st.floats(0, 1))
def test_any_moment_makes_a_page(history: History, place: float) -> None:
    status = history.statuses[round(place * (len(history.statuses) - 1))]
    summary = summarize(with_status(history.resource, status))
    assert page.render(summary, analysis.analyse(summary)).count("</html>") == 1


def test_a_status_that_was_written_and_read_back_is_reported_alike(history: History) -> None:
    for status in history.statuses:
        again = MergeSearchStatus.model_validate(json.loads(json.dumps(status.to_document())))
        assert summarize(with_status(history.resource, again)) == summarize(with_status(history.resource, status))


@pytest.fixture(scope="module")
def complete(history: History) -> Summary:
    return summarize(with_status(history.resource, clear(history.end)))


def test_the_rows_are_the_winner_the_finalists_and_every_baseline(history: History, complete: Summary) -> None:
    assert history.end.confirmed is not None
    roles = [row.role for row in complete.rows]
    assert roles == [Role.WINNER, *[Role.FINALIST] * 2, Role.MERGE_BEST, Role.UNIFORM, *[Role.CHECKPOINT] * 4]
    assert complete.rows[0].id == history.end.confirmed.id == complete.winner
    assert [row.name for row in complete.rows[5:]] == ["m-0", "m-1", "m-2", "m-3"]


def test_every_confirmed_row_has_both_sides_and_only_baselines_have_a_gain(complete: Summary) -> None:
    for row in complete.rows:
        assert row.on_search is not None
        assert len(row.on_search.scores) == 2
        confirmed = row.role is not Role.CHECKPOINT or row.name == "m-0"
        assert (row.on_unseen is not None) == confirmed
        if row.on_unseen is not None:
            assert len(row.on_unseen.scores) == len(row.on_unseen.errors) == 3
        assert (row.versus is not None) == (confirmed and row.role not in (Role.WINNER, Role.FINALIST))


def test_before_the_confirmation_the_best_candidates_so_far_stand_in_for_the_finalists(history: History) -> None:
    status = history.first(lambda status: status.counts.scored >= 5)
    found = summarize(with_status(history.resource, status))
    leading = [row for row in found.rows if row.role is Role.CANDIDATE]
    fitness = [row.on_search.fitness for row in leading if row.on_search is not None]
    assert len(leading) == 3
    assert fitness == sorted(fitness, reverse=True)
    assert found.winner is None
    assert status.best is not None
    assert found.weights_of == status.best.id == leading[0].id


def test_only_the_greedy_soup_that_was_kept_has_a_row() -> None:
    wanted = ["Checkpoints", "Uniform", "Greedy"]
    history = histories.run(histories.manifest(maxEvaluations=6, baselines=wanted))
    soups = [record for record in history.end.baselines if record.kind == "Greedy"]
    found = summarize(with_status(history.resource, history.end))
    rows = [row for row in found.rows if row.role is Role.GREEDY]
    assert len(soups) == 3
    assert [(row.id, row.name) for row in rows] == [("greedy-3", "greedy-3")]


def test_the_weights_are_exact_sum_to_1_and_fall(history: History, complete: Summary) -> None:
    winner = history.end.confirmed
    assert winner is not None
    values = [entry.weight for entry in complete.weights]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1.0, abs=1e-12)
    assert {entry.checkpoint: round(entry.weight, 6) for entry in complete.weights if entry.weight} == winner.weights


def test_the_curve_has_every_candidate_and_marks_the_failed(with_failures: History) -> None:
    found = summarize(with_status(with_failures.resource, with_failures.end))
    assert [one.number for one in found.evaluations] == list(range(1, 15))
    failed = [one for one in found.evaluations if one.state is RecordState.FAILED]
    assert [one.id for one in failed] == ["c0002", "c0005"]
    assert all(one.fitness is None and one.scores == () for one in failed)
    first = found.evaluations[0]
    assert found.evaluations[1].running_best is not None
    assert found.evaluations[1].running_best == first.running_best == first.fitness


def test_the_lines_are_the_best_baseline_of_each_kind(history: History, complete: Summary) -> None:
    best = max(row.on_search.fitness for row in complete.rows if row.role is Role.CHECKPOINT and row.on_search)
    assert [line.role for line in complete.lines] == [Role.CHECKPOINT, Role.UNIFORM, Role.MERGE_BEST]
    assert complete.lines[0].fitness == best
    assert complete.lines[0].name == "m-0"


def test_failures_and_retries_are_listed_with_their_reason(with_failures: History, complete: Summary) -> None:
    found = summarize(with_status(with_failures.resource, with_failures.end))
    assert [(one.id, one.reason, one.message) for one in found.troubles] == [
        ("c0002", "NonFiniteScore", "the score of a is nan"),
        ("c0005", "NonFiniteScore", "the score of a is nan"),
    ]
    assert (found.tries.failed, found.tries.scored) == (2, 12)
    assert complete.troubles == ()


def test_samples_are_counted_on_each_side_once_the_preflight_has_passed(history: History, complete: Summary) -> None:
    half = answers.DOCUMENTS // 2
    counted = [(task.name, task.search_samples, task.unseen_samples) for task in complete.tasks]
    assert counted == [("a", half, half), ("b", half, half), ("h", None, answers.DOCUMENTS)]
    before = summarize(with_status(history.resource, history.statuses[0]))
    assert [(task.search_samples, task.unseen_samples) for task in before.tasks] == [(None, None)] * 3


def test_scores_that_are_no_fractions_are_left_as_they_are() -> None:
    def marks(weights: tuple[float, ...], task: str) -> float:
        return answers.peak(weights, task) * (10.0 if task == "h" else 1.0)

    history = histories.run(histories.manifest(maxEvaluations=6), marks)
    found = summarize(with_status(history.resource, history.end))
    assert [task.scale.unit for task in found.tasks] == ["points", "points", ""]
    assert found.scale.unit == "points"


def test_what_is_needed_to_rebuild_it_is_there(history: History, complete: Summary) -> None:
    needed = complete.rebuild
    assert needed.seed == 1
    assert [source.path for source in needed.checkpoints] == ["m-0", "m-1", "m-2", "m-3"]
    assert all(source.fingerprint for source in needed.checkpoints)
    assert {pair.name for pair in needed.versions} >= {"cmaes", "numpy", "lm_eval"}
    assert history.end.confirmed is not None
    assert needed.path == history.end.confirmed.path


def test_the_noise_floor_and_the_smallest_gain_are_passed_on(history: History, complete: Summary) -> None:
    assert complete.noise == history.end.noise is not None
    assert complete.smallest_gain == history.end.preflight.smallest_gain is not None


def test_a_replay_that_has_diverged_is_a_warning(history: History) -> None:
    diverged = history.end.model_copy(update={"diverged": True})
    assert "numpy or cmaes has changed" in summarize(with_status(history.resource, diverged)).warnings[0]
    assert summarize(with_status(history.resource, history.end)).warnings == ()
