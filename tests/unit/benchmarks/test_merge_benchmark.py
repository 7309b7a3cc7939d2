"""The benchmark of merging says what it has measured: medians, ratios, goals, bytes and memory of a process."""

import json
import mmap
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from merge import cache, floor, inputs, launch, records, table
from merge.records import Accuracy, Run, Start

SIZE = 1_000_000_000
RUN = Run(
    tool=records.OURS,
    cache=records.WARM,
    round=0,
    inputs=4,
    candidates=1,
    model_bytes=SIZE,
    cached_share=1.0,
    seconds=2.0,
    user=1.0,
    system=1.0,
    peak_bytes=100,
    private_bytes=50,
    others_share=0.0,
    rchar=4 * SIZE,
    wchar=SIZE,
    read_bytes=0,
    write_bytes=SIZE,
)
PEER = replace(RUN, tool=records.MERGEKIT_EXACT, seconds=20.0, peak_bytes=1000)
FLOOR = replace(RUN, tool=records.FLOOR, seconds=1.6)
BATCH = replace(RUN, tool=records.OURS_BATCH, candidates=8, seconds=16.0, wchar=8 * SIZE)
ERROR = Accuracy(records.OURS, "bfloat16", 4, 1000, 0.001, 3, 1, 1e-9)


# --- Tables ---


def test_a_case_takes_the_median_of_its_times_and_the_largest_of_its_peaks() -> None:
    rounds = [replace(RUN, round=number, seconds=s, peak_bytes=p) for number, (s, p) in enumerate(TIMES_AND_PEAKS)]

    (case,) = table.cases(rounds).values()

    assert (case.each, case.peak) == (3.0, 9)


def test_a_run_that_others_disturbed_counts_only_where_there_is_no_better_one() -> None:
    disturbed = replace(RUN, seconds=9.0, others_share=0.5)

    (alone,) = table.cases([disturbed]).values()
    (beside,) = table.cases([disturbed, RUN]).values()

    assert (alone.each, beside.each) == (9.0, 2.0)


TIMES_AND_PEAKS = [(3.0, 1), (50.0, 2), (1.0, 9)]


def test_seconds_of_a_batch_are_those_of_a_candidate() -> None:
    assert BATCH.each == 2.0


@pytest.mark.parametrize(
    ("runs", "found", "met"),
    [
        pytest.param([RUN, PEER], "10.0x", True, id="ten times as fast as the peer"),
        pytest.param([replace(RUN, seconds=4.1), PEER], "4.9x", False, id="not five times as fast"),
        pytest.param([BATCH, PEER], "10.0x", True, id="a batch, by its candidates"),
        pytest.param([replace(BATCH, seconds=24.0), PEER], "6.7x", False, id="a batch needs eight times"),
        pytest.param([RUN, FLOOR], "1.25", True, id="near the floor"),
        pytest.param([RUN, replace(FLOOR, seconds=1.0)], "2.00", False, id="far above the floor"),
    ],
)
def test_speed_is_judged_beside_what_ran_on_the_same_inputs(runs: list[Run], found: str, met: bool) -> None:
    (goal,) = table.speed_goals(table.cases(runs))

    assert (goal.found, goal.met) == (found, met)


@pytest.mark.parametrize("other", [{"cache": records.COLD}, {"inputs": 8}, {"model_bytes": 4 * SIZE}])
def test_what_ran_on_other_inputs_or_in_another_state_is_no_comparison(other: dict[str, object]) -> None:
    assert list(table.speed_goals(table.cases([RUN, replace(PEER, **other)]))) == []  # type: ignore[arg-type]


def test_two_inputs_have_no_goal_of_speed() -> None:
    assert list(table.speed_goals(table.cases([replace(RUN, inputs=2), replace(PEER, inputs=2)]))) == []


@pytest.mark.parametrize(("peak", "met"), [(109, True), (112, False)])
def test_memory_must_not_grow_with_inputs_or_models(peak: int, met: bool) -> None:
    larger = replace(RUN, inputs=16, model_bytes=4 * SIZE, peak_bytes=peak)

    (goal,) = table.memory_goals(table.cases([RUN, larger]))

    assert goal.met == met


def test_memory_is_judged_beside_the_peer_at_eight_inputs() -> None:
    (goal,) = table.memory_goals(table.cases([replace(RUN, inputs=8), replace(PEER, inputs=8, peak_bytes=390)]))

    assert (goal.found, goal.met) == ("0.256", False)


