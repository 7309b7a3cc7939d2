"""`mergesearch plan`: what is counted is said for one machine and for a cluster, and what is missing is named."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from mergesearch.api import manifest
from mergesearch.errors import InvalidManifestError
from mergesearch_cli import planning
from unit.cli.searches import search, weights


def planned(folder: Path, *volumes: str, seconds: float | None = None, **parts: object) -> str:
    """What `plan` prints, with single blanks."""
    file = folder / "search.yaml"
    file.write_text(manifest.dump(search(**parts)))  # type: ignore[arg-type]
    output = io.StringIO()
    planning.plan(file, volumes, seconds, 1e6, Console(file=output, width=200))
    return " ".join(output.getvalue().split())


def test_processes_are_counted_as_each_shell_starts_them(tmp_path: Path) -> None:
    found = planned(tmp_path, search={"parallelism": 3, "maxEvaluations": 6, "baselines": []})
    assert "on one machine 1 merger and 3 evaluators: processes that start once and stay for the whole run" in found
    assert "on a cluster 9 merger Jobs, 13 other Jobs" in found, "the finalists are sealed by a merger of their own"
    assert "at most 3 evaluators at once" in found
    alone = planned(tmp_path, search={"maxEvaluations": 6})
    assert "1 merger and 1 evaluator:" in alone


def test_sizes_come_from_the_files(tmp_path: Path) -> None:
    root = weights(tmp_path / "c", 4096, 2048)
    assert planning.checkpoint_bytes(search().spec, {"checkpoints": root}) == {"m-0": 4096, "m-1": 2048}
    assert "written" in planned(tmp_path, f"checkpoints={root}")


def test_without_the_checkpoints_it_says_how_to_know_the_bytes(tmp_path: Path) -> None:
    found = planned(tmp_path)
    assert "Bytes: add --volume checkpoints=DIR." in found
    assert "written" not in found


def test_gpu_hours_are_shown_only_where_a_stage_asks_for_gpus(tmp_path: Path) -> None:
    asked = {"evaluator": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}, "search": {"maxGpuHours": "5"}}
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
