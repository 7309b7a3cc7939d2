"""The request of every launch: a pure function of spec and status, whose hash covers the result and nothing else."""

from typing import Any

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus, Stage
from mergesearch.contract import (
    CleanupRequest,
    CompareRequest,
    EvaluationRequest,
    MergeRequest,
    PreflightCheckpointsRequest,
    PreflightTasksRequest,
    Request,
    VolumePath,
)
from mergesearch.lifecycle import requests, strategy
from mergesearch.lifecycle.children import Child
from unit.lifecycle.world import START, Bench, End, faults, resource


def hashes(bench: Bench, *splits: str) -> dict[tuple[str, str, str], str]:
    """Hash of every candidate in every request of a search, by stage, split and candidate."""
    found: dict[tuple[str, str, str], str] = {}
    for child in bench.started:
        for name, text in hashes_in(child.request).items():
            key = (str(child.launch.stage), child.launch.split, name)
            assert found.setdefault(key, text) == text, f"{key} has two hashes"
    return {key: text for key, text in found.items() if not splits or key[1] in splits}


def hashes_in(request: Request) -> dict[str, str]:
    """Hash of every candidate in a request."""
    if isinstance(request, MergeRequest):
        return {candidate.id: request.hash_of(candidate) for candidate in request.candidates}
    if isinstance(request, EvaluationRequest):
        return {candidate.id: request.hash_of(candidate) for candidate in request.candidates}
    return {}


SAME: dict[str, dict[str, Any]] = {
    "merger batches": {"merger": {"batch": 3}},
    "slices": {"merger": {"slices": 4}},
    "evaluator batches": {"evaluator": {"batch": 4}},
    "parallelism and room": {"search": {"parallelism": 4}, "storage": {"maxPending": 2}},
    "retries": {"evaluator": {"retries": 5}, "merger": {"retries": 5}},
    "images and queues": {"evaluator": {"image": "registry/evaluator:2", "queueName": "gpu"}},
    "what stays": {"storage": {"keepBest": 4}},
}


