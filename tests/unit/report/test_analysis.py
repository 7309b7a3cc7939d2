"""What the numbers show: on the paper's checkpoints the paper's answers, and at any moment something or why not."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api.status import RecordKind, RecordState
from mergesearch.report import analysis
from mergesearch.report.correlation import Correlations
from mergesearch.report.findings import Absent, Compute, Findings, Heatmap, Tradeoffs, Volume
from mergesearch.report.shapes import Role, Summary
from mergesearch.report.summary import summarize
from mergesearch.search import selection
from unit.report import histories, paper_search
from unit.report.histories import History, with_status


@pytest.fixture(scope="module")
def history() -> History:
    """Shadows the plain search: the paper's sixteen checkpoints, five tasks, fifty evaluations."""
    return paper_search.run()


@pytest.fixture(scope="module")
def summary(history: History) -> Summary:
    return summarize(with_status(history.resource, history.end))


@pytest.fixture(scope="module")
def found(summary: Summary) -> Findings:
    return analysis.analyse(summary)


# --- Task against task ---


def test_correlations_are_those_of_the_papers_checkpoints_and_of_them_alone(found: Findings) -> None:
    correlations = found.correlations
    assert isinstance(correlations, Correlations)
    assert correlations.checkpoints == 16
    assert len(correlations.pairs) == 10
    place = paper_search.ALL.index
    for first, second, rho in (("mbpp", "ifeval", -0.354), ("mbpp", "musr", -0.402), ("mmlu_pro", "ifeval", -0.025)):
        assert correlations.of(place(first), place(second)).rho == pytest.approx(rho, abs=5e-4)


def test_of_many_pairs_those_are_shown_that_trade_off_most(found: Findings) -> None:
    tradeoffs, correlations = found.tradeoffs, found.correlations
    assert isinstance(tradeoffs, Tradeoffs)
    assert isinstance(correlations, Correlations)
    assert tradeoffs.all_pairs == 10
    assert len(tradeoffs.pairs) == analysis.MAX_PAIRS
    shown = [pair.rho for pair in tradeoffs.pairs]
    lowest = sorted(pair.rho for pair in correlations.pairs if pair.rho is not None)
    assert shown == lowest[: analysis.MAX_PAIRS]


