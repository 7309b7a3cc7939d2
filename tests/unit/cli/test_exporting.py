"""`mergesearch export` as a command: the folder that it makes, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import CliExitCode
from mergesearch.lifecycle import strategy
from mergesearch_cli.state import StateFolder
from unit.report import histories

FILES = {"README.md", "mergekit.yml", "weights.json", "candidates.csv"}
MERGED = {"config.json": "{}", "model.safetensors": "weights", "README.md": "of the checkpoint"}


@pytest.fixture(scope="module")
def resource() -> MergeSearch:
    history = histories.run(histories.manifest())
    return histories.with_status(history.resource, history.end)


@pytest.fixture
def state(resource: MergeSearch, tmp_path: Path) -> Path:
    """The state folder of a finished run, with its winner on the workspace."""
    folder, workspace = StateFolder(tmp_path / "state"), tmp_path / "workspace"
    with folder.held():
        folder.write(resource)
        folder.keep_volumes({"checkpoints": tmp_path / "checkpoints", "workspace": workspace})
    write_merge(resource, workspace)
    return folder.folder


def write_merge(resource: MergeSearch, workspace: Path) -> Path:
    status = resource.status
    assert status is not None
    assert status.confirmed is not None
    merged = workspace / status.confirmed.path
    merged.mkdir(parents=True)
    for name, content in MERGED.items():
        (merged / name).write_text(content)
    record = next(record for record in status.candidates if record.id == status.confirmed.id)
    names = [source.name for source in resource.spec.checkpoints]
    weights = dict(zip(names, strategy.weights(resource.spec, record), strict=True))
    (merged / "merge.json").write_text(json.dumps({"weights": weights}))
    return merged


def export(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-P", "-m", "mergesearch_cli.app", "export", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "160"}
    return subprocess.run(program, capture_output=True, text=True, check=False, env=environment, input=stdin)


def inside(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_is_made_with_the_recipe_the_card_the_weights_and_all_candidates(state: Path, tmp_path: Path) -> None:
    done = export(state, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert inside(tmp_path / "out") == FILES
    recipe = yaml.safe_load((tmp_path / "out" / "mergekit.yml").read_text())
    assert recipe["base_model"] == str(tmp_path / "checkpoints" / "m-0"), "a run on this machine knows its volumes"
    assert "--with-weights copies them" in done.stdout


def test_with_weights_the_folder_is_the_merge_with_our_card(state: Path, tmp_path: Path) -> None:
    done = export(state, "--output", tmp_path / "out", "--with-weights")
    assert done.returncode == 0, done.stderr
    assert inside(tmp_path / "out") == FILES | set(MERGED) | {"merge.json"}
    assert (tmp_path / "out" / "model.safetensors").read_text() == MERGED["model.safetensors"]
    assert "mergesearch" in (tmp_path / "out" / "README.md").read_text()


def test_what_kubectl_prints_is_exported_from_standard_input(resource: MergeSearch, tmp_path: Path) -> None:
    text = yaml.safe_dump(resource.to_document())
    done = export("-", "--output", tmp_path / "out", stdin=text)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((tmp_path / "out" / "mergekit.yml").read_text())["base_model"] == "checkpoints/m-0"
    assert "with --volume checkpoints=DIR they are whole" in done.stdout
    again = export("-", "--output", tmp_path / "again", "--volume", f"checkpoints={tmp_path}", stdin=text)
    assert again.returncode == 0, again.stderr
    assert yaml.safe_load((tmp_path / "again" / "mergekit.yml").read_text())["base_model"] == str(tmp_path / "m-0")


def test_an_empty_folder_is_filled_and_ids_on_the_hub_go_into_the_card(state: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = export(state, "--output", tmp_path / "out", "--base-model", "m-1=team/m-1", "--candidate", "uniform")
    assert done.returncode == 0, done.stderr
    assert '"team/m-1"' in (tmp_path / "out" / "README.md").read_text()
    assert json.loads((tmp_path / "out" / "weights.json").read_text())["candidate"] == "uniform"


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == CliExitCode.BAD_MANIFEST, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


OPTIONS = {
    "an unknown candidate": (("--candidate", "c9999"), "--candidate c9999: quick has no such candidate"),
    "a checkpoint": (("--candidate", "checkpoint-m-1"), "this is checkpoint m-1 as it is, no merge"),
    "an unknown volume": (("--volume", "models=/x"), "--volume models: the search has no such volume; it has"),
    "a checkpoint's id without one": (("--base-model", "m-1"), "--base-model m-1: this is not NAME=ID"),
    "an id of no checkpoint": (("--base-model", "x=y/z"), "--base-model x=y/z: the search has no such checkpoint"),
    "weights that were removed": (
        ("--candidate", "uniform", "--with-weights"),
        "there is no merge; `mergekit-yaml mergekit.yml` makes it again",
    ),
}


@pytest.mark.parametrize(("options", "words"), OPTIONS.values(), ids=OPTIONS.keys())
def test_what_cannot_be_exported_is_said_in_one_line_and_nothing_is_written(
    state: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    refused(export(state, "--output", tmp_path / "out", *options), words)
    assert inside(tmp_path) == {"state", "workspace"}


def test_a_folder_that_holds_something_or_a_file_is_left_alone(state: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    refused(export(state, "--output", tmp_path / "full"), "this folder is not empty")
    refused(export(state, "--output", tmp_path / "full" / "mine"), "this is a file; name a folder")
    assert inside(tmp_path / "full") == {"mine"}


def test_a_folder_that_cannot_be_made_is_an_error_with_its_cause(state: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = export(state, "--output", tmp_path / "file" / "out")
    assert done.returncode == CliExitCode.ERROR, done.stderr
    assert "cannot be written: Not a directory" in done.stderr


def test_weights_of_another_merge_are_not_taken_for_this_one(
    state: Path, tmp_path: Path, resource: MergeSearch
) -> None:
    assert resource.status is not None
    assert resource.status.confirmed is not None
    record = tmp_path / "workspace" / resource.status.confirmed.path / "merge.json"
    other = json.loads(record.read_text())
    other["weights"]["m-0"] += 2e-16
    record.write_text(json.dumps(other))
    refused(export(state, "--output", tmp_path / "out", "--with-weights"), "holds a merge with other weights than")


def test_weights_that_changed_since_the_confirmation_are_not_taken_for_it(
    state: Path, tmp_path: Path, resource: MergeSearch
) -> None:
    assert resource.status is not None
    assert resource.status.confirmed is not None
    record = tmp_path / "workspace" / resource.status.confirmed.path / "merge.json"
    search = json.loads((state / "search.json").read_text())
    search["status"]["confirmed"]["weightsDigest"] = "1" * 64
    (state / "search.json").write_text(json.dumps(search))
    for digest, code in (("0" * 64, CliExitCode.BAD_MANIFEST), ("1" * 64, CliExitCode.COMPLETE)):
        record.write_text(json.dumps(json.loads(record.read_text()) | {"weightsDigest": digest}))
        done = export(state, "--output", tmp_path / "out", "--with-weights")
        assert done.returncode == code, done.stderr
        assert ("is not the merge that was confirmed" in done.stderr) is (code is CliExitCode.BAD_MANIFEST)


def test_weights_that_came_back_lie_in_the_folder_of_those_before(resource: MergeSearch, tmp_path: Path) -> None:
    status = resource.status
    assert status is not None
    assert status.confirmed is not None
    write_merge(resource, tmp_path / "merges")
    winner = next(record for record in status.candidates if record.id == status.confirmed.id)
    again = winner.model_copy(update={"id": "c0099", "same_as": winner.id})
    counts = status.counts.model_copy(update={"total": status.counts.total + 1})
    changed = status.model_copy(update={"candidates": (*status.candidates, again), "counts": counts})
    text = yaml.safe_dump(histories.with_status(resource, changed).to_document())
    given = ("--with-weights", "--volume", f"workspace={tmp_path / 'merges'}")
    done = export("-", "-o", tmp_path / "out", "--candidate", "c0099", *given, stdin=text)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "weights.json").read_text())["candidate"] == "c0099"


def test_weights_need_to_be_found(resource: MergeSearch, tmp_path: Path) -> None:
    text = yaml.safe_dump(resource.to_document())
    done = export("-", "--output", tmp_path / "out", "--with-weights", stdin=text)
    refused(done, "where the workspace lies is not known; add --volume workspace=DIR")
    write_merge(resource, tmp_path / "merges")
    found = export(
        "-", "-o", tmp_path / "out", "--with-weights", "--volume", f"workspace={tmp_path / 'merges'}", stdin=text
    )
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "out" / "model.safetensors").is_file()
