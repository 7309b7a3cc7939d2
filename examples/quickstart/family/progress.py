"""Shows how far training has come: bars on a terminal, plain lines elsewhere. Decides nothing."""

import dataclasses
import sys
import time
from types import TracebackType
from typing import Protocol, Self

import rich.progress

from family import recipe


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far the training of one checkpoint has come; what worker processes send."""

    name: str
    step: int
    loss: float


class Display(Protocol):
    """What the builder tells a display; used as a context."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def cached(self, run: recipe.Run) -> None:
        """The checkpoint stands there already."""

    def moved(self, run: recipe.Run, event: Progress) -> None:
        """Some more steps are done."""

    def written(self, run: recipe.Run) -> None:
        """The checkpoint's folder is in place."""


class Bars:
    """One bar a checkpoint."""

    def __init__(self, runs: list[recipe.Run]) -> None:
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description:>13}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[note]}"),
            rich.progress.TimeElapsedColumn(),
        )
        self._ids = {run.name: self._bars.add_task(run.name, total=run.steps, start=False, note="") for run in runs}
        self._moving: set[str] = set()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def cached(self, run: recipe.Run) -> None:
        """Say that it was there before."""
        self._bars.update(self._ids[run.name], completed=run.steps, note="already there")

    def moved(self, run: recipe.Run, event: Progress) -> None:
        """Take note of the step and the loss."""
        if run.name not in self._moving:
            self._moving.add(run.name)
            self._bars.start_task(self._ids[run.name])
        self._bars.update(self._ids[run.name], completed=event.step, note=f"loss {event.loss:.3f}")

    def written(self, run: recipe.Run) -> None:
        """Say that it is done."""
        steps = self._bars.tasks[self._ids[run.name]].completed
        self._bars.update(self._ids[run.name], total=steps)  # a run may end before its last step
        self._bars.stop_task(self._ids[run.name])


class Lines:
    """One line a finished checkpoint: for logs and pipes."""

    def __init__(self, runs: list[recipe.Run]) -> None:
        self._left = len(runs)
        self._total = len(runs)
        self._began = time.monotonic()
        self._last: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def cached(self, run: recipe.Run) -> None:
        """Say that it was there before."""
        self._say(run, "already there")

    def moved(self, run: recipe.Run, event: Progress) -> None:
        """Take note of the step and the loss."""
        self._last[run.name] = event

    def written(self, run: recipe.Run) -> None:
        """Say that it is done."""
        last = self._last[run.name]
        self._say(run, f"trained: {last.step} steps, loss {last.loss:.3f}")

    def _say(self, run: recipe.Run, text: str) -> None:
        self._left -= 1
        elapsed = time.monotonic() - self._began
        print(f"[{self._total - self._left}/{self._total}] {elapsed:4.0f} s  {run.name}: {text}", flush=True)


def choose(runs: list[recipe.Run]) -> Display:
    """Bars if a person watches, lines if not."""
    return Bars(runs) if sys.stdout.isatty() else Lines(runs)
