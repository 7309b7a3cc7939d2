"""`mergesearch run` from its checks to its last line, with small real processes in the place of the children."""

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from mergesearch import files
from mergesearch.api import manifest
from mergesearch.errors import CliExitCode, InvalidManifestError
from mergesearch_cli import reading, running
from mergesearch_cli.state import StateFolder
from unit.cli.searches import search
from unit.report import histories
from unit.report.histories import History

PATIENCE = 60.0
"""Seconds until a test gives up; none waits for so long unless it fails."""
RUN = """
import sys
from pathlib import Path
from rich.console import Console
from mergesearch_cli import interrupts, running
from mergesearch_cli.runner import Commands
from mergesearch_cli.state import StateFolder
folder = Path(sys.argv[1])
merger, evaluator = ((sys.executable, "-S", "-c", text) for text in sys.argv[2:])
volumes = [f"{name}={folder / name}" for name in ("checkpoints", "workspace")]
with interrupts.as_keyboard_interrupt():
    state, console = StateFolder(folder / "state"), Console(width=200)
    commands = Commands(merger=merger, evaluator=evaluator)
    sys.exit(running.run(folder / "search.yaml", volumes, state, console, commands=commands))
"""
IDLE = "import time; time.sleep(600)"
DEAF = """
import os, pathlib, signal, time
note = pathlib.Path({note!r})
signal.signal(signal.SIGTERM, lambda *_: note.with_name("asked").touch())
note.write_text(str(os.getpid()))
while True:
    time.sleep(600)
"""


def test_a_second_interrupt_ends_with_the_same_line_no_child_and_a_fresh_page(tmp_path: Path) -> None:
    prepare(tmp_path)
    page = StateFolder(tmp_path / "state").report
    page.parent.mkdir()
    page.write_text("stale")
    note = tmp_path / "deaf"
    command = [sys.executable, "-c", RUN, str(tmp_path), IDLE, DEAF.format(note=str(note))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until_there(note)
    process.send_signal(signal.SIGINT)
    until_there(note.with_name("asked"))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == CliExitCode.INTERRUPTED, said
    assert said.splitlines()[-1].startswith("Interrupted. What was scored is kept in "), said
    assert not Path(f"/proc/{note.read_text()}").exists()
    assert "checkpoints and tasks are being checked" in page.read_text()


def test_other_volumes_than_those_it_began_with_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    prepare(tmp_path)
    given = {name: tmp_path / name for name in ("checkpoints", "workspace")}
    state = StateFolder(tmp_path / "state")
    with state.held():
        state.keep_volumes(given)
    volumes = [f"checkpoints={tmp_path / 'checkpoints'}", f"workspace={tmp_path / 'ws2'}"]
    with pytest.raises(InvalidManifestError, match="the search began with volumes in other folders"):
        running.run(tmp_path / "search.yaml", volumes, state, Console(file=io.StringIO()))
    assert not (tmp_path / "ws2").exists()


def test_a_retry_of_a_complete_search_says_that_it_changes_nothing(tmp_path: Path, complete: History) -> None:
    prepare(tmp_path)
    (tmp_path / "search.yaml").write_text(manifest.dump(complete.resource))
    state = StateFolder(tmp_path / "state")
    with state.held():
        state.write(histories.with_status(complete.resource, complete.end))
    volumes = [f"{name}={tmp_path / name}" for name in ("checkpoints", "workspace")]
    for retry in (True, False):
        output = io.StringIO()
        console = Console(file=output, width=200)
        code = running.run(tmp_path / "search.yaml", volumes, state, console, retry=retry)
        assert code is CliExitCode.COMPLETE
        assert ("--retry changed nothing" in output.getvalue()) == retry


def test_run_and_status_of_a_complete_search_say_where_the_weights_are_or_that_they_are_gone(
    tmp_path: Path, complete: History
) -> None:
    prepare(tmp_path)
    (tmp_path / "search.yaml").write_text(manifest.dump(complete.resource))
    assert complete.end.confirmed is not None
    folder = tmp_path / "workspace" / complete.end.confirmed.path
    state = StateFolder(tmp_path / "state")
    given = {name: tmp_path / name for name in ("checkpoints", "workspace")}
    with state.held():
        state.write(histories.with_status(complete.resource, complete.end))
    unknown = io.StringIO()
    reading.status(state.folder, "table", Console(file=unknown, width=200))
    assert "Weights:" not in unknown.getvalue(), "nobody knows where the workspace lies"
    with state.held():
        state.keep_volumes(given)

    def said() -> list[list[str]]:
        ran, shown = io.StringIO(), io.StringIO()
        volumes = [f"{name}={place}" for name, place in given.items()]
        running.run(tmp_path / "search.yaml", volumes, state, Console(file=ran, width=200))
        reading.status(state.folder, "table", Console(file=shown, width=200))
        return [[line for line in text.getvalue().splitlines() if "Weights:" in line] for text in (ran, shown)]

    gone = f"Weights: {folder} is gone or no merge any more; `mergesearch run` does not make it again, "
    for (line,) in said():
        assert line.startswith(gone)
        assert "`mergesearch export` writes a configuration of mergekit that does." in line
    folder.mkdir(parents=True)
    (folder / files.MERGE_RECORD).write_text("{}")
    assert said() == 2 * [[f"Weights: {folder}"]]


def test_a_search_that_runs_has_no_line_about_the_weights_of_a_winner(tmp_path: Path, complete: History) -> None:
    state = StateFolder(tmp_path / "state")
    going = complete.first(lambda status: status.best is not None)
    with state.held():
        state.keep_volumes({"workspace": tmp_path})
    assert reading.weights(histories.with_status(complete.resource, going), state) == []


@pytest.fixture(scope="module")
def complete() -> History:
    return histories.run(histories.manifest(maxEvaluations=4))


def prepare(folder: Path) -> None:
    """A manifest and the folder of its checkpoints."""
    (folder / "checkpoints").mkdir()
    (folder / "search.yaml").write_text(manifest.dump(search()))


def until_there(path: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while not path.exists() or (path.name == "deaf" and not path.read_text()):
        assert time.monotonic() < give_up, f"{path} never came"
        time.sleep(0.02)