@pytest.mark.parametrize(
    ("change", "met"),
    [
        pytest.param({}, [True, True], id="all once"),
        pytest.param({"rchar": 8 * SIZE}, [False, True], id="inputs twice"),
        pytest.param({"rchar": 2 * SIZE}, [False, True], id="half of the inputs"),
        pytest.param({"wchar": 2 * SIZE}, [True, False], id="outputs twice"),
    ],
)
def test_bytes_are_held_against_inputs_and_outputs_once(change: dict[str, int], met: list[bool]) -> None:
    goals = table.byte_goals(table.cases([replace(RUN, **change)]))  # type: ignore[arg-type]

    assert [goal.met for goal in goals] == met


@pytest.mark.parametrize(
    ("accuracy", "met"),
    [
        pytest.param(ERROR, [True, True], id="bf16 within three in a thousand"),
        pytest.param(replace(ERROR, not_correctly_rounded=4), [False, True], id="bf16 beyond it"),
        pytest.param(replace(ERROR, dtype="float32", not_correctly_rounded=1), [False, True], id="fp32 must be exact"),
        pytest.param(replace(ERROR, scale=-1e-3), [True, False], id="weights that do not sum to one"),
    ],
)
def test_errors_are_judged_by_the_output_s_dtype(accuracy: Accuracy, met: list[bool]) -> None:
    assert [goal.met for goal in table.error_goals([accuracy])] == met


def test_the_page_shows_every_case_with_its_ratios() -> None:
    page = table.render([RUN, PEER, FLOOR, BATCH], [ERROR], [Start("import torch", records.WARM, 0, 2.5)])

    assert "| 4 | MergeSearch | 2.00 | 2.00-2.00 | 10.0 | - | 1.25 | 2.0 |" in page
    assert "| 4 | MergeSearch, batch of 8 | 2.00 |" in page
    assert "| import torch | warm | 2.50 |" in page
    assert "3 (0.3000%)" in page


def test_what_was_written_down_is_read_as_it_was(tmp_path: Path) -> None:
    start = Start("import torch", records.COLD, 1, 2.5)
    for record in (RUN, ERROR, start, RUN, ERROR, start):
        records.append(tmp_path, record)

    assert records.read(tmp_path, Run) == [RUN, RUN]
    assert records.read(tmp_path, Accuracy) == [ERROR, ERROR]
    assert records.read(tmp_path, Start) == [start, start]


# --- Processes and files ---


def test_a_process_is_charged_its_own_bytes_and_memory(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(bytes(3 * 2**20))
    code = f"""
from pathlib import Path
held = b"x" * 2**26
Path(r"{tmp_path / "output"}").write_bytes(Path(r"{tmp_path / "input"}").read_bytes()[:2**20])
"""
    result, log = tmp_path / "result.json", tmp_path / "log"
    small = [sys.executable, "-I", "-S"]

    subprocess.run([*small, launch.__file__, str(result), str(log), *small, "-c", code], check=True)

    found = json.loads(result.read_text())
    assert found["exit"] == 0, log.read_text()
    assert 3 * 2**20 <= found["rchar"] < 6 * 2**20
    assert 2**20 <= found["wchar"] < 1.1 * 2**20
    assert 0 <= found["others_share"] <= 1
    assert 2**26 <= found["peak_bytes"] < 2**26 + 40 * 2**20


MODEL = inputs.Model(hidden=64, layers=2, vocabulary=50, shards=2)


def test_the_floor_reads_the_inputs_once_and_writes_as_many_outputs_as_asked(tmp_path: Path) -> None:
    folders = [inputs.make(tmp_path / f"m{seed}", MODEL, seed) for seed in range(2)]
    size = sum(path.stat().st_size for path in folders[0].glob("*.safetensors"))

    out = tmp_path / "out"
    subprocess.run([sys.executable, "-I", "-S", floor.__file__, "--copies=3", str(out), *folders], check=True)

    written = [path.read_bytes() for path in out.iterdir()]
    last = b"".join(path.read_bytes() for path in sorted(folders[1].glob("*.safetensors")))
    assert [len(content) for content in written] == [size] * 3
    assert set(written) == {last}


def test_inputs_are_the_same_for_a_seed_and_differ_between_seeds(tmp_path: Path) -> None:
    def content(name: str, seed: int) -> list[bytes]:
        return [path.read_bytes() for path in sorted(inputs.make(tmp_path / name, MODEL, seed).glob("*.safetensors"))]

    assert content("a", 1) == content("b", 1) != content("c", 2)


def test_a_model_has_about_the_bytes_that_were_asked_for() -> None:
    model = inputs.of_size(7e8, hidden=1024, vocabulary=32000, shards=4)

    assert model.size == pytest.approx(7e8, rel=0.03)


def test_a_file_that_was_read_lies_in_the_cache_page_by_page(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(2**20 + 1))

    cache.warm([path])

    assert cache.resident([path]) == 2**20 + mmap.PAGESIZE
