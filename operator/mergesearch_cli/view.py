"""What people see of a running search: a live picture on a terminal, plain lines elsewhere."""

from datetime import UTC, datetime, timedelta
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus, Phase, Stage
from mergesearch.lifecycle import forecast, records
from mergesearch.report import rows
from mergesearch_cli import words
from mergesearch_cli.runner import Activity

STYLES = {
    Phase.COMPLETE: "bold green",
    Phase.STALLED: "bold yellow",
    Phase.FAILED: "bold red",
    Phase.SUSPENDED: "yellow",
}

QUIET = timedelta(seconds=10)
"""After so long without a line, what the children say they do is one."""
STARTING = "loading libraries, which takes up to a minute"
SHOWN = 4
"""Candidates of a batch that are named."""
DOING = {
    Stage.PREFLIGHT_CHECKPOINTS: "checking the checkpoints",
    Stage.PREFLIGHT_TASKS: "checking the tasks",
    Stage.MERGE: "merging",
    Stage.EVALUATE: "scoring",
    Stage.COMPARE: "comparing on unseen samples",
    Stage.CLEANUP: "removing weights",
}


class PlainView:
    """One line whenever something worth reading has changed, and a sign of life after a while without one."""

    def __init__(self, console: Console, quiet: timedelta = QUIET) -> None:
        self._console = console
        self._quiet = quiet
        self._last = self._doing = ""
        self._provable: str | None = None
        self._starting: set[str] = set()
        self._printed = datetime.now(UTC)

    def show(self, resource: MergeSearch, activity: Activity) -> None:
        """Print a line if it differs from the last one in more than the time left."""
        line = headline(resource)
        if line != self._last:
            self._last = line
            left = time_left(resource)
            self._print(line + (f"; {left}" if left else ""))
        before, self._provable = self._provable, can_prove(resource)
        if before == "" and self._provable:
            # A search that goes on was told it before.
            self._print(f"The preflight has passed: {self._provable}")
        fresh = sorted(set(activity.starting) - self._starting)
        self._starting = set(activity.starting)
        if fresh:
            self._print(f"Starting {', '.join(fresh)}: {STARTING}")
        doing = "; ".join(activity.doing)
        if doing and doing != self._doing and datetime.now(UTC) - self._printed >= self._quiet:
            self._doing = doing
            self._print(f"  {doing}")

    def _print(self, line: str) -> None:
        now = self._printed = datetime.now(UTC)
        self._console.print(f"{now:%H:%M:%S} {line}", markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""


class LiveView:
    """A picture that is drawn anew in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def show(self, resource: MergeSearch, activity: Activity) -> None:
        """Draw the search as it is now."""
        self._live.update(picture(resource, activity))

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
        # The verdict at the end says why and what to do, and there may be more to say until then.
        reason = f"{status.phase} ({status.stalled.reason})"
        return (
            f"{reason}: nothing new starts, waiting for the end of: {in_flight(status)}" if status.launches else reason
        )
    if status.candidates:
        generation = (status.candidates[-1].generation or 0) + 1
        parts.append(f"generation {generation}, {words.scored(resource)} candidates scored")
    elif status.baselines:
        parts.append(f"{rows.scored_of(status.baselines)} baselines scored")
    if status.confirmations and status.completion_time is None:
        parts.append(f"{rows.scored_of(status.confirmations)} confirmed on unseen samples")
    parts += best_lines(resource)
    return "; ".join(parts)


def time_left(resource: MergeSearch) -> str:
    """How long the search will still take, or nothing where that is not known or nothing new starts."""
    status = resource.status or MergeSearchStatus()
    if status.stalled is not None or resource.spec.suspend:
        return ""
    left = forecast.seconds_left(resource.spec, status)
    return f"about {words.duration(left)} left" if left is not None else ""


def can_prove(resource: MergeSearch) -> str:
    """What the preflight says of the unseen samples, until the winner is known; empty before it has passed."""
    status = resource.status or MergeSearchStatus()
    known = not status.preflight_due and status.confirmed is None
    return (status.preflight.provable or "") if known else ""


def best_lines(resource: MergeSearch) -> list[str]:
    """The winner once it is decided, the best candidate until then, and the best baseline on the same samples."""
    status = resource.status or MergeSearchStatus()
    if status.confirmed is not None and status.completion_time is not None:
        leader, some, where = f"winner {status.confirmed.id}", status.confirmations, "on unseen samples"
        fitness: float | None = status.confirmed.fitness
    else:
        leader = f"best {status.best.id}" if status.best is not None else ""
        some, where = status.baselines, "on search samples"
        fitness = status.best.fitness if status.best is not None else None
    lines = [] if fitness is None else [f"{leader}: {words.points(fitness)} {where}"]
    others = records.rivals(some)
    if others and others[0].fitness is not None:
        lines.append(f"best baseline {rows.called(resource, others[0])}: {words.points(others[0].fitness)} {where}")
    return lines


def picture(resource: MergeSearch, activity: Activity, *, held: bool = True) -> Group:
    """The search as a small table, with the rows that have something to say. `held` says whether a run works on it."""
    status = resource.status or MergeSearchStatus()
    table = Table.grid(padding=(0, 2))
    table.add_row("search", Text(resource.metadata.name, style="bold"))
    table.add_row("phase", Text(status.phase, style=STYLES.get(status.phase, "bold cyan")))
    if status.stalled is not None:
        # What is wrong and what to do stands in the verdict below.
        table.add_row("stalled", status.stalled.reason)
    if status.baselines and not status.candidates:
        table.add_row("baselines", f"{rows.scored_of(status.baselines)} scored")
    if status.candidates:
        _add_candidates(table, resource, status)
    if provable := can_prove(resource):
        table.add_row("can prove", Text(provable))
    going = in_flight(status)
    if going and held:
        table.add_row("in flight", Text(going))
    elif going:
        table.add_row("was in flight", Text(going))
    for line in [*(f"{name}: {STARTING}" for name in activity.starting), *activity.doing]:
        table.add_row("", Text(line, style="dim"))
    for line in best_lines(resource):
        table.add_row("", Text(line))
    left = time_left(resource)
    if left and held:
        table.add_row("time", left)
    return Group(table)


def _add_candidates(table: Table, resource: MergeSearch, status: MergeSearchStatus) -> None:
    population = status.algorithm.population_size if status.algorithm is not None else 0
    table.add_row("generation", f"{(status.candidates[-1].generation or 0) + 1} (population {population})")
    counts = status.counts
    done, total = counts.scored + counts.failed, resource.spec.search.max_evaluations
    scored = f"{words.scored(resource)} scored, {counts.failed} failed, {counts.retried} tried again"
    table.add_row("candidates", scored)
    if done:
        table.add_row("", ProgressBar(total=total, completed=done, width=40))


def in_flight(status: MergeSearchStatus) -> str:
    """What runs, or is about to; empty where nothing does."""
    return ", ".join(_in_flight(launch) for launch in status.launches)


def _in_flight(launch: Launch) -> str:
    some = ", ".join(launch.candidates[:SHOWN]) + (" …" if len(launch.candidates) > SHOWN else "")
    return f"{DOING.get(launch.stage, launch.stage)} {some}".strip()
