"""Keeps resident child processes in line with the launches that ought to exist, and says what became of them.

It decides nothing about the search: it starts what is wanted, ends what is not, and observes. One merger serves all
mergers' launches, one evaluator each slot of the parallelism.
"""

import os
import queue
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mergesearch.contract import Exit, Report
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.children import Child
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild
from mergesearch.reasons import Reason
from mergesearch.worker import PARENT_VARIABLE
from mergesearch_cli.worker import Said, Worker


def _console_script(module: str) -> tuple[str, ...]:
    """What the console script of an entry point does, in this interpreter; -P keeps the current folder off the path."""
    return (sys.executable, "-P", "-c", f"import sys; from {module} import main; sys.exit(main())")


@dataclass(frozen=True)
class Commands:
    """The entry points of the images; `--serve` and the volumes are added."""

    merger: tuple[str, ...] = _console_script("mergesearch_merger.main")
    evaluator: tuple[str, ...] = _console_script("mergesearch_evaluator.main")


@dataclass
class _Task:
    """One launch in the hands of the runner."""

    child: Child
    worker: Worker | None = None
    reports: list[Report] = field(default_factory=list)
    exit: Exit | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: str = ""

    @property
    def state(self) -> ChildState:
        if self.exit is not None:
            return ChildState.ENDED
        return ChildState.PENDING if self.worker is None else ChildState.RUNNING


@dataclass(frozen=True)
class Activity:
    """What the children are doing, for people."""

    starting: tuple[str, ...] = ()
    """Workers whose processes have work and have not said anything yet."""
    doing: tuple[str, ...] = ()
    """What the others say they do."""


class Runner:
    """The child processes of one run."""

    def __init__(self, commands: Commands, volumes: Mapping[str, Path], logs: Path) -> None:
        self._commands = commands
        self._volumes = [f"--volume={name}={folder}" for name, folder in volumes.items()]
        self._logs = logs
        self._said: queue.Queue[Said] = queue.Queue()
        self._tasks: dict[int, _Task] = {}
        self._workers: dict[str, Worker] = {}
        self._up: set[int] = set()
        """Processes that have said something; until then they load their libraries."""

    def reconcile(self, wanted: Iterable[Child], parallelism: int) -> None:
        """End what is not wanted any more, take up what is new, and give work to whoever is free."""
        by_launch = {child.launch.number: child for child in wanted}
        for number in [number for number in self._tasks if number not in by_launch]:
            task = self._tasks.pop(number)
            if task.worker is not None and task.exit is None:
                task.worker.kill()
        for number, child in by_launch.items():
            self._tasks.setdefault(number, _Task(child))
        for task in self._tasks.values():
            if task.worker is None:
                task.worker = self._free(task.child, parallelism)
                if task.worker is not None:
                    task.started_at = datetime.now(UTC)
                    task.worker.give(task.child.request)

    def observe(self) -> Observed:
        """All children as they are now."""
        return Observed(
            children=tuple(
                ObservedChild(
                    launch=number,
                    state=task.state,
                    reports=tuple(task.reports),
                    exit=task.exit,
                    started_at=task.started_at,
                    ended_at=task.ended_at,
                )
                for number, task in self._tasks.items()
            )
        )

    def wait(self, seconds: float) -> None:
        """Return when something was heard from a child, or after so many seconds."""
        until = time.monotonic() + seconds
        while True:
            try:
                self._hear(self._said.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
            if self._said.empty():
                break
        self._end_dead()
        self._end_overdue()

    def activity(self) -> Activity:
        """What the children are doing."""
        running = [task for task in self._tasks.values() if task.worker is not None and task.exit is None]
        silent = [task.worker.name for task in running if task.worker and task.worker.process not in self._up]
        return Activity(starting=tuple(silent), doing=tuple(task.progress for task in running if task.progress))

    def stop(self) -> None:
        """End every process."""
        for worker in self._workers.values():
            worker.terminate()
        for worker in self._workers.values():
            worker.stop()

    def _free(self, child: Child, parallelism: int) -> Worker | None:
        kind, slots = ("evaluator", parallelism) if child.evaluator else ("merger", 1)
        busy = {task.worker.name for task in self._tasks.values() if task.worker is not None and task.exit is None}
        name = next((name for slot in range(slots) if (name := f"{kind}-{slot}") not in busy), None)
        if name is None:
            return None
        if name not in self._workers:
            self._workers[name] = self._worker(name, kind, parallelism)
        return self._workers[name]

    def _worker(self, name: str, kind: str, parallelism: int) -> Worker:
        command = self._commands.evaluator if kind == "evaluator" else self._commands.merger
        # Evaluators side by side share the cores: two with one thread each beat one with two on small models.
        threads = max(1, (os.cpu_count() or 1) // (parallelism if kind == "evaluator" else 1))
        environment = {
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
            "MERGESEARCH_WRITER": "",
            PARENT_VARIABLE: str(os.getpid()),
        }
        return Worker(name, [*command, "--serve", *self._volumes], environment, self._logs / f"{name}.log", self._said)

    def _hear(self, said: Said) -> None:
        working = (task for task in self._tasks.values() if task.worker is said.worker and task.exit is None)
        task = next(working, None)
        if task is None or said.process != said.worker.process:
            return
        if said.answer is not None:
            self._up.add(said.process)
        if said.answer is None:
            self._end(task, said.worker.end_of_process())
        elif said.answer.report is not None:
            task.reports.append(said.answer.report)
        elif said.answer.exit is not None:
            self._end(task, said.answer.exit)
        else:
            task.progress = said.answer.progress or ""

    def _end_dead(self) -> None:
        """A process may end and its output not, where something that it started holds the pipe. What it said counts."""
        for task in self._tasks.values():
            if task.worker is None or task.exit is not None or not task.worker.has_died:
                continue
            how = task.worker.end_of_process()
            while not self._said.empty():
                self._hear(self._said.get())
            if task.exit is None:
                self._end(task, how)

    def _end_overdue(self) -> None:
        now = datetime.now(UTC)
        for task in self._tasks.values():
            limit = timedelta(seconds=task.child.deadline_seconds)
            if task.worker is not None and task.exit is None and task.started_at and now - task.started_at > limit:
                task.worker.kill()
                message = f"{task.child.name}: not done after activeDeadlineSeconds = {task.child.deadline_seconds}"
                self._end(task, Exit(code=ExitCode.TRANSIENT, reason=Reason.DEADLINE_EXCEEDED, message=message))

    def _end(self, task: _Task, how: Exit) -> None:
        task.exit, task.ended_at = how, datetime.now(UTC)
