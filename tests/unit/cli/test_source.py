"""Searches that a person names: folders, documents of kubectl, standard input."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import GiveUpError, InvalidManifestError
from mergesearch.reasons import Reason
from mergesearch.report.advice import Place
from mergesearch_cli import source
from mergesearch_cli.state import StateFolder
from unit.report import histories
from unit.report.histories import History


@pytest.fixture(scope="module")
def history() -> History:
    return histories.run(histories.manifest())


@pytest.fixture(scope="module")
def resource(history: History) -> MergeSearch:
    return histories.with_status(history.resource, history.end)


def as_kubectl(resource: MergeSearch) -> dict[str, Any]:
    """The document with what the API server adds."""
    document = resource.to_document()
    document["metadata"] |= {"resourceVersion": "12", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a": "b"}}
    return document


FORMS = {"yaml": yaml.safe_dump, "json": lambda document: json.dumps(document, indent=4)}


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS.keys())
def test_what_kubectl_prints_is_the_search(resource: MergeSearch, tmp_path: Path, write: Any) -> None:
    file = tmp_path / "status.yaml"
    file.write_text(write(as_kubectl(resource)))
    read = source.read(file)
    assert read.only == resource
    assert read.place is Place.CLUSTER


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS.keys())
def test_so_is_a_list_of_them(resource: MergeSearch, tmp_path: Path, write: Any) -> None:
    second = resource.model_copy(update={"metadata": resource.metadata.model_copy(update={"name": "second"})})
    file = tmp_path / "list.yaml"
    file.write_text(write({"apiVersion": "v1", "kind": "List", "items": [as_kubectl(resource), as_kubectl(second)]}))
    read = source.read(file)
    assert read.resources == (resource, second)
    with pytest.raises(InvalidManifestError, match="holds 2 searches, quick and second"):
        _ = read.only


def test_several_documents_in_one_file_are_several_searches(resource: MergeSearch, tmp_path: Path) -> None:
    file = tmp_path / "several.yaml"
    file.write_text("---\n".join(["", yaml.safe_dump(as_kubectl(resource)), yaml.safe_dump(as_kubectl(resource))]))
    assert source.read(file).resources == (resource, resource)


def test_a_state_folder_is_one_search_on_this_machine(resource: MergeSearch, tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    with state.held():
        state.write(resource)
        state.keep_volumes({"checkpoints": tmp_path / "models"})
    read = source.read(tmp_path / "state")
    assert read.only == resource
    assert read.place is Place.MACHINE
    assert read.state is not None
    assert read.state.known_volumes() == {"checkpoints": tmp_path / "models"}


WRONG: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "holds no MergeSearch"),
    "an empty list": ("{kind: List, items: []}", "holds no MergeSearch"),
    "another kind": ("{kind: Deployment}", "holds a Deployment, not a MergeSearch"),
    "a list of another kind": ("{kind: List, items: [{kind: Pod}]}", "holds a Pod, not a MergeSearch"),
    "text": ("hello", "holds something else, not a MergeSearch"),
    "no YAML": ("a: [1\nb: 2", "no YAML: line 2: "),
    "not UTF-8": (b"\xff\xfe", "cannot be read: not UTF-8"),
    "a field of another release": (
        "{apiVersion: mergesearch.io/v1alpha1, kind: MergeSearch, metadata: {name: a}, spec: {wings: 2}}",
        "not understood by this release, or cut off: spec.",
    ),
    "a field that holds itself": (
        "{apiVersion: mergesearch.io/v1alpha1, kind: MergeSearch, metadata: {name: a}, spec: &a [*a]}",
        "not understood by this release, or cut off: spec is [[[[[[[[",
    ),
    "brackets without end": (
        "[" * 100_000,
        "wrong.yaml: line 1: the file is nested too deeply; found more than 64 levels; allowed: at most 64",
    ),
    "a code that a terminal obeys": (
        'kind: "\x07"',
        "wrong.yaml: line 1: the file is not text; found the character U+0007",
    ),
    "such a code in a kind": ('kind: "a\\n\\e[31mb"', "holds a a\\n\\x1b[31mb, not a MergeSearch"),
    "a tag before no number": ('{kind: MergeSearch, metadata: !!int ""}', "wrong.yaml: a value is not of its kind: "),
    "a tag before no time": ('{kind: !!timestamp "x"}', "wrong.yaml: a value is not of its kind: "),
}


@pytest.mark.parametrize(("content", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_search_is_told_with_its_file(content: str | bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidManifestError) as told:
        source.read(file)
    assert words in told.value.message
    assert str(file) in told.value.message
    assert "\n" not in told.value.message


def test_a_folder_or_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError, match=r"nowhere\.yaml: cannot be read: No such file"):
        source.read(tmp_path / "nowhere.yaml")
    with pytest.raises(InvalidManifestError, match="holds no search"):
        source.read(tmp_path)


def newer(resource: MergeSearch) -> dict[str, Any]:
    """As a release may write it that has other fields, too."""
    document = as_kubectl(resource)
    document["status"] |= {"version": 99, "wings": 2}
    return document


def test_a_status_of_a_newer_release_is_left_to_that_one(resource: MergeSearch, tmp_path: Path) -> None:
    file = tmp_path / "newer.yaml"
    file.write_text(yaml.safe_dump({"kind": "List", "items": [as_kubectl(resource), newer(resource)]}))
    (tmp_path / "search.json").write_text(json.dumps(newer(resource)))
    known = "written by a newer release (status version 99, this release knows 1)"
    for path, words in (
        (file, f"{file}: search 'quick': {known}; read it with that one"),
        (tmp_path, f"{tmp_path}/search.json: {known}; use that one, or give another --state"),
    ):
        with pytest.raises(GiveUpError) as told:
            source.read(path)
        assert (told.value.message, told.value.reason) == (words, Reason.NEWER_STATUS)
