"""`mergesearch report`: from a folder, a file or standard input, to a page with its numbers beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import CliExitCode
from mergesearch_cli import reporting
from mergesearch_cli.state import StateFolder
from unit.operator import golden_statuses as golden
from unit.report import histories
from unit.report.histories import History, with_status


@pytest.fixture(scope="module")
def history() -> History:
    return histories.run(histories.manifest(maxEvaluations=6))


@pytest.fixture(scope="module")
def resource(history: History) -> MergeSearch:
    return with_status(history.resource, history.end)


@pytest.fixture
def state(resource: MergeSearch, tmp_path: Path) -> Path:
    folder = StateFolder(tmp_path / "state")
    with folder.held():
        folder.write(resource)
    return folder.folder


def report(*arguments: object, stdin: str | None = None, where: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-P", "-m", "mergesearch_cli.app", "report", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "160"}
    return subprocess.run(program, capture_output=True, text=True, check=False, env=environment, input=stdin, cwd=where)


def test_a_state_folder_gets_its_page_and_its_numbers(state: Path) -> None:
    done = report(state)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(state / "report.html")
    numbers = json.loads((state / "report.json").read_text())
    assert numbers["name"] == "quick"
    assert numbers["findings"]["compute"]["share"] is None
    assert numbers["verdict"] in (state / "report.html").read_text()


def test_what_kubectl_prints_becomes_a_page_where_one_asks_for_it(resource: MergeSearch, tmp_path: Path) -> None:
    text = yaml.safe_dump(resource.to_document())
    done = report("-", "-o", tmp_path / "chat.html", "--training-flops", "1e15", stdin=text)
    assert done.returncode == 0, done.stderr
    compute = json.loads((tmp_path / "chat.json").read_text())["findings"]["compute"]
    assert compute["trainingFlops"] == 1e15
    assert compute["share"] == compute["flops"] / 1e15
    assert "1.00e15 FLOPs" in (tmp_path / "chat.html").read_text()


def test_without_a_name_the_page_of_a_file_lies_where_one_is(resource: MergeSearch, tmp_path: Path) -> None:
    (tmp_path / "status.yaml").write_text(yaml.safe_dump(resource.to_document()))
    done = report(tmp_path / "status.yaml", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"status.yaml", "report.html", "report.json"}


def test_a_cluster_and_a_machine_are_told_different_ways_on(history: History, tmp_path: Path) -> None:
    stalled = json.loads(with_status(history.resource, history.statuses[4]).model_dump_json(by_alias=True))
    stalled["status"]["stalled"] = {"reason": "StorageFull", "message": "full"}
    done = report("-", "-o", tmp_path / "page.html", stdin=json.dumps(stalled))
    assert done.returncode == 0, done.stderr
    assert "set spec.retry to a new value" in (tmp_path / "page.html").read_text()


def unbegun(resource: MergeSearch) -> str:
    return yaml.safe_dump(resource.model_copy(update={"status": None}).to_document())


def twice(resource: MergeSearch) -> str:
    return yaml.safe_dump({"kind": "List", "items": [resource.to_document()] * 2})


REFUSED = {
    "no search": (lambda _: "{kind: Pod}", (), "holds a Pod, not a MergeSearch"),
    "several": (twice, (), "holds 2 searches, quick and quick"),
    "no status": (unbegun, (), "standard input: quick has no status, so there is nothing to report"),
    "numbers for a page": (unbegun, ("-o", "page.json"), "--output page.json: name the page, such as page.html"),
    "a folder for a page": (unbegun, ("-o", "."), "--output .: this is a folder"),
    "a folder that is missing": (
        unbegun,
        ("-o", "some/missing/page.html"),
        "--output some/missing/page.html: the folder some/missing does not exist; make it first, or name a file",
    ),
    "a folder that is a file": (unbegun, ("-o", "/dev/null/page.html"), "the folder /dev/null is no folder; make it"),
    "no training": (unbegun, ("--training-flops", "0"), "--training-flops 0.0: this is no number above 0"),
    "endless training": (unbegun, ("--training-flops", "inf"), "--training-flops inf: this is no number above 0"),
}


@pytest.mark.parametrize(("text", "options", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_reported_is_told_in_a_line_and_nothing_is_written(
    resource: MergeSearch, tmp_path: Path, text: object, options: tuple[str, ...], words: str
) -> None:
    assert callable(text)
    done = report("-", *options, stdin=text(resource), where=tmp_path)
    assert done.returncode == CliExitCode.BAD_MANIFEST, done.stdout
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("release", "moment"), [(release, moment) for release in golden.releases() for moment in golden.kept(release)]
)
def test_what_earlier_releases_have_left_can_be_reported(release: str, moment: str, tmp_path: Path) -> None:
    resource = MergeSearch.model_validate(golden.read(release, moment)["resource"])
    reporting.write(resource, tmp_path / "page.html")
    assert json.loads((tmp_path / "page.json").read_text())["uid"] == resource.metadata.uid