def searched(parts: dict[str, Any]) -> Bench:
    plain: dict[str, Any] = {"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 4}}}
    bench = Bench(resource(**{**parts, "search": plain | parts.get("search", {})}))
    bench.rest()
    return bench


@pytest.mark.parametrize("parts", SAME.values(), ids=SAME.keys())
def test_how_a_search_is_run_does_not_change_what_is_asked(parts: dict[str, Any]) -> None:
    assert hashes(searched(parts)) == hashes(searched({}))


def test_attempts_and_removals_do_not_change_what_is_asked() -> None:
    disturbed = Bench(resource(search={"maxEvaluations": 8, "algorithm": {"cmaes": {"populationSize": 4}}}))
    disturbed.faults = faults((Stage.MERGE, "c0003", End(code=137)), (Stage.EVALUATE, "c0005", End(code=137)), times=2)
    disturbed.rest()
    assert hashes(disturbed) == hashes(searched({}))


OTHER: dict[str, dict[str, Any]] = {
    "data type": {"evaluator": {"dtype": "float32"}},
    "backend": {"evaluator": {"backend": "hf"}},
    "engine arguments": {"evaluator": {"engineArgs": {"max_model_len": "512"}}},
    "tokens": {"evaluator": {"maxGenToks": 5}},
    "samples": {"objective": {"tasks": [{"name": n, "metric": "acc", "searchSamples": 10} for n in "ab"]}},
    "shots": {"objective": {"tasks": [{"name": n, "metric": "acc", "numFewshot": 3} for n in "ab"]}},
    "chat template": {"objective": {"tasks": [{"name": n, "metric": "acc", "chatTemplate": True} for n in "ab"]}},
    "metric": {"objective": {"tasks": [{"name": n, "metric": "f1"} for n in "ab"]}},
    "seed": {"search": {"seed": 2}},
}


@pytest.mark.parametrize("parts", OTHER.values(), ids=OTHER.keys())
def test_what_changes_a_score_changes_every_request_for_it(parts: dict[str, Any]) -> None:
    plain, changed = hashes(searched({}), "search", "again"), hashes(searched(parts), "search", "again")
    scores = [key for key in plain if key[0] == "Evaluate" and not key[2].startswith("c0")]
    assert scores
    assert all(plain[key] != changed[key] for key in scores)


MERGES: dict[str, dict[str, Any]] = {
    "data type": {"merge": {"dtype": "float32"}},
    "shards": {"merge": {"maxShardSize": "1Gi"}},
    "tokenizer": {"merge": {"tokenizerFrom": "m-1"}},
}


@pytest.mark.parametrize("parts", MERGES.values(), ids=MERGES.keys())
def test_what_changes_a_merge_changes_every_request_for_it_and_its_score(parts: dict[str, Any]) -> None:
    plain, changed = hashes(searched({})), hashes(searched(parts))
    assert plain[("Merge", "search", "uniform")] != changed[("Merge", "search", "uniform")]
    assert plain[("Evaluate", "search", "uniform")] != changed[("Evaluate", "search", "uniform")]
    assert plain[("Evaluate", "search", "checkpoint-m-0")] == changed[("Evaluate", "search", "checkpoint-m-0")]


def test_the_splits_are_different_requests() -> None:
    found = hashes(searched({}))
    assert found[("Evaluate", "search", "checkpoint-m-0")] != found[("Evaluate", "again", "noise")]
    assert found[("Evaluate", "search", "uniform")] != found[("Evaluate", "unseen", "uniform")]


# --- What stands in them ---


def first(bench: Bench, stage: Stage, split: str = "search") -> Child:
    return next(c for c in bench.started if c.launch.stage is stage and c.launch.split == split)


def test_a_merge_asks_for_the_weights_of_its_candidates_and_transient_files() -> None:
    bench = Bench(resource(merger={"batch": 4}, search={"baselines": []}))
    bench.rest()
    request = first(bench, Stage.MERGE).request
    assert isinstance(request, MergeRequest)
    assert [c.name for c in request.checkpoints] == ["m-0", "m-1", "m-2"]
    assert [c.fingerprint for c in request.checkpoints] == list(bench.status.preflight.fingerprints)
    assert [(c.id, c.weights, c.keep) for c in request.candidates] == [
        (r.id, strategy.weights(bench.resource.spec, r), False) for r in bench.status.candidates[:4]
    ]
    assert (request.dtype, request.max_shard_bytes, request.tokenizer_from) == ("bfloat16", 5 * 2**30, "m-0")


def test_every_merge_is_shared_by_as_many_processes_as_the_spec_says() -> None:
    bench = Bench(resource(merger={"slices": 4}))
    bench.rest()
    merges = [child for child in bench.started if child.launch.stage is Stage.MERGE]
    assert {child.launch.split for child in merges} == {"search", "unseen"}
    assert {child.slices for child in merges} == {4}
    assert all('"slices":4' in child.request.to_json() for child in merges)
    assert {child.slices for child in bench.started if child not in merges} == {1}


def test_a_merge_for_the_confirmation_is_to_stay() -> None:
    bench = Bench(resource())
    bench.rest()
    request = first(bench, Stage.MERGE, "unseen").request
    assert isinstance(request, MergeRequest)
    assert all(candidate.keep for candidate in request.candidates)


def test_a_checkpoint_is_scored_where_it_lies_and_a_merge_by_its_hash() -> None:
    bench = Bench(resource(search={"baselines": ["Checkpoints", "Uniform"]}))
    bench.rest()
    evaluated = {
        candidate.id: candidate
        for child in bench.started
        if isinstance(child.request, EvaluationRequest) and child.launch.split == "search"
        for candidate in child.request.candidates
    }
    one = evaluated["checkpoint-m-1"]
    assert one.model == VolumePath(volume="checkpoints", path="1-of-3")
    assert (one.merge_hash, one.fingerprint) == (None, bench.status.preflight.fingerprints[1])
    uniform = evaluated["uniform"]
    assert uniform.model == VolumePath(volume="workspace", path="abcdef-1/merges/uniform")
    assert (uniform.merge_hash, uniform.fingerprint) == (bench.record("uniform").merge_hash, None)


def test_the_engine_is_the_specs_with_numbers_read_as_numbers() -> None:
    arguments = {
        "max_model_len": "4096",
        "gpu_memory_utilization": "0.9",
        "enforce_eager": "true",
        "quantization": "fp8",
        "limit_mm_per_prompt": '{"image": 1}',
        "download_dir": "null",
    }
    evaluator = {
        "backend": "hf",
        "engineArgs": arguments,
        "batchSize": 16,
        "maxGenToks": 64,
        "allowCodeExecution": True,
        "taskFolders": [{"path": "tasks"}],
    }
    engine = requests.engine(resource(evaluator=evaluator, search={"seed": 7}).spec)
    assert engine.engine_args == {
        "max_model_len": 4096,
        "gpu_memory_utilization": 0.9,
        "enforce_eager": True,
        "quantization": "fp8",
        "limit_mm_per_prompt": '{"image": 1}',
        "download_dir": "null",
    }
    assert (engine.backend, engine.batch_size, engine.max_gen_toks, engine.seed) == ("hf", 16, 64, 7)
    assert engine.include_paths == (VolumePath(volume="checkpoints", path="tasks"),)
    assert engine.allow_code_execution


def test_the_preflight_asks_for_room_for_all_that_may_lie_there_at_once() -> None:
    what = resource(storage={"maxPending": 5, "keepBest": 2}, search={"confirm": {"finalists": 4}})
    bench = Bench(what)
    bench.step()
    request = first(bench, Stage.PREFLIGHT_CHECKPOINTS).request
    assert isinstance(request, PreflightCheckpointsRequest)
    assert request.outputs == 9
    assert all(checkpoint.fingerprint is None for checkpoint in request.checkpoints)


def test_the_preflight_asks_about_all_tasks_with_the_tokenizer_of_the_merges() -> None:
    tasks = [{"name": "a", "metric": "acc", "filter": "strict", "numFewshot": 3, "chatTemplate": True}]
    bench = Bench(resource(objective={"tasks": tasks}, merge={"tokenizerFrom": "m-2"}))
    bench.step()
    request = first(bench, Stage.PREFLIGHT_TASKS).request
    assert isinstance(request, PreflightTasksRequest)
    assert request.tokenizer == VolumePath(volume="checkpoints", path="2-of-3")
    asked = [(t.name, t.metric, t.filter, t.num_fewshot, t.chat_template) for t in request.tasks]
    assert asked == [("a", "acc", "strict", 3, True), ("h", "acc", "none", None, False)]


def test_the_comparison_names_the_evaluations_that_it_rests_on() -> None:
    bench = Bench(resource(objective={"aggregate": "WeightedMean"}))
    bench.rest()
    request = first(bench, Stage.COMPARE).request
    assert isinstance(request, CompareRequest)
    asked = hashes(bench, "unseen")
    for candidate in (*request.finalists, *request.baselines):
        assert candidate.evaluation_hash == asked[("Evaluate", "unseen", candidate.id)]
    assert [c.id for c in request.baselines] == ["checkpoint-m-0", "uniform", "merge-best"]
    assert len(request.finalists) == 3
    assert (request.tasks, request.task_weights, request.aggregate) == (("a", "b"), (1.0, 1.0), "WeightedMean")


def test_a_comparison_without_baselines_still_chooses_the_winner() -> None:
    bench = Bench(resource(search={"baselines": []}))
    bench.rest()
    request = first(bench, Stage.COMPARE).request
    assert isinstance(request, CompareRequest)
    assert request.baselines == ()


def test_a_cleanup_names_what_is_to_go() -> None:
    bench = Bench(resource())
    bench.rest()
    child = first(bench, Stage.CLEANUP)
    assert isinstance(child.request, CleanupRequest)
    assert child.request.prune == child.launch.prunes
    assert child.request.prune


def of(what: MergeSearch, status: MergeSearchStatus, stage: Stage) -> Request:
    launch = Launch(number=1, stage=stage, created_at=START)
    return requests.request_of(what, status, launch)


@pytest.mark.parametrize("stage", [Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS])
def test_a_lost_child_is_made_again_from_spec_and_status(stage: Stage) -> None:
    what = resource()
    assert of(what, MergeSearchStatus(), stage) == of(what, MergeSearchStatus(), stage)