def test_all_pairs_of_a_few_tasks_are_shown_in_their_order() -> None:
    history = histories.run(histories.manifest(tasks=("a", "b", "c", "d"), maxEvaluations=4))
    tradeoffs = analysis.analyse(summarize(with_status(history.resource, history.end))).tradeoffs
    assert isinstance(tradeoffs, Tradeoffs)
    assert [(pair.first, pair.second) for pair in tradeoffs.pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_the_pareto_set_is_the_one_that_the_status_carries(history: History, found: Findings) -> None:
    assert isinstance(found.tradeoffs, Tradeoffs)
    assert set(found.tradeoffs.front) == set(history.end.pareto)


def test_nothing_beats_a_model_of_a_front_on_both_tasks_and_every_other_one_is_beaten(found: Findings) -> None:
    tradeoffs = found.tradeoffs
    assert isinstance(tradeoffs, Tradeoffs)
    for pair in tradeoffs.pairs:
        both = {point.id: (point.scores[pair.first], point.scores[pair.second]) for point in tradeoffs.points}
        front = [both[name] for name in pair.front]
        assert front == sorted(front)
        assert [second for _, second in front] == sorted((second for _, second in front), reverse=True)
        for name, scores in both.items():
            beaten = any(a >= scores[0] and b >= scores[1] for a, b in front if (a, b) != scores)
            assert beaten == (name not in pair.front and scores not in front), name


def test_the_line_is_that_of_the_checkpoints_alone() -> None:
    """Slope and intercept by the textbook's formulas."""
    tasks = ("mbpp", "ifeval")
    history = paper_search.run(tasks)
    tradeoffs = analysis.analyse(summarize(with_status(history.resource, history.end))).tradeoffs
    assert isinstance(tradeoffs, Tradeoffs)
    fit = tradeoffs.pairs[0].fit
    assert fit is not None
    x, y = ([float(row[task]) / 100.0 for row in paper_search.rows()] for task in tasks)
    mean_x, mean_y = sum(x) / 16, sum(y) / 16
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
    assert fit.slope == pytest.approx(slope, abs=1e-9)
    assert fit.intercept == pytest.approx(mean_y - slope * mean_x, abs=1e-9)
    assert 0.0 <= fit.r_squared <= 1.0


@pytest.mark.parametrize(
    "both",
    [
        [],
        [(0.0, 0.0), (1.0, 1.0)],
        [(0.5, 0.1), (0.5, 0.2), (0.5, 0.3)],
        [(0.1, 0.5), (0.2, 0.5), (0.3, 0.5)],
    ],
    ids=["none", "two", "upright", "level"],
)
def test_there_is_no_line_where_none_is_determined_by_more_than_its_own_points(
    both: list[tuple[float, float]],
) -> None:
    assert analysis.line(both) is None


# --- Volume ---


def test_the_volume_begins_with_the_baselines_and_grows_with_the_evaluations(found: Findings, summary: Summary) -> None:
    volume = found.volume
    assert isinstance(volume, Volume)
    assert volume.error is None
    assert len(volume.curve) == 1 + len(summary.evaluations)
    assert 0.0 < volume.checkpoints <= volume.curve[0] < volume.curve[-1]
    assert list(volume.curve) == sorted(volume.curve)


def test_the_reference_lies_a_tenth_of_the_range_below_the_worst_checkpoint(found: Findings) -> None:
    volume = found.volume
    assert isinstance(volume, Volume)
    for task, reference, ideal in zip(paper_search.ALL, volume.reference, volume.ideal, strict=True):
        scores = [float(row[task]) / 100.0 for row in paper_search.rows()]
        assert ideal == pytest.approx(max(scores))
        assert reference == pytest.approx(min(scores) - 0.1 * (max(scores) - min(scores)))


def ideal_joins(summary: Summary) -> Summary:
    """With a candidate that is as good as the best checkpoint on every task."""
    volume = analysis.analyse(summary).volume
    assert isinstance(volume, Volume)
    last = dataclasses.replace(summary.evaluations[-1], scores=volume.ideal)
    return dataclasses.replace(summary, evaluations=(last,))


def test_a_model_that_is_as_good_as_the_best_checkpoint_everywhere_makes_the_volume_1(history: History) -> None:
    """Before any merge is scored, so that nothing is better than it."""
    singles = tuple(record for record in history.end.baselines if record.kind is RecordKind.CHECKPOINT)
    status = history.end.model_copy(update={"baselines": singles})
    volume = analysis.analyse(ideal_joins(summarize(with_status(history.resource, status)))).volume
    assert isinstance(volume, Volume)
    assert volume.curve[0] == volume.checkpoints < 1.0
    assert volume.curve[-1] == pytest.approx(1.0)


def test_a_task_on_which_all_checkpoints_score_alike_is_left_out_of_the_volume() -> None:
    def flat(weights: tuple[float, ...], task: str) -> float:
        return 0.5 if task == "b" else weights[0] if task == "a" else weights[1]

    history = histories.run(histories.manifest(tasks=("a", "b", "c"), maxEvaluations=4), flat)
    findings = analysis.analyse(summarize(with_status(history.resource, history.end)))
    assert isinstance(findings.volume, Volume)
    assert findings.volume.left_out == (1,)
    assert isinstance(findings.correlations, Correlations)
    assert findings.correlations.of(0, 1).rho is None
    assert findings.correlations.of(0, 2).rho is not None


# --- Weightings, cost ---


def test_the_heatmap_has_the_best_weightings_over_checkpoints_from_the_best_alone(
    found: Findings, summary: Summary
) -> None:
    heatmap = found.heatmap
    assert isinstance(heatmap, Heatmap)
    alone = [source.fitness for source in heatmap.checkpoints if source.fitness is not None]
    assert len(alone) == 16
    assert alone == sorted(alone, reverse=True)
    scored = [one.fitness for one in summary.evaluations if one.fitness is not None]
    assert [one.fitness for one in heatmap.weightings] == sorted(scored, reverse=True)[:5]
    names = [source.name for source in summary.rebuild.checkpoints]
    by_id = {one.id: one for one in summary.evaluations}
    for one in heatmap.weightings:
        known = dict(zip(names, by_id[one.id].weights, strict=True))
        assert one.weights == tuple(known[source.name] for source in heatmap.checkpoints)
        assert sum(one.weights) == pytest.approx(1.0)


def test_the_heatmap_shows_equal_weightings_once(summary: Summary) -> None:
    scored = [one for one in summary.evaluations if one.fitness is not None]
    again = dataclasses.replace(scored[0], id="again", number=len(scored) + 1, same_as=scored[0].id)
    heatmap = analysis.analyse(dataclasses.replace(summary, evaluations=(scored[0], again, scored[1]))).heatmap

    assert isinstance(heatmap, Heatmap)
    assert sorted(one.id for one in heatmap.weightings) == sorted([scored[0].id, scored[1].id])


def test_flops_are_twice_the_parameters_times_the_tokens_and_a_share_of_the_training_if_that_is_given(
    history: History,
) -> None:
    """The parameters are those that the preflight has counted, seven billion here."""
    preflight = history.end.preflight.model_copy(update={"parameters": 7_000_000_000})
    cost = history.end.cost.model_copy(update={"flops": 0.0})
    status = history.end.model_copy(update={"preflight": preflight, "cost": cost})
    summary = summarize(with_status(history.resource, status))
    tokens = summary.spent.prompt_tokens + summary.spent.generated_tokens
    assert tokens > 0
    alone, shared = (analysis.analyse(summary, training).compute for training in (None, 1e18))
    assert isinstance(alone, Compute)
    assert isinstance(shared, Compute)
    assert alone.flops == shared.flops == 2.0 * 7e9 * tokens
    assert (alone.training_flops, alone.share) == (None, None)
    assert shared.share == alone.flops / 1e18


# --- At any moment ---


def test_at_every_step_there_is_something_or_a_sentence_that_says_why_not() -> None:
    history = histories.run(histories.manifest(maxEvaluations=6), failing=frozenset({"c0002"}))
    kinds = set()
    for status in (None, *history.statuses):
        findings = analysis.analyse(summarize(with_status(history.resource, status)))
        for field in dataclasses.fields(findings):
            value = getattr(findings, field.name)
            kinds.add((field.name, isinstance(value, Absent)))
            if isinstance(value, Absent):
                assert value.why[0].isupper() or value.why[0].isdigit()
                assert value.why.endswith(".")
    assert len(kinds) == 2 * len(dataclasses.fields(Findings)), "each was absent at first and there at the end"


def test_a_search_of_one_task_has_nothing_to_trade_off_and_says_so() -> None:
    history = histories.run(histories.manifest(tasks=("a",), maxEvaluations=4))
    findings = analysis.analyse(summarize(with_status(history.resource, history.end)))
    assert findings.tradeoffs == findings.volume == findings.correlations == analysis.ONE_TASK
    assert isinstance(findings.heatmap, Heatmap)


def test_two_checkpoints_have_a_volume_but_no_correlation_and_no_line() -> None:
    history = histories.run(histories.manifest(2, maxEvaluations=4))
    findings = analysis.analyse(summarize(with_status(history.resource, history.end)))
    assert findings.correlations == Absent("2 checkpoints are scored; a correlation needs 3.")
    assert isinstance(findings.tradeoffs, Tradeoffs)
    assert findings.tradeoffs.pairs[0].fit is None
    assert isinstance(findings.volume, Volume)
    assert 0.0 < findings.volume.checkpoints <= 1.0


def test_a_failed_candidate_is_in_no_drawing_and_leaves_the_volume_where_it_was(with_failures: History) -> None:
    summary = summarize(with_status(with_failures.resource, with_failures.end))
    findings = analysis.analyse(summary)
    assert isinstance(findings.tradeoffs, Tradeoffs)
    assert isinstance(findings.volume, Volume)
    failed = [one for one in summary.evaluations if one.state is RecordState.FAILED]
    assert len(failed) == 2
    assert not {one.id for one in failed} & {point.id for point in findings.tradeoffs.points}
    for one in failed:
        assert findings.volume.curve[one.number] == findings.volume.curve[one.number - 1]


def test_every_model_is_one_point_and_the_winner_is_marked(summary: Summary) -> None:
    found = analysis.points(summary)
    assert len({point.id for point in found}) == len(found) == 16 + 2 + 50
    assert [point.id for point in found if point.role is Role.WINNER] == [summary.winner]


cells = st.tuples(*[st.sampled_from([0.1, 0.2, 0.3, 0.4])] * 3)


@given(st.lists(cells, min_size=1, max_size=9))
def test_the_front_of_two_tasks_does_not_depend_on_the_others(scores: list[tuple[float, float, float]]) -> None:
    both = [(one[0], one[2]) for one in scores]
    front = selection.pareto(both)
    values = [both[place] for place in front]
    assert len(set(values)) == len(values)
    assert all(any(a >= x and b >= y for a, b in values) for x, y in both)
