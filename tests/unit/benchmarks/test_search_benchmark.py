"""The benchmark of searches is fair and repeatable: true optima, equal budgets, the product's own proposals, seeds."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from search import families, landscapes, methods, play, records, scoring, stages, tables
from search.landscapes import Kind
from search.methods import Method
from search.records import Dropped, Outcome
from search.stages import Game

from family import toy, vocabulary
from mergesearch.api.status import RecordKind
from mergesearch.lifecycle import strategy
from mergesearch.search import parametrization

ROOT = Path(__file__).resolve().parents[3]
KINDS: tuple[Kind, ...] = ("weak", "strong")
BY_NAME = {method.name: method for method in (*methods.COMPARED, *methods.TUNED, *stages.SKIPPED)}


def game(kind: Kind = "strong", size: int = 4, seed: int = 3, budgets: tuple[int, ...] = (10, 20)) -> Game:
    return Game(kind, landscapes.draw(kind, size, seed), seed, budgets, points=1.0)


def searched(method: Method, played: Game) -> list[play.Candidate]:
    known = play.history(played.world, played.spec(methods.SOFTMAX))
    return play.candidates(played.world, played.spec(method), method, known)


# --- Landscapes ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_the_optimum_of_a_landscape_lies_on_the_simplex_and_no_merge_is_better(kind: Kind, size: int) -> None:
    landscape = landscapes.draw(kind, size, seed=7)
    best = float(landscape.scores(landscape.optimum.tolist()).mean())

    assert landscape.optimum.min() >= 0.0
    assert landscape.optimum.sum() == pytest.approx(1.0)
    others = np.random.default_rng(0).dirichlet(np.full(size, 0.5), 500)
    nearby = 0.99 * landscape.optimum + 0.01 * others
    for weights in (*others, *nearby):
        regret = landscape.regret(weights.tolist())
        assert regret > 0.0
        assert best - float(landscape.scores(weights.tolist()).mean()) == pytest.approx(regret, abs=1e-9)


@pytest.mark.parametrize(("kind", "distance"), [("weak", 0.7), ("strong", 2.3)])
def test_the_uniform_merge_is_as_far_from_the_optimum_as_the_kind_says(kind: Kind, distance: float) -> None:
    assert landscapes.draw(kind, 16, seed=1).regret([1 / 16] * 16) == pytest.approx(distance)


def test_the_optimum_of_a_strong_landscape_is_sparse_and_that_of_a_weak_one_is_not() -> None:
    assert np.count_nonzero(landscapes.draw("strong", 16, seed=1).optimum) == 3
    assert np.count_nonzero(landscapes.draw("weak", 16, seed=1).optimum) == 16


def test_a_landscape_is_the_same_for_a_seed_and_another_for_another() -> None:
    one, again, other = (landscapes.draw("weak", 8, seed) for seed in (1, 1, 2))

    assert one.metric.tolist() == again.metric.tolist()
    assert one.metric.tolist() != other.metric.tolist()


def test_noise_follows_from_weights_and_split_and_has_the_spread_that_the_landscape_says() -> None:
    landscape = landscapes.draw("weak", 4, seed=5)
    uniform = [0.25] * 4
    many = np.random.default_rng(0).dirichlet(np.ones(4), 2000)
    errors = [np.mean(landscape.search(w)) - np.mean(landscape.scores(w)) for w in many.tolist()]

    assert landscape.search(uniform) == landscape.search(uniform)
    assert landscape.search(uniform) != landscape.unseen(uniform)
    assert 0.5 <= landscape.noise <= 1.0
    assert np.std(errors) == pytest.approx(landscape.noise, rel=0.08)  # five standard errors of a standard deviation


# --- Methods ---


@pytest.mark.parametrize("name", BY_NAME)
def test_every_method_proposes_weights_of_sum_one_and_spends_just_the_budget(name: str) -> None:
    found = searched(BY_NAME[name], game())

    assert len(found) == 20
    for one in found:
        assert min(one.weights) >= 0.0
        assert sum(one.weights) == pytest.approx(1.0)


@pytest.mark.parametrize("name", [method.name for method in methods.COMPARED])
def test_a_search_is_the_same_for_a_seed_and_another_for_another(name: str) -> None:
    method = BY_NAME[name]

    assert searched(method, game()) == searched(method, game())
    assert searched(method, game())[0].weights != searched(method, game(seed=4))[0].weights


@pytest.mark.parametrize("name", [method.name for method in methods.COMPARED])
def test_a_smaller_budget_is_the_beginning_of_a_larger_one(name: str) -> None:
    short, long = (searched(BY_NAME[name], game(budgets=(budget,))) for budget in (13, 20))

    assert short == long[:13]


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=16).filter(lambda x: any(abs(value) > 1e-6 for value in x)))
def test_weights_of_mergekit_evolve_are_absolute_values_that_sum_to_one(x: list[float]) -> None:
    weights = methods.evolve_weights(x)

    assert sum(weights) == pytest.approx(1.0)
    assert weights == methods.evolve_weights([-value for value in x])
    assert np.argmax(weights) == np.argmax(np.abs(x))


def test_mergekit_evolve_starts_at_the_uniform_merge_whatever_the_baselines_are() -> None:
    drawn = [methods.Evolve(4, seed).ask(8) for seed in range(100)]

    assert np.mean([weights for ask in drawn for weights in ask], axis=0) == pytest.approx([0.25] * 4, abs=0.02)


def test_the_default_is_what_the_product_proposes_from_the_same_baselines() -> None:
    played = game()
    spec = played.spec(methods.SOFTMAX)
    known = play.history(played.world, spec)
    product = methods.Product(methods.SOFTMAX, spec, known)

    assert [record.kind for record in known[:4]] == [RecordKind.CHECKPOINT] * 4
    assert [record.kind for record in known[4:]] == [RecordKind.UNIFORM, RecordKind.MERGE_BEST]
    assert (product.strategy.sigma, product.population) == (strategy.DEFAULT_SIGMA["Softmax"], 8)
    history = [(strategy.weights(spec, record), record.fitness or 0.0) for record in known]
    assert product.strategy.mean == pytest.approx(parametrization.softmax_mean(history, 4))


@pytest.mark.parametrize(
    "name", [method.name for method in methods.TUNED if not method.name.startswith("population 6")]
)
def test_every_row_of_the_tuning_proposes_otherwise_than_the_default(name: str) -> None:
    played = game(size=16)

    assert searched(BY_NAME[name], played) != searched(methods.SOFTMAX, played)


# --- Games ---


def test_a_comparison_has_every_method_at_every_budget_and_the_baselines_without_one() -> None:
    lines = stages.outcomes(game(), "compared")

    assert {(line.method, line.budget) for line in lines if line.budget} == {
        (method.name, budget) for method in methods.COMPARED for budget in (10, 20)
    }
    assert all(line.evaluations == line.budget for line in lines if line.budget)
    baselines = {line.method: line for line in lines if not line.budget}
    assert set(baselines) == {*stages.BASELINES, stages.BEST_BASELINE, stages.GREEDY}
    assert baselines[stages.GREEDY].evaluations == 3
    assert all(line.regret is not None and line.regret >= 0.0 for line in lines)
    paper = next(line for line in lines if line.method == "Paper" and line.budget == 20)
    assert paper.reached is not None
    assert paper.reached <= 20


def test_the_winner_is_the_best_on_unseen_samples_of_the_best_on_the_search_samples() -> None:
    world = landscapes.draw("strong", 4, seed=1)
    found = [play.Candidate(tuple(w), play.fitness_of(world.search(w))) for w in np.eye(4).tolist()]
    order = sorted(found, key=lambda one: -one.fitness)

    winner = play.winner(world, found, finalists=2)

    unseen = [play.fitness_of(world.unseen(one.weights)) for one in order[:2]]
    assert winner.confirmed == max(unseen)
    assert winner.weights == order[unseen.index(max(unseen))].weights


def test_a_threshold_drops_weights_of_the_same_candidates_and_none_at_zero() -> None:
    lines = stages.dropped(game(size=16, budgets=(48,)))

    by_threshold = {line.threshold: line for line in lines}
    assert by_threshold["0"].read == 1.0
    assert by_threshold["0"].gain == 0.0
    assert [by_threshold[one].read for one in stages.THRESHOLDS] == sorted((line.read for line in lines), reverse=True)
    assert by_threshold["0.02"].changed > 0.0
    assert by_threshold["0.02"].gain != 0.0


# --- Families ---


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> families.Family:
    """Three checkpoints of some steps: enough to differ."""
    return families.train(tmp_path_factory.mktemp("family"), seed=0, count=3, scale=0.02)


def test_a_merge_is_the_weighted_sum_rounded_once(family: families.Family) -> None:
    numbers = [torch.from_numpy(flat).view(torch.bfloat16).double() for flat in family.inputs]
    expected = (0.3 * numbers[0] + 0.7 * numbers[2]).to(torch.bfloat16)

    merged = torch.from_numpy(families.merge(family, (0.3, 0.0, 0.7))).view(torch.bfloat16)

    ulps = (merged.view(torch.int16).int() - expected.view(torch.int16).int()).abs()
    assert ulps.max() <= 1
    assert (ulps == 0).double().mean() > 0.999


def test_the_sixteen_are_the_quickstarts_eight_and_other_runs_of_them() -> None:
    names = [run.name for run in families.sixteen().tunes]

    assert len(set(names)) == 16
    assert [f"{name}-again" for name in names[:8]] == names[8:]


class Teacher:
    """A scorer whose model is the one that transformers generates with, at weights that answer some questions right."""

    def __init__(self, family: families.Family) -> None:
        self.scorer = scoring.Scorer(family)
        self.model: Any = transformers.LlamaForCausalLM.from_pretrained(
            family.folder / family.names[0], dtype=torch.bfloat16
        )

    def generates(self, item: toy.Item) -> str:
        prompt = torch.tensor([vocabulary.encode_prompt(item.prompt)])
        tokens = self.model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12)[0]
        text = "".join(vocabulary.TOKENS[token] for token in tokens[prompt.shape[1] :].tolist())
        return text.removesuffix(vocabulary.EOS) if text.endswith(vocabulary.EOS) else ""


def test_an_answer_counts_as_right_exactly_where_it_is_what_the_model_generates(family: families.Family) -> None:
    teacher = Teacher(family)
    items = [item for task in scoring.read_tasks() for item in task[:10]]
    said = [teacher.generates(item) for item in items]
    half = [
        toy.Item(item.prompt, text) if text and number % 2 else item
        for number, (item, text) in enumerate(zip(items, said, strict=True))
    ]

    right = teacher.scorer.right(family.inputs[0], scoring.questions([half]))

    assert right.tolist() == [item.answer == text for item, text in zip(half, said, strict=True)]
    assert 0 < right.sum() < len(right)


def test_what_was_scored_is_kept_on_disk_by_its_content(family: families.Family, tmp_path: Path) -> None:
    parts = scoring.split(scoring.read_tasks(), seed=1)
    first = scoring.FamilyWorld(family, scoring.Scorer(family), scoring.Cache(tmp_path / "answers"), parts)
    scores = [first.search((0.5, 0.5, 0.0)), first.unseen((0.5, 0.5, 0.0)), first.search((0.5, 0.25, 0.25))]
    again = scoring.FamilyWorld(family.first(2), scoring.Scorer(family), scoring.Cache(tmp_path / "answers"), parts)

    assert [again.search((0.5, 0.5)), again.unseen((0.5, 0.5))] == scores[:2]
    assert (first.evaluated, again.evaluated) == (3, 0)
    assert again.unseen((0.25, 0.75)) != scores[1] or again.evaluated == 1


def test_the_exam_asks_other_questions_of_the_same_kind() -> None:
    exam, known = scoring.exam(), {item.prompt for task in scoring.read_tasks() for item in task}

    assert exam.counts == (scoring.EXAM_QUESTIONS,) * 4
    assert exam.digest == scoring.exam().digest
    assert all(toy.is_test(prompt.partition(":")[2].removesuffix("=")) for prompt in known)
    lengths = (exam.tokens != vocabulary.IDS[vocabulary.PAD]).sum(dim=1)
    assert set(lengths.tolist()) == {3 + 2 * length for length in toy.LENGTHS}


def test_the_search_and_the_unseen_samples_of_a_seed_are_those_of_the_product() -> None:
    tasks = scoring.read_tasks()
    searched, unseen = scoring.split(tasks, seed=1)

    assert searched.counts == (300,) * 4
    assert unseen.counts == (340,) * 4
    assert scoring.split(tasks, seed=1)[0].digest == searched.digest != scoring.split(tasks, seed=2)[0].digest


# --- Records and tables ---


def outcome(method: str, seed: int, regret: float, budget: int = 50, reached: int | None = None) -> Outcome:
    return Outcome("compared", "weak", 4, seed, method, budget, budget, 1.0, 2.0, regret, None, reached, 1.0)


def test_lines_of_csv_come_back_as_they_were(tmp_path: Path) -> None:
    lines = [outcome("Softmax", 1, 0.25), outcome("Paper", 1, 0.5, reached=7)]
    dropped = [Dropped("weak", 4, 1, "0.01", 25, 0.9, 0.5, -0.125)]
    records.append(tmp_path / "a.csv", lines[:1])
    records.append(tmp_path / "a.csv", lines[1:])
    records.append(tmp_path / "b.csv", dropped)

    assert records.read(tmp_path / "a.csv", Outcome) == lines
    assert records.read(tmp_path / "b.csv", Dropped) == dropped
    assert records.read(tmp_path / "none.csv", Outcome) == []


def test_differences_are_taken_seed_by_seed_and_carry_their_own_standard_error() -> None:
    lines = [outcome("Softmax", seed, regret) for seed, regret in enumerate((1.0, 2.0, 3.0))]
    lines += [outcome("Paper", seed, regret) for seed, regret in enumerate((1.5, 2.5, 3.5))]

    def everything(_: Outcome) -> bool:
        return True

    assert "| Paper | 2.50 ± 0.58 |" in tables.grid(lines, [("all", everything)], tables.regret)
    assert "| Paper | +0.50 ± 0.00 |" in tables.grid(lines, [("all", everything)], tables.worse_by)


@pytest.mark.parametrize(
    ("reached", "cell"),
    [((5, 7, 9), "7 (3 of 3)"), ((5, 7, None), "7 (2 of 3)"), ((5, None, None), "more (1 of 3)")],
    ids=["all", "most", "few"],
)
def test_the_effort_counts_runs_that_never_got_there(reached: Sequence[int | None], cell: str) -> None:
    assert tables.effort([outcome("Softmax", n, 1.0, reached=one) for n, one in enumerate(reached)], []) == cell


def test_the_command_plays_prints_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    def run(*more: str) -> "subprocess.CompletedProcess[str]":
        small = ["--landscapes", "2", "--checkpoints", "4", "--landscape-budgets", "8"]
        program = [sys.executable, str(ROOT / "benchmarks" / "search" / "run.py"), "--out", str(tmp_path)]
        return subprocess.run([*program, *small, *more], capture_output=True, text=True, check=True)

    first = run("--parts", "landscapes", "tables")
    written = (tmp_path / "landscapes.csv").read_text()
    again = run("--parts", "landscapes", "tables")

    assert "| Softmax | " in first.stdout
    assert "('compared', 'weak', 4, 1)" in first.stderr
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert (tmp_path / "landscapes.csv").read_text() == written
