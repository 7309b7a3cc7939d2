"""`mergesearch run`: everything is checked, then the shell runs, then the verdict is printed."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import CliExitCode
from mergesearch.report import summary, tables
from mergesearch.report.advice import Place
from mergesearch.report.shapes import Summary
from mergesearch_cli import reading, shell, volumes
from mergesearch_cli.runner import Commands, Runner
from mergesearch_cli.state import StateFolder, adopt
from mergesearch_cli.view import view_for


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
    with state.held():
        resource = adopt(manifest, state.read(), retry=retry)
        state.keep_volumes(folders)
        runner = Runner(commands or Commands(), folders, state.logs)
        try:
            with view_for(console) as view:
                resource = shell.run(resource, state, runner, view)
        except KeyboardInterrupt:
            runner.stop()
            print_interrupted(console, state)
            return CliExitCode.INTERRUPTED
        finally:
            runner.stop()
        reading.write_report(resource, state.report)
    conclude(resource, state, console)
    return shell.exit_code(resource)


def _fitting(found: Summary, width: int) -> Table:
    """The final table, without the tasks' columns where the terminal is too narrow for them."""
    final = tables.final(found)
    needed = sum(max(len(cell) for cell in column) + 3 for column in zip(final.headers, *final.rows, strict=True))
    chosen = final if needed < width else tables.short(found)
    table = Table(title=chosen.caption, title_justify="left")
    for number, header in enumerate(chosen.headers):
        table.add_column(header, justify="left" if number < chosen.words else "right", no_wrap=True)
    for row in chosen.rows:
        table.add_row(*row)
    return table


def print_interrupted(console: Console, state: StateFolder) -> None:
    """Nothing is lost, and how to go on."""
    console.print(
        f"Interrupted. What was scored is kept in {state.folder}; run the same command again to go on.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def conclude(resource: MergeSearch, state: StateFolder, console: Console) -> None:
    """Print the table, the verdict, and where the page is."""
    found = summary.summarize(resource, Place.MACHINE)
    if tables.final(found).rows:
        console.print(_fitting(found, console.width))
    for line in (*reading.sentences(found), f"State: {state.document}", f"Page:  {state.report}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
