"""`mergesearch run`: everything is checked, then the shell runs, then the verdict is printed."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import CliExitCode
from mergesearch.report import summary, tables
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
    found = summary.summarize(resource)
    final = tables.final(found)
    if final.rows:
        table = Table(*final.headers, title="Scores in points", title_justify="left")
        for row in final.rows:
            table.add_row(*row)
        console.print(table)
    lines = [found.verdict]
    status = resource.status
    if status is not None and status.stalled is not None:
        lines.append("Mend it, then run the same command with --retry.")
    lines += [f"State: {state.document}", f"Page:  {state.report}"]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
