"""The `mergesearch` command: its arguments, and which function meets each command. Errors become messages and exit
codes here.
"""

import sys
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from mergesearch.errors import CliExitCode, InvalidManifestError, MergeSearchError
from mergesearch_cli import comparing, exporting, interrupts, planning, reading, reporting, running
from mergesearch_cli import demo as demo_command
from mergesearch_cli.state import StateFolder

EXIT_CODES = (
    "Exit codes: 0 complete; 1 an error of MergeSearch, or a state folder that is damaged or held by another run; "
    "2 bad manifest, arguments or volumes; 3 stalled, a person has to act; 4 failed, a budget ended the search before "
    "anything could be confirmed; 5 suspended; 130 interrupted, run again to go on."
)
WIDE = 200
"""Columns of an output that is no terminal."""
app = typer.Typer(
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Manifest = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A manifest of one MergeSearch, or - for standard input."),
]
Volumes = Annotated[
    list[str] | None,
    typer.Option("--volume", metavar="NAME=DIR", help="Folder that takes a volume's place; may be repeated."),
]

SEARCH = "The state folder of a run, what `kubectl get mergesearch -o yaml` has printed, or - for standard input."
Search = Annotated[Path, typer.Argument(metavar="SEARCH", help=SEARCH)]


class Output(StrEnum):
    """Forms of `status`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class TableForm(StrEnum):
    """Forms of `compare`."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if value:
        typer.echo(f"mergesearch {metadata.version('mergesearch')}")
        raise typer.Exit


@app.callback()
def common(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Recycles LLM checkpoints: searches for the weights of a linear merge that scores best on your tasks."""


@app.command(epilog=EXIT_CODES)
def run(
    file: Manifest,
    state: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds the search between runs.")],
    volume: Volumes = None,
    *,
    retry: Annotated[
        bool, typer.Option("--retry", help="Send a stalled search on, as a new `spec.retry` does.")
    ] = False,
) -> None:
    """Run a search on this machine, or go on with one."""
    _exit(running.run(file, volume or [], StateFolder(state), _console(), retry=retry))


@app.command()
def status(
    search: Search,
    output: Annotated[Output, typer.Option("--output", "-o", help="Form of the output.")] = Output.TABLE,
) -> None:
    """Show where a search is, or print the whole resource."""
    reading.status(search, output.value, _console())


@app.command(epilog=EXIT_CODES)
def validate(file: Manifest) -> None:
    """Check a manifest; print every problem at once."""
    reading.validate(file, _console())


@app.command()
def plan(
    file: Manifest,
    volume: Volumes = None,
    evaluation_seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds of one checkpoint on all samples that the search sees.")
    ] = None,
    unseen_samples: Annotated[
        int | None,
        typer.Option(min=1, help="Samples of one confirmation, held-out tasks too; where the manifest tells none."),
    ] = None,
    bandwidth: Annotated[float, typer.Option(min=1.0, help="MB per second that the volumes deliver.")] = 500.0,
) -> None:
    """Say what a search will cost before it starts.

    With --volume checkpoints=DIR from the real sizes, with --evaluation-seconds also its time.
    """
    given = planning.Given(evaluation_seconds, unseen_samples, 1e6 * bandwidth)
    planning.plan(file, volume or [], given, _console())


@app.command()
def report(
    search: Search,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: report.html in the state folder, else here."),
    ] = None,
    training_flops: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="What training the checkpoints took, such as 1.2e22, to compare with."),
    ] = None,
) -> None:
    """Write the page of a search, finished or not, and its numbers in a file beside it, such as report.json."""
    reporting.report(search, output, training_flops, _console())


@app.command()
def export(
    source: Search,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to make.")],
    candidate: Annotated[
        str | None, typer.Option(metavar="ID", help="Another merge than the winner, such as c0012 or uniform.")
    ] = None,
    volume: Volumes = None,
    base_model: Annotated[
        list[str] | None,
        typer.Option("--base-model", metavar="NAME=ID", help="A checkpoint's id on the hub; may be repeated."),
    ] = None,
    *,
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Copy the merged weights, config and tokenizer as well.")
    ] = False,
) -> None:
    """Write what others need of a merge.

    mergekit.yml gives the same tensors, README.md is a model card; weights.json, candidates.csv.
    """
    exporting.export(source, output, candidate, volume or [], base_model or [], _console(), with_weights=with_weights)


@app.command()
def compare(
    sources: Annotated[list[Path], typer.Argument(metavar="SEARCH...", help=SEARCH)],
    output: Annotated[TableForm, typer.Option("--output", "-o", help="Form of the output.")] = TableForm.TABLE,
) -> None:
    """Show several searches in one table: winners, baselines, gains."""
    comparing.compare(sources, output.value, _console())


@app.command(epilog=EXIT_CODES)
def demo(
    folder: Annotated[Path, typer.Option("--state", metavar="DIR", help="Folder of the demo.")] = Path(".demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the family of checkpoints.")] = 0,
) -> None:
    """Train small checkpoints and merge them: the quickstart.

    Takes some five minutes on two cores; everything is left in one folder.
    """
    _exit(demo_command.demo(folder, seed, _console()))


def main() -> None:
    """The console script."""
    errors = Console(stderr=True)
    try:
        with interrupts.as_keyboard_interrupt():
            app()
    except InvalidManifestError as error:
        _say(errors, error.message)
        _exit(CliExitCode.BAD_MANIFEST)
    except MergeSearchError as error:
        _say(errors, error.message)
        _exit(CliExitCode.ERROR)
    except OSError as error:
        _say(errors, f"{error.filename or 'input or output'}: {error.strerror or error}")
        _exit(CliExitCode.ERROR)
    except KeyboardInterrupt:
        _exit(CliExitCode.INTERRUPTED)


def _console() -> Console:
    """Standard output; a file or a pipe has room for the whole table."""
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def _say(console: Console, message: str) -> None:
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def _exit(code: CliExitCode) -> NoReturn:
    sys.exit(int(code))


if __name__ == "__main__":
    main()
