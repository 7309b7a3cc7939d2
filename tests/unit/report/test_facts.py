"""The facts beside the tables."""

from collections.abc import Iterable

import pytest

from mergesearch.api.spec import TaskFolder
from mergesearch.api.status import Cost, Stage
from mergesearch.report import facts
from mergesearch.report.background import Pair
from mergesearch.report.summary import summarize
from unit.report.histories import History, clear, with_status


def read(pairs: Iterable[Pair]) -> dict[str, str]:
    return {pair.name: pair.value for pair in pairs}


def test_the_cost_is_told_in_units_that_people_use(history: History) -> None:
    cost = Cost(
        merge_seconds=30.04, evaluate_seconds=7325, gpu_seconds=5400, prompt_tokens=1234567, generated_tokens=890
    )
    counts = history.end.counts.model_copy(update={"retried": 1, "disrupted": 2})
    status = history.end.model_copy(update={"cost": cost, "counts": counts, "active_seconds": 754.0})
    assert read(facts.cost(summarize(with_status(history.resource, status)))) == {
        "Active time": "12 min 34 s",
        "Merging": "30.0 s",
        "Evaluating": "2 h 2 min",
        "GPU time": "5,400 GPU-seconds, 1.50 GPU-hours",
        "Tokens": "1,234,567 read, 890 written",
        "Evaluations": "27 in all, baselines and confirmations included",
        "Candidates": "14 of at most 14 scored, 0 failed for good",
        "Tried again": "1 time",
        "Disrupted": "2 times: the platform ended a process, or weights were lost",
    }


def test_what_nobody_used_is_not_told(history: History) -> None:
    found = read(facts.cost(summarize(with_status(history.resource, history.end))))
    assert found["GPU time"].startswith("0 GPU-seconds")
    assert "Disrupted" not in found


def test_the_proof_states_its_rule_its_reach_and_the_noise(history: History) -> None:
    found = read(facts.proof(summarize(with_status(history.resource, clear(history.end)))))
    assert "corrected for the choice among 3 finalists, is below 0.05" in found["A gain is claimed if"]
    assert " points, proven four times in five" in found["Smallest gain to expect proof of"]
    assert found["The search ended because"] == "14 of 14 evaluations"


NOISE = {
    "none": (
        0.0,
        "none seen: the first checkpoint was scored twice on the same samples, and both scores are equal, so ",
    ),
    "too little to be shown": (0.0002, "none seen: "),
    "some": (
        0.013,
        "1.3 points: the first checkpoint was scored twice on the same samples, and both scores are so far ",
    ),
}


@pytest.mark.parametrize(("noise", "words"), NOISE.values(), ids=NOISE)
def test_the_noise_floor_is_told_in_plain_words(history: History, noise: float, words: str) -> None:
    status = history.end.model_copy(update={"noise": noise})
    assert read(facts.proof(summarize(with_status(history.resource, status))))["Noise floor"].startswith(words)


def test_a_search_that_measured_no_noise_says_nothing_of_it(history: History) -> None:
    status = history.end.model_copy(update={"noise": None})
    assert "Noise floor" not in read(facts.proof(summarize(with_status(history.resource, status))))


def test_whatever_of_the_evaluator_decides_a_score_is_told_where_it_is_set(history: History) -> None:
    bare = read(facts.rebuild(summarize(with_status(history.resource, history.end))))
    assert not {"Arguments of the backend", "Answers cut after", "Prompts at once", "Programs in answers"} & set(bare)
    changed = {
        "engine_args": {"max_model_len": "4096", "enforce_eager": "true"},
        "max_gen_toks": 256,
        "batch_size": 8,
        "task_folders": (TaskFolder(volume="checkpoints", path="tasks"),),
        "allow_code_execution": True,
    }
    spec = history.resource.spec
    evaluator = spec.evaluator.model_copy(update=changed)
    resource = history.resource.model_copy(update={"spec": spec.model_copy(update={"evaluator": evaluator})})
    found = read(facts.rebuild(summarize(with_status(resource, history.end))))
    assert found["Arguments of the backend"] == "max_model_len=4096, enforce_eager=true"
    assert found["Answers cut after"] == "256 tokens"
    assert found["Prompts at once"] == "8"
    assert found["Own tasks"] == "from checkpoints/tasks"
    assert found["Programs in answers"] == "are run"


def test_the_same_search_needs_seed_versions_and_the_form_of_the_merge(history: History) -> None:
    found = read(facts.rebuild(summarize(with_status(history.resource, history.end))))
    assert found["Search"] == "quick, UID 0f0f0f0f-1"
    assert found["Seed"] == "1"
    assert found["Merge"] == "bfloat16; weights below 0.001 dropped; tokenizer of m-0"
    assert "cmaes 0.13.1" in found["Versions"]
    assert found["Merged weights"].endswith(" on the workspace")


def test_scores_that_were_used_again_and_the_stages_of_gpu_time_are_told(history: History) -> None:
    counts = history.end.counts.model_copy(update={"reused": 2})
    cost = Cost(gpu_seconds=90.0, gpu_seconds_by_stage={Stage.EVALUATE: 80.0, Stage.MERGE: 10.0})
    status = history.end.model_copy(update={"cost": cost, "counts": counts})
    found = read(facts.cost(summarize(with_status(history.resource, status))))
    assert found["Scores used again"] == "2 candidates had weights that were scored already, and cost nothing"
    assert found["GPU-seconds by stage"] == "80 Evaluate and 10 Merge"
    assert "Scores used again" not in read(facts.cost(summarize(with_status(history.resource, history.end))))


def test_the_digest_of_the_winners_weights_is_told(history: History) -> None:
    assert history.end.confirmed is not None
    winner = history.end.confirmed.model_copy(update={"weights_digest": "ab" * 32})
    status = history.end.model_copy(update={"confirmed": winner})
    assert read(facts.rebuild(summarize(with_status(history.resource, status))))["Digest of the weights"] == "ab" * 32
