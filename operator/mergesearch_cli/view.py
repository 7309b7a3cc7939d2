"""What people see of a running search: a live picture on a terminal, plain lines elsewhere."""

from datetime import UTC, datetime
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus, Phase, RecordKind, Stage
from mergesearch.lifecycle import forecast, records
from mergesearch_cli import words

STYLES = {
    Phase.COMPLETE: "bold green",
    Phase.STALLED: "bold yellow",
    Phase.FAILED: "bold red",
    Phase.SUSPENDED: "yellow",
}


class PlainView:
    """One line whenever something worth reading has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def show(self, resource: MergeSearch, progress: list[str]) -> None:
        """Print a line if it differs from the last one in more than the time left; `progress` would be too much."""
        del progress
        line = headline(resource)
        if line == self._last:
            return
        self._last = line
        left = time_left(resource)
        whole = f"{datetime.now(UTC):%H:%M:%S} {line}" + (f"; {left}" if left else "")
        self._console.print(whole, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""


class LiveView:
    """A picture that is drawn anew in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def show(self, resource: MergeSearch, progress: list[str]) -> None:
        """Draw the search as it is now."""
        self._live.update(picture(resource, progress))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def view_for(console: Console) -> PlainView | LiveView:
    """The view that fits the console."""
    return LiveView(console) if console.is_terminal else PlainView(console)


def headline(resource: MergeSearch) -> str:
    """The search in one line, without the time left."""
    status = resource.status or MergeSearchStatus()
    parts: list[str] = [str(status.phase)]
    if status.stalled is not None:
        return f"{status.phase} ({status.stalled.reason}): {status.stalled.message}"
    if status.candidates:
        generation = (status.candidates[-1].generation or 0) + 1
        parts.append(f"generation {generation}, {words.scored(resource)} candidates scored")
    elif status.baselines:
        done = sum(record.ended for record in status.baselines)
        parts.append(f"{done} of {len(status.baselines)} baselines scored")
    if status.confirmations and status.completion_time is None:
        done = sum(record.ended for record in status.confirmations)
        parts.append(f"{done} of {len(status.confirmations)} confirmed on unseen samples")
    parts += best_lines(status)
    return "; ".join(parts)


def time_left(resource: MergeSearch) -> str:
    """How long the search will still take, or nothing where that is not known."""
    left = forecast.seconds_left(resource.spec, resource.status or MergeSearchStatus())
    return f"about {words.duration(left)} left" if left is not None else ""


def best_lines(status: MergeSearchStatus) -> list[str]:
    """The best candidate and the best baseline on the search samples."""
    baselines = [r for r in records.best_first(status.baselines) if r.kind is not RecordKind.NOISE]
    lines = []
    if status.best is not None:
        lines.append(f"best {words.points(status.best.fitness)} ({status.best.id})")
    if baselines and baselines[0].fitness is not None:
        lines.append(f"best baseline {words.points(baselines[0].fitness)} ({baselines[0].id})")
    return lines


def picture(resource: MergeSearch, progress: list[str]) -> Group:
    """The search as a small table."""
    status = resource.status or MergeSearchStatus()
    counts = status.counts
    table = Table.grid(padding=(0, 2))
    table.add_row("search", Text(resource.metadata.name, style="bold"))
    table.add_row("phase", Text(status.phase, style=STYLES.get(status.phase, "bold cyan")))
    if status.stalled is not None:
        table.add_row("stalled", Text(f"{status.stalled.reason}: {status.stalled.message}"))
    if status.candidates:
        population = status.algorithm.population_size if status.algorithm is not None else 0
        table.add_row("generation", f"{(status.candidates[-1].generation or 0) + 1} (population {population})")
    done, total = counts.scored + counts.failed, resource.spec.search.max_evaluations
    table.add_row("candidates", ProgressBar(total=total, completed=done, width=40))
    table.add_row("", f"{words.scored(resource)} scored, {counts.failed} failed, {counts.retried} tried again")
    table.add_row("in flight", Text(", ".join(_in_flight(launch) for launch in status.launches) or "nothing"))
    for line in progress:
        table.add_row("", Text(line, style="dim"))
    for line in best_lines(status):
        table.add_row("", Text(line))
    table.add_row("time", time_left(resource))
    return Group(table)


def _in_flight(launch: Launch) -> str:
    some = ", ".join(launch.candidates[:4]) + (" …" if len(launch.candidates) > len(launch.candidates[:4]) else "")
    names = {Stage.MERGE: "merging", Stage.EVALUATE: "scoring"}
    return f"{names.get(launch.stage, launch.stage)} {some}".strip()
