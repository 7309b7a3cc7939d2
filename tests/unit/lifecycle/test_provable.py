"""The smallest gain that can be proven, before anything runs and after the preflight."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api import splits
from mergesearch.api.spec import MAX_TASKS
from mergesearch.api.status import MAX_MESSAGE, LeafStatus, MergeSearchStatus, PreflightStatus, TaskStatus
from mergesearch.lifecycle import provable, samples, timing
from mergesearch.lifecycle.provable import Share
from mergesearch.search import power
from unit.lifecycle.world import Bench, resource

RANGES = {"search": {"start": 0, "stop": 10}, "unseen": {"start": 50, "stop": 90}}
PAIR = [{"preset": "MBPP"}, {"preset": "IFEval"}]
KNOWN: dict[str, tuple[dict[str, Any], Share]] = {
    "a preset": ({"preset": "GSM8K"}, Share("gsm8k", 659, 660)),
    "a preset that takes a part": ({"preset": "MMLU-Pro"}, Share("mmlu_pro", 1000, 1000)),
    "more to search": ({"preset": "IFEval", "searchSamples": 441}, Share("ifeval", 441, 100)),
    "fewer unseen": ({"preset": "MuSR", "unseenSamples": 50}, Share("leaderboard_musr", 378, 50)),
    "a task of lm-eval": ({"name": "gsm8k", "metric": "exact_match"}, Share("gsm8k", 659, 660)),
    "ranges": ({"name": "a", "metric": "acc", "samples": RANGES}, Share("a", 10, 40)),
    "a task that nobody knows": ({"name": "a", "metric": "acc"}, Share("a", None, None)),
    "its search samples": ({"name": "a", "metric": "acc", "searchSamples": 7}, Share("a", 7, None)),
    "its unseen samples": ({"name": "a", "metric": "acc", "unseenSamples": 7}, Share("a", None, 7)),
    "a task in a preset's place": ({"preset": "GSM8K", "name": "mine"}, Share("mine", 659, None)),
}


@pytest.mark.parametrize(("task", "share"), KNOWN.values(), ids=KNOWN)
def test_samples_are_expected_as_far_as_anybody_knows(task: dict[str, Any], share: Share) -> None:
    assert provable.expected(resource(objective={"tasks": [task]}).spec) == (share,)


@pytest.mark.parametrize(
    "evaluator", [{"taskFolders": [{"path": "tasks"}]}, {"image": "own"}], ids=["folders", "image"]
)
def test_where_a_name_may_mean_another_task_its_documents_are_not_known(evaluator: dict[str, Any]) -> None:
    spec = resource(objective={"tasks": [{"preset": "GSM8K"}]}, evaluator=evaluator).spec
    assert provable.expected(spec) == (Share("gsm8k", 659, None),)
    assert timing.unseen_samples(spec) is None


def test_a_confirmation_of_known_tasks_is_counted_with_the_held_out_ones() -> None:
    spec = resource(objective={"tasks": PAIR}, heldOut={"tasks": [{"preset": "GSM8K"}]}).spec
    assert timing.search_samples(spec) == 250 + 270
    assert timing.unseen_samples(spec) == 250 + 271 + 1319


@given(documents=st.integers(2, 60), leaves=st.integers(1, 3), data=st.data())
def test_what_is_expected_is_what_is_taken(documents: int, leaves: int, data: st.DataObject) -> None:
    total = documents * leaves
    searched = data.draw(st.none() | st.integers(1, total - 1))
    unseen = data.draw(st.none() | st.integers(1, total - (total // 2 if searched is None else searched)))
    wanted = {"searchSamples": searched, "unseenSamples": unseen}
    task = {"name": "a", "metric": "acc", **{name: value for name, value in wanted.items() if value is not None}}
    spec = resource(objective={"tasks": [task]}, heldOut={"tasks": []}).spec
    known = tuple(LeafStatus(name=f"a{i}", total=documents, documents="0" * 16) for i in range(leaves))
    status = MergeSearchStatus(preflight=PreflightStatus(tasks=(TaskStatus(name="a", leaves=known),)))
    (objective,) = spec.objective.tasks
    expected = splits.of(objective, total)
    assert expected == tuple(samples.number(spec, status, split) for split in ("search", "unseen"))


def test_the_gain_is_told_in_points_with_what_it_rests_on() -> None:
    spec = resource(objective={"tasks": PAIR}, search={"maxEvaluations": 12}).spec
    assert provable.told(spec, [250, 271]) == (
        "a gain of 5.8 points over a baseline is proven four times in five: 3 finalists, two models that differ on one "
        "sample in five, unseen samples: 250 of mergesearch_mbpp_instruct and 271 of ifeval"
    )
    assert (power.POWER, power.DISCORDANT) == (4 / 5, 1 / 5)


LONG: dict[str, tuple[dict[str, Any], list[int], str]] = {
    "five presets": (
        {"tasks": [{"preset": name} for name in ("MBPP", "GSM8K", "IFEval", "MMLU-Pro", "MuSR")]},
        [250, 660, 271, 1000, 378],
        "250 to 1,000 of each of 5 tasks",
    ),
    "as many of each": (
        {"tasks": [{"name": f"{i}{'long' * 20}", "metric": "acc"} for i in range(2)]},
        [200, 200],
        "200 of each of 2 tasks",
    ),
    "one task": ({"tasks": [{"name": "long" * 30, "metric": "acc"}]}, [200], "200"),
}


@pytest.mark.parametrize(("objective", "unseen", "end"), LONG.values(), ids=LONG)
def test_tasks_are_counted_where_their_names_do_not_fit(objective: dict[str, Any], unseen: list[int], end: str) -> None:
    said = provable.told(resource(objective=objective, evaluator={"allowCodeExecution": True}).spec, unseen)
    assert said.endswith(f": 3 finalists, two models that differ on one sample in five, unseen samples: {end}")


@given(
    names=st.lists(st.text("ab_", min_size=1, max_size=128), min_size=1, max_size=MAX_TASKS, unique=True),
    most=st.integers(1, 2**31),
)
def test_no_gain_takes_more_words_than_the_status_has_room_for(names: list[str], most: int) -> None:
    tasks = [{"name": name, "metric": "acc"} for name in names]
    spec = resource(
        objective={"tasks": tasks},
        heldOut={"tasks": []},
        search={"maxEvaluations": 16, "confirm": {"finalists": 16}},
    ).spec
    said = provable.told(spec, [1, *[most] * (len(names) - 1)])
    assert len(said) <= MAX_MESSAGE
    assert "two models that differ on one sample in five, unseen samples: 1" in said


def test_a_search_with_fewer_candidates_than_finalists_corrects_for_those_that_it_has() -> None:
    spec = resource(objective={"tasks": PAIR}, search={"maxEvaluations": 2}).spec
    assert "5.5 points" in provable.told(spec, [250, 271])
    assert "2 finalists" in provable.told(spec, [250, 271])


def test_the_preflight_tells_it_by_what_it_has_counted() -> None:
    bench = Bench(resource())
    found = bench.until(lambda status: not status.preflight_due).preflight
    assert found.smallest_gain == pytest.approx(0.0657, abs=1e-4)
    assert found.provable == provable.told(bench.resource.spec, [200, 200])
    assert found.provable.startswith("a gain of 6.6 points")
