"""`mergesearch compare` as a command."""

import csv
import io
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from rich.console import Console

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import GiveUpError, InvalidManifestError
from mergesearch.report import comparison
from mergesearch_cli import comparing
from mergesearch_cli.state import StateFolder
from unit.report import histories


@pytest.fixture(scope="module")
def resources() -> list[MergeSearch]:
    found = []
    for count in (2, 3):
        history = histories.run(histories.manifest(count, name=f"of-{count}|x", maxEvaluations=4))
        meta = history.resource.metadata.model_copy(update={"uid": f"uid-{count}"})
        found.append(histories.with_status(history.resource.model_copy(update={"metadata": meta}), history.end))
    return found


@pytest.fixture
def places(resources: list[MergeSearch], tmp_path: Path) -> list[Path]:
    """One in a state folder, one as kubectl prints it."""
    state, document = StateFolder(tmp_path / "state"), tmp_path / "status.yaml"
    with state.held():
        state.write(resources[0])
    document.write_text(yaml.safe_dump({"kind": "List", "items": [resources[1].to_document()]}))
    return [state.folder, document]


def compare(places: list[Path], form: str) -> str:
    console = Console(file=io.StringIO(), width=200)
    comparing.compare(places, form, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_folders_and_documents_stand_in_one_table(places: list[Path]) -> None:
    found = list(csv.DictReader(io.StringIO(compare(places, "csv"))))
    assert [(row["search"], row["checkpoints"]) for row in found] == [("of-2|x", "2"), ("of-3|x", "3")]
    assert all(len(row["winner"].partition(".")[2]) > 4 for row in found), "in fractions, to the last digit"


def test_for_people_the_table_comes_with_what_it_has_to_be_read_with(places: list[Path]) -> None:
    said = compare(places, "table")
    assert "of-2|x" in said
    assert "Searches on unseen samples" in said
    assert "The gain is the winner's over the strongest of its baselines" in said


def test_in_markdown_it_is_a_table_whatever_the_searches_are_called(places: list[Path]) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(compare(places, "markdown"))
    assert sum(token.type == "tr_open" for token in tokens) == 3
    assert sum(token.type == "td_open" for token in tokens) == 2 * len(comparison.HEADERS)


def test_the_same_search_twice_is_a_mistake(places: list[Path]) -> None:
    with pytest.raises(InvalidManifestError, match=r"of-2\|x: this search is given twice"):
        compare([places[0], *places], "table")


def test_a_status_of_a_newer_release_is_not_compared(resources: list[MergeSearch], tmp_path: Path) -> None:
    document = resources[0].to_document()
    document["status"]["version"] = 99
    (tmp_path / "newer.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(
        GiveUpError, match=r"newer\.yaml: search .*: written by a newer release \(status version 99, this release"
    ):
        compare([tmp_path / "newer.yaml"], "table")
