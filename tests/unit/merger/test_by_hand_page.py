"""docs/merging-by-hand.md tells what the merger does: its commands are run as they stand there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mergesearch.errors import ExitCode
from mergesearch_merger import workspace
from unit.merger import scenes

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "merging-by-hand.md").read_text(encoding="utf-8")
EXAMPLE, SLICE = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(("chat", "code")):
        scenes.write_checkpoint(tmp_path / "data" / "checkpoints" / name, scenes.tensors(1.0 + number))
    return tmp_path


def shell(commands: str, root: Path) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        ["sh", "-ec", commands], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def test_the_example_makes_the_folder_that_it_tells_of(root: Path) -> None:
    done = shell(EXAMPLE, root)

    assert done.returncode == 0, done.stderr
    report, *listed = done.stdout.splitlines()
    assert json.loads(report)["candidate"] == "even"
    assert {"config.json", "merge.json", "model.safetensors", "tokenizer.json"} <= set(listed)
    record = json.loads((root / "data/merges/mine/merges/even/merge.json").read_text())
    assert record["weights"] == {"chat": 0.5, "code": 0.5}
    assert all("digest" in shard for shard in record["shards"])


def test_digests_are_left_out_of_a_merge_that_is_not_kept(root: Path) -> None:
    assert shell(EXAMPLE.replace(', "keep": true', ""), root).returncode == 0

    record = json.loads((root / "data/merges/mine/merges/even/merge.json").read_text())
    assert "weightsDigest" not in record
    assert not any("digest" in shard for shard in record["shards"])


def test_slices_need_a_request_that_says_so_and_the_last_one_publishes(root: Path) -> None:
    (alone,) = (line for line in EXAMPLE.splitlines() if line.startswith("mergesearch-merger"))
    before, _, _ = EXAMPLE.partition(alone)
    shared = before.replace('"tokenizerFrom"', '"slices": 4, "maxShardBytes": 1024, "tokenizerFrom"')

    assert shell(before + SLICE, root).returncode == ExitCode.INVALID_REQUEST
    done = [shell(shared + SLICE.replace("0/4", f"{number}/4"), root) for number in range(4)]

    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    assert [bool(one.stdout) for one in done] == [False, False, False, True]
    assert (root / "data/merges/mine/merges/even/merge.json").exists()


def test_without_a_number_one_process_merges_all(root: Path) -> None:
    done = shell(EXAMPLE.replace('"tokenizerFrom"', '"slices": 4, "tokenizerFrom"'), root)

    assert done.returncode == 0, done.stderr
    assert '"candidate":"even"' in done.stdout


def test_every_exit_code_of_the_merger_has_a_row() -> None:
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}

    assert rows == {*map(int, ExitCode), 2}


def test_the_schema_that_the_page_names_holds_the_request() -> None:
    (name,) = re.findall(r"\((reference/messages[\w.]+)\)", PAGE)
    assert "MergeRequest" in json.loads((DOCS / name).read_text(encoding="utf-8"))["$defs"]


def test_the_space_that_a_lost_merger_holds_is_held_as_long_as_operations_says() -> None:
    assert workspace.IDLE_SECONDS == 3600
    assert "after an hour of silence in pods" in (DOCS / "operations.md").read_text(encoding="utf-8")
