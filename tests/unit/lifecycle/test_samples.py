"""Which samples the search sees, and which only the confirmation does."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import LeafStatus, MergeSearchStatus, PreflightStatus, TaskStatus
from mergesearch.contract import Task
from mergesearch.lifecycle import samples
from unit.lifecycle.world import resource


def facts(*totals: Sequence[int]) -> tuple[TaskStatus, ...]:
    """Held-in tasks a, b, ... and the held-out task h, with leaves of so many documents."""
    return tuple(
        TaskStatus(
            name=name,
            leaves=tuple(
                LeafStatus(name=f"{name}_{i}", total=total, documents="0" * 16) for i, total in enumerate(leaves)
            ),
        )
        for name, leaves in zip([*"abcdefg"[: len(totals) - 1], "h"], totals, strict=True)
    )


def search(**task: Any) -> MergeSearch:
    """A search with one held-in task, and one held-out task."""
    return resource(objective={"tasks": [{"name": "a", "metric": "acc", **task}]})


def split(what: MergeSearch, known: tuple[TaskStatus, ...]) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    status = MergeSearchStatus(preflight=PreflightStatus(tasks=known))
    return samples.tasks_of(what.spec, status, "search"), samples.tasks_of(what.spec, status, "unseen")


def chosen(task: Task) -> dict[str, set[int]]:
    return {selection.leaf: set(selection.indices()) for selection in task.samples}


groups = st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(lambda totals: sum(totals) >= 2)


@given(totals=groups, data=st.data())
def test_every_document_is_either_searched_or_unseen(totals: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.none() | st.integers(1, sum(totals) - 1))
    what = search() if wanted is None else search(searchSamples=wanted)
    known = facts(totals, (7,))
    assert list(samples.problems(what.spec, known)) == []
    (searched,), (unseen, held_out) = split(what, known)
    seen, rest = chosen(searched), chosen(unseen)
    for i, total in enumerate(totals):
        one, other = seen.get(f"a_{i}", set()), rest.get(f"a_{i}", set())
        assert not one & other
        assert one | other == set(range(total))
    assert sum(map(len, seen.values())) == (sum(totals) // 2 if wanted is None else wanted)
    assert samples.unseen_counts(what.spec, known) == [sum(map(len, rest.values()))]
    assert chosen(held_out) == {"h_0": set(range(7))}


@given(totals=groups, data=st.data())
def test_each_leaf_is_searched_in_proportion(totals: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.integers(1, sum(totals) - 1))
    (searched,), _ = split(search(searchSamples=wanted), facts(totals, (7,)))
    seen = {leaf: len(indices) for leaf, indices in chosen(searched).items()}
    for i, total in enumerate(totals):
        assert abs(seen.get(f"a_{i}", 0) - wanted * total / sum(totals)) < 1


@given(totals=groups, data=st.data())
def test_unseen_samples_that_are_bounded_come_from_what_the_search_leaves_in_proportion(
    totals: list[int], data: st.DataObject
) -> None:
    searched_number = data.draw(st.integers(1, sum(totals) - 1))
    rest = sum(totals) - searched_number
    wanted = data.draw(st.integers(1, rest))
    what = search(searchSamples=searched_number, unseenSamples=wanted)
    known = facts(totals, (7,))
    assert list(samples.problems(what.spec, known)) == []
    (searched,), (unseen, _) = split(what, known)
    (all_unseen, _) = split(search(searchSamples=searched_number), known)[1]
    seen, taken, left = chosen(searched), chosen(unseen), chosen(all_unseen)
    assert samples.unseen_counts(what.spec, known) == [wanted] == [sum(map(len, taken.values()))]
    for leaf, indices in left.items():
        assert taken.get(leaf, set()) <= indices
        assert not taken.get(leaf, set()) & seen.get(leaf, set())
        assert abs(len(taken.get(leaf, ())) - wanted * len(indices) / rest) < 1
    assert all(taken.values()), "no leaf with an empty choice, which would mean all of it"


def test_half_is_searched_where_only_the_unseen_samples_are_bounded() -> None:
    (searched,), (unseen, _) = split(search(unseenSamples=10), facts((100,), (7,)))
    assert len(chosen(searched)["a_0"]) == 50
    assert len(chosen(unseen)["a_0"]) == 10


def test_held_out_tasks_that_are_bounded_are_a_seeded_choice_from_all_leaves_in_proportion() -> None:
    what = resource(
        objective={"tasks": [{"name": "a", "metric": "acc"}]},
        heldOut={"tasks": [{"name": "h", "metric": "acc", "unseenSamples": 30}]},
    )
    _, (_, held_out) = split(what, facts((10,), (200, 0, 100)))
    found = chosen(held_out)
    assert {leaf: len(indices) for leaf, indices in found.items()} == {"h_0": 20, "h_2": 10}
    assert found["h_0"] != set(range(20)), "not simply the first ones"


def test_the_choice_is_seeded_and_differs_by_seed() -> None:
    known = facts((100,), (7,))
    choices = []
    for seed in (1, 1, 2):
        what = search()
        spec = what.spec.model_copy(update={"search": what.spec.search.model_copy(update={"seed": seed})})
        (task,), _ = split(what.model_copy(update={"spec": spec}), known)
        choices.append(chosen(task)["a_0"])
    assert choices[0] == choices[1] != choices[2]
    assert choices[0] != set(range(50)), "not simply the first ones"


def test_explicit_ranges_are_taken_in_the_order_of_the_file() -> None:
    ranges = {"search": {"start": 10, "stop": 20}, "unseen": {"start": 50, "stop": 80}}
    what, known = search(samples=ranges), facts((100,), (7,))
    assert list(samples.problems(what.spec, known)) == []
    (searched,), (unseen, _) = split(what, known)
    assert chosen(searched) == {"a_0": set(range(10, 20))}
    assert chosen(unseen) == {"a_0": set(range(50, 80))}
    assert samples.unseen_counts(what.spec, known) == [30]


def test_held_out_tasks_are_scored_whole_and_without_their_empty_leaves() -> None:
    _, (_, held_out) = split(search(), facts((10,), (5, 0, 3)))
    assert chosen(held_out) == {"h_0": set(range(5)), "h_2": set(range(3))}


def test_the_digest_of_the_documents_goes_with_every_selection() -> None:
    (searched,), (unseen, held_out) = split(search(), facts((10, 10), (5,)))
    assert {s.documents for task in (searched, unseen, held_out) for s in task.samples} == {"0" * 16}


RANGES = {"search": {"start": 0, "stop": 50}, "unseen": {"start": 50, "stop": 101}}
PROBLEMS: dict[str, tuple[dict[str, Any], Sequence[int], Sequence[int], str]] = {
    "no documents": ({}, (), (7,), "spec.objective.tasks[0]: a has no documents; at least 2 are needed"),
    "one document": ({}, (1,), (7,), "spec.objective.tasks[0]: a has 1 document; at least 2 are needed"),
    "all of them searched": (
        {"searchSamples": 100},
        (60, 40),
        (7,),
        "spec.objective.tasks[0].searchSamples: all 100 documents of a, which leaves none unseen; at most 99",
    ),
    "more than there are": (
        {"searchSamples": 101},
        (60, 40),
        (7,),
        "spec.objective.tasks[0].searchSamples: 101, but a has 100 documents; at most 99",
    ),
    "ranges beyond the end": (
        {"samples": RANGES},
        (100,),
        (7,),
        "spec.objective.tasks[0].samples: stop is 101, but a has 100 documents; at most 100",
    ),
    "ranges of a group": (
        {"samples": RANGES},
        (100, 100),
        (7,),
        "spec.objective.tasks[0].samples: a is a group of 2 tasks; ranges need a single task; searchSamples and "
        "unseenSamples",
    ),
    "more unseen than are left": (
        {"searchSamples": 60, "unseenSamples": 41},
        (60, 40),
        (7,),
        "spec.objective.tasks[0].unseenSamples: 41, but the search leaves 40 of the 100 documents of a unseen; at "
        "most 40",
    ),
    "an empty held-out task": ({}, (100,), (0, 0), "spec.heldOut.tasks[0]: h has no documents"),
}


@pytest.mark.parametrize(("task", "held_in", "held_out", "sentence"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_tasks_that_cannot_be_split_are_named_with_their_numbers(
    task: dict[str, Any], held_in: Sequence[int], held_out: Sequence[int], sentence: str
) -> None:
    (found,) = samples.problems(search(**task).spec, facts(held_in, held_out))
    assert found.startswith(sentence)


def test_more_held_out_samples_than_there_are_is_a_problem() -> None:
    held_out = {"tasks": [{"name": "h", "metric": "acc", "unseenSamples": 8}]}
    what = resource(objective={"tasks": [{"name": "a", "metric": "acc"}]}, heldOut=held_out)
    found = list(samples.problems(what.spec, facts((10,), (7,))))
    assert found == ["spec.heldOut.tasks[0].unseenSamples: 8, but h has 7 documents; at most 7"]


def test_every_problem_is_named() -> None:
    tasks = [{"name": name, "metric": "acc"} for name in "ab"]
    found = list(samples.problems(resource(objective={"tasks": tasks}).spec, facts((1,), (0,), ())))
    assert len(found) == 3
