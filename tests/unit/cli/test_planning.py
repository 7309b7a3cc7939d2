"""`mergesearch plan`: what is counted is said for one machine and for a cluster, and what is missing is named."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mergesearch.api import manifest
from mergesearch.errors import InvalidManifestError
from mergesearch_cli import planning
from unit.cli.searches import search, weights


def planned(folder: Path, *volumes: str, seconds: float | None = None, unseen: int | None = None, **parts: Any) -> str:
    """What `plan` prints, with single blanks."""
    file = folder / "search.yaml"
    file.write_text(manifest.dump(search(**parts)))
    output = io.StringIO()
    planning.plan(file, volumes, planning.Given(seconds, unseen, 1e6), Console(file=output, width=200))
    return " ".join(output.getvalue().split())


def test_processes_are_counted_as_each_shell_starts_them(tmp_path: Path) -> None:
    found = planned(tmp_path, search={"parallelism": 3, "maxEvaluations": 6, "baselines": []})
    assert "on one machine 1 merger and 3 evaluators: processes that start once and stay for the whole run" in found
    assert "on a cluster 9 merger Jobs, 13 other Jobs" in found, "the finalists are sealed by a merger of their own"
    assert "at most 3 evaluators at once" in found
    alone = planned(tmp_path, search={"maxEvaluations": 6})
    assert "1 merger and 1 evaluator:" in alone


def test_pods_that_share_a_merge_are_said_of_the_cluster(tmp_path: Path) -> None:
    found = planned(tmp_path, merger={"slices": 4}, search={"maxEvaluations": 6, "baselines": []})
    assert "on one machine 1 merger and 1 evaluator" in found
    assert "on a cluster 9 merger Jobs of 4 pods each, 13 other Jobs" in found


SHARED = {
    "more pods than shards": (
        {"slices": 4},
        "Slices: a merge of 2.5 MiB makes about 3 shards of 1.0 MiB, and each of 4 pods takes whole shards: about 1 of "
        "them will have nothing to do. Lower merge.maxShardSize or merger.slices.",
    ),
    "as many": ({"slices": 3}, None),
    "one": ({}, None),
}


@pytest.mark.parametrize(("merger", "told"), SHARED.values(), ids=SHARED)
def test_pods_that_will_have_nothing_to_do_are_told_where_sizes_are_known(
    tmp_path: Path, merger: dict[str, Any], told: str | None
) -> None:
    root = weights(tmp_path / "c", 5 * 2**19, 2048)
    found = planned(tmp_path, f"checkpoints={root}", merger=merger, merge={"maxShardSize": "1Mi"})
    assert (told in found) if told else ("Slices:" not in found)
    assert "Slices:" not in planned(tmp_path, merger=merger, merge={"maxShardSize": "1Mi"})


def test_the_time_says_that_slices_are_not_reckoned(tmp_path: Path) -> None:
    words = "slices do not shorten it here"
    assert words in planned(tmp_path, seconds=90.0, merger={"slices": 4})
    assert words not in planned(tmp_path, seconds=90.0)
    assert words not in planned(tmp_path, merger={"slices": 4})


def test_sizes_come_from_the_files(tmp_path: Path) -> None:
    root = weights(tmp_path / "c", 4096, 2048)
    assert planning.checkpoint_bytes(search().spec, {"checkpoints": root}) == {"m-0": 4096, "m-1": 2048}
    assert "written" in planned(tmp_path, f"checkpoints={root}")


def test_without_the_checkpoints_it_says_how_to_know_the_bytes(tmp_path: Path) -> None:
    found = planned(tmp_path)
    assert "Bytes: add --volume checkpoints=DIR." in found
    assert "written" not in found


def test_gpu_hours_are_shown_only_where_a_stage_asks_for_gpus(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "evaluator": {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
        "search": {"maxGpuHours": "5"},
    }
    assert "limit 5" in planned(tmp_path, seconds=60.0, **asked)
    assert "GPU-hours" not in planned(tmp_path, seconds=60.0)


def test_a_folder_of_a_volume_that_is_missing_is_named_once_and_not_its_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError) as caught:
        planned(tmp_path, f"checkpoints={tmp_path}/nowhere")
    assert caught.value.message == f"--volume checkpoints: {tmp_path}/nowhere: there is no such folder"


def test_every_checkpoint_without_weights_is_named_with_its_folder(tmp_path: Path) -> None:
    root = weights(tmp_path / "c", 8)
    (root / "m-1").mkdir()
    (root / "m-1" / "model.safetensors").symlink_to("nowhere")
    (root / "m-3").symlink_to(tmp_path)
    with pytest.raises(InvalidManifestError) as caught:
        planned(tmp_path, f"checkpoints={root}", checkpoints=4)
    assert caught.value.message.splitlines() == [
        f"checkpoint m-1: {root}/m-1: this folder holds no *.safetensors",
        f"checkpoint m-2: {root}/m-2: there is no such folder",
        f"checkpoint m-3: m-3: leads to {tmp_path}, outside its volume {root}",
    ]


TASK = {"name": "a", "metric": "acc", "searchSamples": 20}
SHORT: dict[str, Any] = {"baselines": [], "maxEvaluations": 4, "confirm": {"finalists": 2}}


def test_a_confirmation_is_priced_by_its_samples(tmp_path: Path) -> None:
    found = planned(tmp_path, seconds=10.0, unseen=100, objective={"tasks": [TASK]}, search=SHORT)
    assert "time 2 min 20 s" in found, "4 evaluations, and 2 confirmations of 5 times as many samples"
    assert "Each confirmation scores 100 samples, 5.0 times as long as an evaluation of the search." in found


def test_samples_that_the_manifest_names_need_no_counting(tmp_path: Path) -> None:
    ranges = {"search": {"start": 0, "stop": 10}, "unseen": {"start": 10, "stop": 40}}
    tasks = [{"name": "a", "metric": "acc", "samples": ranges}]
    found = planned(tmp_path, seconds=10.0, objective={"tasks": tasks}, search=SHORT)
    assert "time 1 min 40 s" in found, "4 evaluations, and 2 confirmations of 3 times as many samples"


def test_unseen_samples_that_are_bounded_need_no_counting_either(tmp_path: Path) -> None:
    tasks = [{**TASK, "unseenSamples": 30}]
    found = planned(tmp_path, seconds=10.0, objective={"tasks": tasks}, search=SHORT)
    assert "time 1 min 10 s" in found, "4 evaluations, and 2 confirmations of 1.5 times as many samples"
    held_out = {"tasks": [{"name": "h", "metric": "acc", "unseenSamples": 30}]}
    longer = planned(tmp_path, seconds=10.0, objective={"tasks": tasks}, heldOut=held_out, search=SHORT)
    assert "time 1 min 40 s" in longer, "4 evaluations, and 2 confirmations of 3 times as many samples"


def test_a_task_whose_unseen_half_is_bounded_is_not_taken_to_have_equal_halves(tmp_path: Path) -> None:
    tasks = [{"name": "a", "metric": "acc", "unseenSamples": 30}]
    assert "only the preflight" in planned(tmp_path, seconds=10.0, objective={"tasks": tasks}, search=SHORT)


def test_halves_of_a_task_take_as_long_as_each_other(tmp_path: Path) -> None:
    found = planned(tmp_path, seconds=10.0, search=SHORT)
    assert "time 1 min 0 s" in found
    assert "only the preflight" not in found


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"objective": {"tasks": [TASK]}}, id="all but so many of a task"),
        pytest.param({"heldOut": {"tasks": [{"name": "b", "metric": "acc"}]}}, id="a held-out task"),
    ],
)
def test_where_nobody_knows_the_unseen_samples_it_says_so(parts: dict[str, Any], tmp_path: Path) -> None:
    found = planned(tmp_path, seconds=10.0, search=SHORT, **parts)
    assert "time at least 1 min 0 s" in found
    assert "How many these are only the preflight counts" in found
    assert "--unseen-samples" in found


PROVABLE: dict[str, tuple[dict[str, Any], str]] = {
    "presets": (
        {"objective": {"preset": "MBPP-IFEval"}},
        "Samples of each task: mergesearch_mbpp_instruct 250 to search and 250 unseen; ifeval 270 to search and 271 "
        "unseen. Smallest provable gain: a gain of 5.8 points over a baseline is proven four times in five: 3 "
        "finalists, two models that differ on one sample in five, unseen samples: 250 of mergesearch_mbpp_instruct and "
        "271 of ifeval.",
    ),
    "held-out tasks": (
        {
            "objective": {"preset": "MBPP-IFEval"},
            "heldOut": {"tasks": [{"preset": "GSM8K"}, {"name": "h", "metric": "acc"}]},
        },
        "ifeval 270 to search and 271 unseen; gsm8k 1,319 held out; h all of its documents held out. Smallest",
    ),
    "few unseen samples": (
        {"objective": {"tasks": [{"preset": "MuSR", "searchSamples": 750}, {"name": "b", "metric": "acc"}]}},
        "Few samples: with fewer than 50 unseen samples intervals and p are rough: leaderboard_musr (6). Smallest",
    ),
    "unseen samples that are bounded": (
        {"objective": {"tasks": [{**TASK, "unseenSamples": 100}]}},
        "Samples of each task: a 20 to search and 100 unseen. Smallest provable gain: a gain of 12.7 points",
    ),
    "one of two": (
        {"objective": {"tasks": [{**TASK, "unseenSamples": 100}, {"name": "b", "metric": "acc"}]}},
        "Samples of each task: a 20 to search and 100 unseen; b half of its documents to search and all others unseen. "
        "Smallest provable gain: not known before the preflight has counted the documents of b. unseenSamples of each "
        "task tells it now.",
    ),
}


@pytest.mark.parametrize(("parts", "told"), PROVABLE.values(), ids=PROVABLE)
def test_it_says_what_the_search_can_prove_or_why_nobody_knows(
    parts: dict[str, Any], told: str, tmp_path: Path
) -> None:
    assert told in planned(tmp_path, **parts, evaluator={"allowCodeExecution": True})


def test_samples_of_presets_need_no_counting(tmp_path: Path) -> None:
    found = planned(tmp_path, seconds=10.0, objective={"tasks": [{"preset": "IFEval"}]}, search=SHORT)
    assert "Each confirmation scores 271 samples, 1.0 times as long" in found
    assert "only the preflight" not in found


def test_a_confirmation_of_few_samples_is_taken_to_be_as_long_as_an_evaluation(tmp_path: Path) -> None:
    tasks = [{**TASK, "unseenSamples": 10}]
    found = planned(tmp_path, seconds=10.0, objective={"tasks": tasks}, search=SHORT)
    assert "Each confirmation scores 10 samples, and is taken to be as long as an evaluation of the search." in found
    assert "time 1 min 0 s" in found


LEFT_ASIDE = "--unseen-samples 5,000 is left aside: the manifest says that there are 271."


def test_unseen_samples_that_the_manifest_knows_better_are_left_aside(tmp_path: Path) -> None:
    tasks = {"tasks": [{"preset": "IFEval"}]}
    found = planned(tmp_path, seconds=10.0, unseen=5000, objective=tasks, search=SHORT)
    assert LEFT_ASIDE in found
    assert "Each confirmation scores 271 samples" in found
    assert "time 1 min 0 s" in found
    assert "left aside" not in planned(tmp_path, unseen=271, objective=tasks)
    assert "left aside" not in planned(tmp_path, unseen=5000)


def test_fewer_unseen_samples_than_the_manifest_names_of_some_tasks_are_left_aside(tmp_path: Path) -> None:
    tasks = {"tasks": [{"preset": "IFEval"}, TASK]}
    found = planned(tmp_path, seconds=10.0, unseen=270, objective=tasks, search=SHORT)
    assert "--unseen-samples 270 is left aside: the manifest says that there are 271 of some tasks alone." in found
    assert "How many these are only the preflight counts" in found
    assert "left aside" not in planned(tmp_path, unseen=271, objective=tasks)


@pytest.mark.parametrize("seconds", [None, 10.0])
def test_it_says_on_what_the_seconds_are_measured(seconds: float | None, tmp_path: Path) -> None:
    found = planned(tmp_path, seconds=seconds, objective={"tasks": [TASK, {**TASK, "name": "b"}]})
    assert "of one checkpoint on the 40 samples that the search sees of all tasks, on one evaluator that is up" in found


def test_evaluators_that_the_room_for_merges_leaves_idle_are_named(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"storage": {**search().to_document()["spec"]["storage"], "maxPending": 2}}
    wide = planned(tmp_path, seconds=10.0, search={**SHORT, "parallelism": 4}, **parts)
    assert "so that 2 of 4 evaluators find work at once: raise storage.maxPending" in wide
    assert "time 30 s" in wide, "two by two"
