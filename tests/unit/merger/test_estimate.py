"""What `mergesearch-merger plan` foretells is what a merge then reads, writes and holds, and it refuses the same."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch import files
from mergesearch.contract import MergeReport, PreflightCheckpointsReport
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger import budget, dtypes, estimate, plan_command, settings
from mergesearch_merger.settings import Settings
from unit.merger import scenes
from unit.merger.bad_checkpoints import CASES
from unit.merger.scenes import Scene

GIB = 2**30
MACHINE = estimate.Machine(processors=4, memory_bytes=GIB, read_bandwidth=1e9, write_bandwidth=5e8)
WHATEVER = ("--memory", "1Gi", "--cpus", "4")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scenes.a_scene(tmp_path)


def folders(scene: Scene) -> list[str]:
    return [str(scene.checkpoints / name) for name in "abc"]


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert plan_command.main([*argv, "--json"]) == ExitCode.DONE
    return json.loads(capsys.readouterr().out)


def test_it_foretells_what_a_merge_reads_and_writes(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    document = said(capsys, *folders(scene), *WHATEVER, "--candidates", "2")

    reports = scene.ask(scenes.a_request("abc", scene.weights, (1.0, 0.0, 0.0))).reports

    merges = [report for report in reports if isinstance(report, MergeReport)]
    batch = next(one for one in document["passes"] if (one["candidates"], one["slices"]) == (2, 1))
    assert batch["readBytes"] == sum(report.bytes_read for report in merges)
    assert batch["writtenBytes"] == sum(report.bytes_written for report in merges)
    taken = sum(path.stat().st_size for name in ("g0-0", "g0-1") for path in scene.merged(name).iterdir())
    assert taken <= batch["diskBytes"] <= taken + 2 * 2**20
    assert document["elements"] == merges[0].parameters


def test_a_tied_head_is_neither_read_nor_written(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    (whole, *_) = said(capsys, *folders(scene), *WHATEVER)["passes"]
    for name in "abc":
        scenes.edit_json(scene.checkpoints / name / "config.json", tie_word_embeddings=True)

    (tied, *_) = said(capsys, *folders(scene), *WHATEVER)["passes"]

    assert whole["readBytes"] - tied["readBytes"] == 3 * 16


def test_the_memory_that_it_names_as_the_least_is_the_least(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    (one, *_) = said(capsys, *folders(scene), *WHATEVER)["passes"]
    least = one["leastMemoryBytes"]

    limits = Settings(memory_bytes=least, tile_bytes=settings.TILE_BYTES)
    answered = scene.ask(scene.request(), replace(limits, memory_bytes=least - 1))
    assert (answered.exit.code, answered.exit.reason) == (ExitCode.INVALID_REQUEST, Reason.OUT_OF_MEMORY)
    assert scene.ask(scene.request(), limits).exit.code == ExitCode.DONE


works = st.builds(
    budget.Work,
    inputs=st.lists(st.lists(st.sampled_from(sorted(dtypes.FLOATS)), min_size=1, max_size=2), min_size=1, max_size=9),
    output=st.sampled_from(sorted(dtypes.OUTPUTS.values())),
    candidates=st.integers(1, 20),
    chunk_bytes=st.sampled_from([4096, 256 * 2**10]),
    chunk_runs=st.integers(1, 40),
    tile_bytes=st.sampled_from([1024, 128 * 2**10]),
    tensors=st.integers(0, 10**6),
)


@given(works, st.integers(1, 9))
def test_one_byte_less_than_the_least_is_refused_whatever_is_merged(work: budget.Work, processors: int) -> None:
    least = work.least_memory_bytes

    assert budget.choose(work, processors, least).memory_bytes <= least
    with pytest.raises(budget.BudgetError):
        budget.choose(work, processors, least - 1)


MANY = 10_000


@pytest.fixture
def of_many_tensors(scene: Scene) -> Scene:
    """Every expert of a mixture by itself, as some checkpoints store them."""
    for name in "abc":
        experts = (f"model.layers.{n // 128}.block_sparse_moe.experts.{n % 128}.down_proj.weight" for n in range(MANY))
        entries = dict.fromkeys(experts, ("BF16", (2, 2), scenes.bf16([1.0] * 4)))
        scenes.write_checkpoint(scene.checkpoints / name, scenes.tensors() | entries)
    return scene


def test_a_merge_of_very_many_tensors_keeps_to_its_memory(
    of_many_tensors: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = of_many_tensors
    (one, *_) = said(capsys, *folders(scene), *WHATEVER)["passes"]
    least = one["leastMemoryBytes"]
    volumes = (f"--volume=checkpoints={scene.checkpoints}", f"--volume={files.WORKSPACE_VOLUME}={scene.workspace}")

    done = subprocess.run(
        [sys.executable, "-m", "mergesearch_merger.main", *volumes, f"--memory={least}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MERGESEARCH_REQUEST": scene.request().to_json()},
    )

    (report,) = map(MergeReport.model_validate_json, done.stdout.splitlines())
    assert report.peak_bytes < least
    assert report.peak_bytes + 4 * MANY * budget.TENSOR_BYTES > least, "without the headers it would be too much"


def test_the_preflight_counts_the_headers_too(of_many_tensors: Scene) -> None:
    limits = Settings(threads=2, memory_bytes=80 * 2**20)

    (report,) = of_many_tensors.ask(of_many_tensors.preflight(), limits).reports

    assert isinstance(report, PreflightCheckpointsReport)
    assert report.failure is not None
    assert report.failure.reason == Reason.OUT_OF_MEMORY
    assert f"{4 * (MANY + 3)} tensors in all" in report.failure.message


def test_too_little_memory_is_told_for_each_pass_that_needs_more(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--parameters", "8e9", "--checkpoints", "4", "--cpus", "2", "--slices", "1", "--memory", "68Mi"]

    assert plan_command.main(argv) == ExitCode.INVALID_REQUEST

    told = capsys.readouterr()
    assert "8 merges: 71.3 MB of memory are too little, it takes at least" in told.err
    assert "\n1 merge:" not in told.err
    assert "too little" in told.out


# --- Arithmetic ---

SIZES = estimate.of_numbers(8 * 10**9, 4, "BF16", "BF16", 5 * GIB)


@pytest.mark.parametrize(
    ("dtype", "per_term"),
    [("BF16", estimate.COMPILED_SECONDS_PER_TERM), ("F16", estimate.NUMPY_SECONDS_PER_TERM)],
    ids=["compiled", "numpy"],
)
def test_the_slower_of_reading_and_writing_counts_and_the_sums_are_added(dtype: str, per_term: float) -> None:
    sizes = estimate.of_numbers(8 * 10**9, 4, dtype, dtype, 5 * GIB)
    one, eight = (estimate.estimate(sizes, MACHINE, candidates) for candidates in (1, 8))

    sums = 8e9 * 4 * per_term / 4
    assert (one.read_bytes, one.written_bytes) == (64 * 10**9, 16 * 10**9)
    assert one.seconds == pytest.approx(64 + sums)
    assert (eight.read_bytes, eight.written_bytes) == (64 * 10**9, 128 * 10**9)
    assert eight.seconds == pytest.approx(256 + 8 * sums)


def test_a_slice_cannot_be_shorter_than_a_shard() -> None:
    """16e9 bytes are two shards of 5 GiB and a smaller one: more than three slices have nothing to do."""
    whole = estimate.estimate(SIZES, MACHINE)
    seconds = [estimate.estimate(SIZES, MACHINE, 1, slices).seconds / whole.seconds for slices in (2, 3, 64)]

    assert seconds == pytest.approx([1 - 5 * GIB / 16e9, 5 * GIB / 16e9, 5 * GIB / 16e9])


def test_memory_depends_neither_on_the_size_of_the_model_nor_on_the_number_of_checkpoints() -> None:
    found = {
        estimate.estimate(estimate.of_numbers(size, count, "BF16", "BF16", 5 * GIB), MACHINE).memory_bytes
        for size in (10**9, 10**11)
        for count in (2, 8, 16)
    }

    assert len(found) == 1


@given(st.integers(1, 10**12), st.integers(1, 64), st.integers(1, 20), st.integers(1, 20))
def test_every_byte_counts_once(parameters: int, checkpoints: int, candidates: int, slices: int) -> None:
    sizes = estimate.of_numbers(parameters, checkpoints, "F32", "BF16", 5 * GIB)

    found = estimate.estimate(sizes, MACHINE, candidates, slices)

    assert (found.read_bytes, found.written_bytes) == (4 * parameters * checkpoints, 2 * parameters * candidates)
    assert 1 / slices <= estimate.largest_share(sizes.layout, slices) * (1 + 1e-9) <= 1 + 1e-9


# --- The command ---

BAD_CHECKPOINTS = (
    *("pipe", "pickle", "gguf", "adapter", "fp8", "packed-integers"),
    *("shard-missing", "index-not-json", "index-leads-away", "truncated", "half-a-character", "shape-lies"),
    *("other-tensors", "other-shapes", "resized-vocabulary", "config-missing", "other-tokens", "no-tokenizer"),
)


@pytest.mark.parametrize("name", BAD_CHECKPOINTS)
def test_it_refuses_checkpoints_as_the_merge_does(name: str, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    CASES[name].spoil(scene)
    refused = scene.ask(scene.request()).exit

    assert plan_command.main(folders(scene)) == refused.code

    lines = capsys.readouterr().err.replace(f"{scene.root}/", "")
    assert lines.startswith(f"{refused.reason}: ")
    assert set(lines.split()) >= set(refused.message.split())


WRONG = {
    "nothing": [],
    "both": ["DIR", "--parameters", "8e9"],
    "half a parameter": ["--parameters", "0.5"],
    "words": ["--parameters", "many"],
    "no checkpoint": ["--parameters", "8e9", "--checkpoints", "0"],
    "no memory": ["--parameters", "8e9", "--memory", "0"],
    "too many slices": ["--parameters", "8e9", "--slices", "65"],
    "infinitely many": ["--parameters", "inf"],
}


@pytest.mark.parametrize("argv", WRONG.values(), ids=WRONG)
def test_wrong_arguments_end_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plan_command.main(argv)

    assert ended.value.code == 2
    assert "usage: mergesearch-merger plan" in capsys.readouterr().err


TOO_MANY_FILES = {
    "a number that is no model's": (["--parameters", "1e15"], 372_530),
    "very small files": (["--parameters", "6.9e9", "--max-shard-size", "100Ki"], 134_766),
    "one file too many": (["--parameters", "5120001", "--max-shard-size", "1Ki"], 10_001),
}


@pytest.mark.parametrize(("argv", "files"), TOO_MANY_FILES.values(), ids=TOO_MANY_FILES)
def test_more_files_than_any_merge_has_are_refused(
    argv: list[str], files: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan_command.main([*argv, *WHATEVER]) == ExitCode.INVALID_REQUEST

    told = capsys.readouterr()
    assert f" make {files} files of " in told.err
    assert "more than 10000: is the number right?" in told.err
    assert told.out == ""


@pytest.mark.parametrize("rest", [0, 1])
def test_the_largest_number_of_files_is_not_too_many(rest: int) -> None:
    most = estimate.of_numbers(10_000 * 500 - rest, 2, "BF16", "BF16", 1000)

    assert len(most.layout.shards) == estimate.MOST_FILES


def test_the_entry_point_prints_a_line_for_each_pass(scene: Scene) -> None:
    argv = ["plan", *folders(scene), *WHATEVER, "--candidates", "3", "--slices", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "mergesearch_merger.main", *argv],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "MERGESEARCH_REQUEST": "{}"},
    )

    lines = done.stdout.splitlines()
    assert lines[0].startswith("3 checkpoints of 18 elements; a merge has ")
    assert "4 processors, 1.07 GB of memory, reads 1 GB/s, writes 1 GB/s" in lines[1]
    starts = ("one pass", "1 merge ", "3 merges ", "1 merge in 2 slices ", "3 merges in 2 slices ")
    assert all(line.startswith(start) for line, start in zip(lines[3:], starts, strict=True))
    assert scene.leftovers() == []
