"""Choosing among what was scored, with the known answers of the paper's Table 2."""

import csv
import itertools
import pathlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.search import selection

TABLE = pathlib.Path(__file__).parents[2] / "data" / "paper_table2.csv"


def table(tasks: Sequence[str]) -> list[tuple[float, ...]]:
    with TABLE.open(encoding="utf-8") as file:
        return [tuple(float(row[task]) for task in tasks) for row in csv.DictReader(file)]


PAPER = {
    "mbpp and ifeval": (("mbpp", "ifeval"), 3, 64.8, {5, 12}),
    "mbpp and musr": (("mbpp", "musr"), 5, 40.5, {5, 7}),
    "mmlu_pro and ifeval": (("mmlu_pro", "ifeval"), 12, 50.0, {4, 12}),
    "mbpp, ifeval and gsm8k": (("mbpp", "ifeval", "gsm8k"), 12, 69.93, {5, 12}),
}


@pytest.mark.parametrize(("tasks", "number", "mean", "_members"), PAPER.values(), ids=PAPER.keys())
def test_the_best_single_checkpoint_is_the_papers(
    tasks: tuple[str, ...], number: int, mean: float, _members: set[int]
) -> None:
    means = [sum(scores) / len(scores) for scores in table(tasks)]
    best = selection.ranked(means)[0]
    assert (best + 1, round(means[best], 2)) == (number, mean)


@pytest.mark.parametrize(("tasks", "_number", "_mean", "members"), PAPER.values(), ids=PAPER.keys())
def test_merge_best_is_the_papers(tasks: tuple[str, ...], _number: int, _mean: float, members: set[int]) -> None:
    assert {index + 1 for index in selection.merge_best(table(tasks))} == members


RHO = {"mbpp and ifeval": (("mbpp", "ifeval"), -0.354), "mbpp and musr": (("mbpp", "musr"), -0.402)}


@pytest.mark.parametrize(("tasks", "rho"), RHO.values(), ids=RHO.keys())
def test_the_table_has_the_papers_rank_correlations(tasks: tuple[str, ...], rho: float) -> None:
    """Guards the file, not the code: a slip in copying it would show here."""

    def ranks(values: Sequence[float]) -> list[float]:
        return [(sum(o < v for o in values) + sum(o <= v for o in values) - 1) / 2 for v in values]

    columns = np.array([ranks(column) for column in zip(*table(tasks), strict=True)])
    assert np.corrcoef(columns)[0, 1] == pytest.approx(rho, abs=5e-4)


# --- Ties and order ---

few_values = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@given(st.lists(few_values, max_size=12))
def test_a_ranking_is_by_fitness_then_by_place(fitness: list[float]) -> None:
    ranking = selection.ranked(fitness)
    assert sorted(ranking) == list(range(len(fitness)))
    for better, worse in itertools.pairwise(ranking):
        assert (-fitness[better], better) < (-fitness[worse], worse)


def test_of_equally_good_checkpoints_the_first_stands_for_the_task() -> None:
    assert selection.merge_best([(0.1, 0.9), (0.5, 0.9), (0.5, 0.2)]) == (0, 1)


def test_a_checkpoint_that_is_best_at_everything_is_alone() -> None:
    assert selection.merge_best([(0.1, 0.2), (0.5, 0.9)]) == (1,)


@given(st.lists(st.tuples(few_values, few_values, few_values), min_size=1, max_size=8))
def test_every_member_of_merge_best_is_best_at_some_task(scores: list[tuple[float, ...]]) -> None:
    members = selection.merge_best(scores)
    assert list(members) == sorted(set(members))
    tops = [max(column) for column in zip(*scores, strict=True)]
    assert all(any(scores[member][task] == top for task, top in enumerate(tops)) for member in members)
    assert all(any(scores[member][task] == top for member in members) for task, top in enumerate(tops))


# --- The greedy soup ---


def greedy(order: Sequence[int], fitness_of: dict[tuple[int, ...], float]) -> list[tuple[int, ...]]:
    """All soups that the recipe tries, beginning with the best checkpoint."""
    tried: list[tuple[tuple[int, ...], float]] = [((order[0],), fitness_of[(order[0],)])]
    while (soup := selection.greedy_next(order, tried)) is not None:
        tried.append((soup, fitness_of[soup]))
    return [members for members, _ in tried]


def test_a_checkpoint_that_lowers_the_fitness_leaves_the_soup() -> None:
    fitness = {(2,): 0.5, (0, 2): 0.4, (1, 2): 0.6, (1, 2, 3): 0.6}
    assert greedy([2, 0, 1, 3], fitness) == [(2,), (0, 2), (1, 2), (1, 2, 3)]


def test_a_checkpoint_that_changes_nothing_stays_in_the_soup() -> None:
    fitness = {(0,): 0.5, (0, 1): 0.5, (0, 1, 2): 0.1}
    assert greedy([0, 1, 2], fitness) == [(0,), (0, 1), (0, 1, 2)]


def test_the_recipe_ends_when_every_checkpoint_was_tried() -> None:
    assert selection.greedy_next([0, 1], [((0,), 0.5), ((0, 1), 0.4)]) is None


@given(order=st.permutations(range(5)), fitness=st.lists(few_values, min_size=5, max_size=5))
def test_the_greedy_soup_is_the_loop_of_the_paper(order: list[int], fitness: list[float]) -> None:
    """Recipe 1 of "Model soups", written as its loop."""
    known = {tuple(sorted(order[: 1 + i])): value for i, value in enumerate(fitness)}

    def of(members: tuple[int, ...]) -> float:
        return known.get(members, sum(members) / 100)

    soup: tuple[int, ...] = (order[0],)
    best, tried = of(soup), [soup]
    for index in order[1:]:
        with_it = tuple(sorted({*soup, index}))
        tried.append(with_it)
        if of(with_it) >= best:
            soup, best = with_it, of(with_it)
    steps = [(tried[0], of(tried[0]))]
    while (following := selection.greedy_next(order, steps)) is not None:
        steps.append((following, of(following)))
    assert [members for members, _ in steps] == tried


# --- The Pareto set ---

points = st.integers(1, 4).flatmap(lambda tasks: st.lists(st.tuples(*[few_values] * tasks), max_size=12))


@given(points)
def test_the_pareto_set_is_what_no_other_point_beats(scores: list[tuple[float, ...]]) -> None:
    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a >= b for a, b in zip(one, other, strict=True))

    unbeaten = [i for i, point in enumerate(scores) if not any(beats(other, point) for other in scores)]
    first_of_equals = [i for i in unbeaten if scores[i] not in scores[:i]]
    assert selection.pareto(scores) == tuple(first_of_equals)
