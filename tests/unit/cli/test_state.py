"""The state folder: who holds it, and what is said of one that cannot be used."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Decision
from mergesearch.errors import GiveUpError, InvalidManifestError, MergeSearchError, StateHeldError
from mergesearch.reasons import Reason
from mergesearch_cli import reading, reporting
from mergesearch_cli.state import StateFolder, adopt
from unit.cli.searches import search
from unit.report import histories
from unit.report.histories import clear, with_status

HOLD = """
import sys, time
from pathlib import Path
from mergesearch_cli.state import StateFolder
with StateFolder(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """A folder that holds a search which has not begun."""
    folder = StateFolder(tmp_path / "state")
    with folder.held():
        folder.write(adopt(search(), None, retry=False))
    return folder


# --- Who holds it ---


def test_a_search_is_read_as_it_was_written(state: StateFolder) -> None:
    found = state.read()
    assert found is not None
    assert found.metadata.name == "soup"
    assert state.read() == found


def test_the_folder_is_held_while_another_process_works_on_it_and_free_after_it_was_killed(state: StateFolder) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(state.folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert state.is_held()
        with (
            pytest.raises(StateHeldError, match=rf"another run works on this search \(process {process.pid}\)"),
            state.held(),
        ):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert state.lock.read_text() == f"{process.pid}\n", "the lock's file still names the dead process"
    assert not state.is_held()
    with state.held():
        assert state.lock.read_text() == f"{os.getpid()}\n"
    assert not state.is_held()


def test_the_lock_names_a_process_that_lives_and_holds_nothing(state: StateFolder) -> None:
    """Ids come again: only the lock counts, not whether a process of the noted id is there."""
    state.lock.write_text(f"{os.getppid()}\n")
    assert not state.is_held()
    with state.held():
        pass


def test_a_look_changes_nothing(tmp_path: Path) -> None:
    assert not StateFolder(tmp_path / "nowhere").is_held()
    assert StateFolder(tmp_path / "nowhere").read() is None
    assert list(tmp_path.iterdir()) == []


# --- What cannot be used ---


def truncated(state: StateFolder) -> None:
    state.document.write_bytes(state.document.read_bytes()[:100])


def emptied(state: StateFolder) -> None:
    state.document.write_bytes(b"")


def not_text(state: StateFolder) -> None:
    state.document.write_bytes(b'{\n "kind": "\xff"}')


def something_else(state: StateFolder) -> None:
    state.document.write_text("[1, 2]")


def another_field(state: StateFolder) -> None:
    state.document.write_text(state.document.read_text().replace('"name":"m-1"', '"name":7').replace('"soup"', "{}"))


def a_field_less(state: StateFolder) -> None:
    state.document.write_text(state.document.read_text().replace('"name":"m-1",', ""))


def newer(state: StateFolder) -> None:
    state.document.write_text(state.document.read_text().replace('"status":{}', '"status":{"version":99}'))


def a_folder(state: StateFolder) -> None:
    state.document.unlink()
    state.document.mkdir()


DAMAGES = {
    truncated: ["search.json: damaged: EOF while parsing", "line 1 column 100", "restore it, or give another --state"],
    emptied: ["search.json: damaged: EOF", "line 1 column 0"],
    not_text: ["search.json: damaged: ", "line 2 column"],
    something_else: ["search.json: not understood by this release: the document is [1, 2]"],
    another_field: ["not understood by this release: metadata.name is {} (and 2 more)", "release that has written it"],
    a_field_less: ["not understood by this release: spec.checkpoints.1.name is missing"],
    newer: ["search.json: written by a newer release (status version 99, this release knows"],
    a_folder: ["search.json: cannot be read: Is a directory"],
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.items(), ids=[damage.__name__ for damage in DAMAGES])
def test_a_damaged_search_is_told_in_one_line_with_the_file_the_place_and_what_to_do(
    state: StateFolder, damage: object, words: list[str]
) -> None:
    assert callable(damage)
    damage(state)
    with pytest.raises(GiveUpError) as caught:
        state.read()
    assert not isinstance(caught.value, InvalidManifestError), "it is no fault of the manifest: exit code 1, not 2"
    message = caught.value.message
    assert message.startswith(str(state.document))
    assert [word for word in words if word not in message] == [], message
    assert "pydantic" not in message
    assert "\n" not in message


def test_a_damaged_list_of_volumes_is_told_as_well(state: StateFolder, tmp_path: Path) -> None:
    state.keep_volumes({"checkpoints": tmp_path})
    state.volumes.write_text(state.volumes.read_text()[:20])
    with pytest.raises(GiveUpError, match=r"volumes\.json: damaged: .* line 2 column"):
        state.check_volumes({"checkpoints": tmp_path})


def test_a_file_in_the_place_of_the_folder_is_named_as_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for use in (StateFolder(file).read, StateFolder(file).held().__enter__):
        with pytest.raises(InvalidManifestError, match=rf"{file}: this is a file; a state folder is wanted"):
            use()


def test_a_folder_that_cannot_be_made_is_named_with_what_is_in_its_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = StateFolder(tmp_path / "file" / "state")
    with (
        pytest.raises(InvalidManifestError, match=r"--state .*/file/state: cannot hold a search: .*Not a directory"),
        state.held(),
    ):
        pass


def test_a_page_is_not_written_over_a_folder(state: StateFolder, tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError, match=r"this is a folder; name a file, such as .*/report\.html"):
        reporting.report(state.folder, tmp_path, None, console())


def test_what_cannot_be_written_is_named_by_its_own_name_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MergeSearchError) as caught:
        reporting.write(histories.manifest(), tmp_path / "file" / "page.html")
    assert caught.value.message.startswith(f"{tmp_path}/file/page.html: cannot be written: ")
    assert ".tmp-" not in caught.value.message
    assert sorted(tmp_path.rglob("*")) == before


# --- What may change ---


def begun() -> MergeSearch:
    """A search of four evaluations with a baseline in its status."""
    history = histories.run(histories.manifest(maxEvaluations=4))
    return with_status(history.resource, history.first(lambda status: bool(status.baselines)))


def changed(resource: MergeSearch, **fields: object) -> MergeSearch:
    search_part = resource.spec.search.model_copy(update=fields)
    return resource.model_copy(update={"spec": resource.spec.model_copy(update={"search": search_part})})


def test_a_budget_that_is_lowered_is_told_that_it_only_grows_and_what_to_do() -> None:
    with pytest.raises(InvalidManifestError) as caught:
        adopt(changed(begun(), max_evaluations=3), begun(), retry=False)
    message = caught.value.message
    assert message.startswith("spec.search.maxEvaluations: was 4, is 3: a budget can only grow once")
    assert "search.maxDuration" in message
    assert "another --state" in message
    assert "decide what it has done" not in message
    with pytest.raises(InvalidManifestError) as caught:
        adopt(changed(begun(), max_evaluations=3, seed=7), begun(), retry=False)
    lines = caught.value.message.splitlines()
    assert lines[1:3] == [
        "the search has begun, and these fields decide what it has done so far:",
        "  spec.search.seed: was 1, is 7",
    ]
    assert adopt(changed(begun(), max_evaluations=5), begun(), retry=False).spec.search.max_evaluations == 5


# --- What is shown ---


def test_the_status_shows_what_the_verdict_has_to_be_read_with_and_the_warnings(tmp_path: Path) -> None:
    history = histories.run(histories.manifest(maxEvaluations=6))
    end = clear(history.end, uniform=(-0.01, -0.03, 0.01, 0.8))
    preflight = end.preflight.model_copy(update={"warnings": ("m-2 and m-3 are equal",)})
    state = StateFolder(tmp_path / "state")
    with state.held():
        state.write(with_status(history.resource, end.model_copy(update={"preflight": preflight})))
    output = io.StringIO()
    reading.status(state.folder, "table", Console(file=output, width=200))
    shown = output.getvalue().splitlines()
    assert "On unseen samples uniform is the better choice." in shown
    assert "Warning: m-2 and m-3 are equal" in shown


def test_a_resource_that_came_from_a_cluster_is_a_copy_and_not_for_a_run(tmp_path: Path) -> None:
    history = histories.run(histories.manifest(maxEvaluations=6))
    resting = next(status for status in history.statuses if status.launches)
    stalled = resting.model_copy(update={"stalled": Decision(reason=Reason.STORAGE_FULL, message="full")})
    state, output = StateFolder(tmp_path), io.StringIO()
    state.document.write_text(with_status(history.resource, stalled).model_dump_json(by_alias=True))
    reading.status(state.folder, "table", Console(file=output, width=200))
    told = output.getvalue()
    assert told.splitlines()[-1].startswith("No `mergesearch run` has made this folder: it holds a copy")
    assert "will be started again" not in told
    assert "set spec.retry to a new value" in told
    assert "--retry" not in told
    reporting.report(tmp_path, tmp_path / "page.html", None, console())
    assert "set spec.retry to a new value" in (tmp_path / "page.html").read_text()
    with state.held():
        """A run has it."""
    reading.status(state.folder, "table", Console(file=output, width=200))
    assert "No run holds this folder: work in flight will be started again" in output.getvalue()


FORMS = {"table": "Stalled (StorageFull)", "yaml": "kind: MergeSearch", "json": '"kind": "MergeSearch"'}


@pytest.mark.parametrize("form", FORMS)
def test_the_status_is_also_that_of_what_kubectl_prints(form: str, tmp_path: Path) -> None:
    history = histories.run(histories.manifest(maxEvaluations=6))
    resting = next(status for status in history.statuses if status.launches and status.candidates)
    stalled = resting.model_copy(update={"stalled": Decision(reason=Reason.STORAGE_FULL, message="full")})
    file, output = tmp_path / "status.yaml", io.StringIO()
    file.write_text(yaml.safe_dump(with_status(history.resource, stalled).to_document()))
    reading.status(file, form, Console(file=output, width=200))
    told = output.getvalue()
    assert FORMS[form] in told
    if form == "table":
        assert "set spec.retry to a new value" in told
        assert told.splitlines()[-1].startswith("This is the resource as it was printed")
        assert "was in flight" in told
        assert "mergesearch run" not in told


def test_a_file_that_is_no_search_has_no_status(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text("kind: Pod")
    with pytest.raises(InvalidManifestError, match=r"pod\.yaml: holds a Pod, not a MergeSearch"):
        reading.status(tmp_path / "pod.yaml", "table", console())


def test_a_manifest_that_nobody_has_started_has_no_status(tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(histories.manifest().to_document()))
    with pytest.raises(InvalidManifestError, match=r"search\.yaml: quick has no status, so there is nothing to report"):
        reading.status(tmp_path / "search.yaml", "table", console())


def console() -> Console:
    return Console(file=io.StringIO(), width=200)
