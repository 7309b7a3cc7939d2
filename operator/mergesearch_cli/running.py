"""`mergesearch run`: everything is checked, then the shell runs, then the verdict is printed."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import CliExitCode, GiveUpError
from mergesearch.report import summary, tables
from mergesearch.report.advice import Place
from mergesearch.report.shapes import Summary
from mergesearch_cli import pictures, reading, reporting, shell, volumes
from mergesearch_cli.runner import Commands, Runner
from mergesearch_cli.state import StateFolder, adopt
from mergesearch_cli.view import view_for

RETRIED_AT_ITS_END = (
    "--retry changed nothing: the search had ended before, and only one that has stalled is sent on. To search further "
    "raise search.maxEvaluations in the manifest and run the same command again."
)


def run(
    file: Path,
    volume: Sequence[str],
    state: StateFolder,
    console: Console,
    *,
    retry: bool = False,
    commands: Commands | None = None,
) -> CliExitCode:
    """Run or resume; returns the exit code. Raises InvalidManifestError before anything is started or written."""
    manifest = reading.load(file)
    folders = volumes.parse(volume)
    volumes.check(manifest.spec, folders)
    volumes.check_state(state.folder, folders)
    with state.held():
        before = state.read()
        resource = adopt(manifest, before, retry=retry)
        state.check_volumes(folders)
        volumes.make_workspace(folders)
        state.keep_volumes(folders)
        runner = Runner(commands or Commands(), folders, state.logs)
        try:
            resource = _search(resource, state, runner, console)
        except KeyboardInterrupt:
            print_interrupted(console, state)
            with contextlib.suppress(KeyboardInterrupt):
                # Whoever is in a hurry may have interrupted the end of the children as well.
                runner.stop()
                _write_last(state, console)
            return CliExitCode.INTERRUPTED
        reporting.write(resource, state.report)
    conclude(resource, state, console)
    if retry and before is not None and _rested_at_its_end(before, resource):
        _print(console, RETRIED_AT_ITS_END)
    return shell.exit_code(resource)


def _search(resource: MergeSearch, state: StateFolder, runner: Runner, console: Console) -> MergeSearch:
    """Run until the search rests; no child outlives it."""
    try:
        with view_for(console) as view:
            return shell.run(resource, state, runner, view)
    finally:
        runner.stop()


def _write_last(state: StateFolder, console: Console) -> None:
    """The page of a search that was interrupted, as far as it had come."""
    try:
        resource = state.read()
        if resource is not None:
            reporting.write(resource, state.report)
    except GiveUpError as error:
        _print(console, error.message)


def _rested_at_its_end(before: MergeSearch, after: MergeSearch) -> bool:
    """Whether the search had ended before this run, which has changed nothing of that."""
    then = before.status.completion_time if before.status is not None else None
    return then is not None and after.status is not None and after.status.completion_time == then


def _fitting(found: Summary, width: int) -> Table:
    """The final table, without the tasks' columns where the terminal is too narrow for them."""
    final = tables.final(found)
    needed = sum(max(len(cell) for cell in column) + 3 for column in zip(final.headers, *final.rows, strict=True))
    chosen = final if needed < width else tables.short(found)
    return pictures.picture(chosen, no_wrap=True)


def print_interrupted(console: Console, state: StateFolder) -> None:
    """Nothing is lost, and how to go on."""
    _print(console, f"Interrupted. What was scored is kept in {state.folder}; run the same command again to go on.")


def conclude(resource: MergeSearch, state: StateFolder, console: Console) -> None:
    """Print the table, the verdict, and where the page and the winner's weights are."""
    found = summary.summarize(resource, Place.MACHINE)
    if tables.final(found).rows:
        console.print(_fitting(found, console.width))
    places = (f"State: {state.document}", f"Page:  {state.report}", *reading.weights(resource, state))
    for line in (*reading.sentences(found), *places):
        _print(console, line)


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
