"""Builds the family in a folder: skips what stands there already, trains the base, then the fine-tunes side by side.

The parent imports neither torch nor transformers: if everything is there it is done in a second.
"""

import contextlib
import dataclasses
import fcntl
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import process
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Final

from family import jobs, progress, recipe, worker, writing

LOCK: Final = ".training.lock"
POLL_SECONDS: Final = 0.1


class BusyError(Exception):
    """Another process is building into the same folder."""


class WorkerDiedError(Exception):
    """A worker process ended without a word: killed, or out of memory."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What worker processes run: importable functions. Tests pass light ones."""

    train: Callable[[jobs.Job], None] = worker.train
    warm: Callable[[], None] = worker.warm


def build(
    family: recipe.Recipe,
    out: Path,
    *,
    seed: int,
    workers: int,
    display: progress.Display,
    work: Work = Work(),
) -> list[str]:
    """Make `out` hold the base and every fine-tune of the recipe; return the names of those that were trained.

    Raises:
        BusyError: another process is at it.
        WorkerDiedError: a worker process was killed; what is finished stays.
        writing.ForeignFolderError: a folder stands in the way that this script did not write.
    """
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out), display:
        writing.remove_unfinished(out)
        wanted = [jobs.Job(family, run, seed, out) for run in (family.base, *family.tunes)]
        missing = [job for job in wanted if writing.recorded_digest(job.folder) != job.digest]
        for job in wanted:
            if job not in missing:
                display.cached(job.run)
        if missing:
            _train(missing, workers, display, work)
    return [job.run.name for job in missing]


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    with (out / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"{out} is being written by another process: wait for it, or choose another --out"
            raise BusyError(message) from error
        yield


def _train(missing: Sequence[jobs.Job], workers: int, display: progress.Display, work: Work) -> None:
    context = multiprocessing.get_context("spawn")
    events: SimpleQueue[progress.Progress] = context.SimpleQueue()
    # The longest first, so that the workers end at about the same time.
    tunes = sorted((job for job in missing if not job.is_base), key=lambda job: -job.run.steps)
    with futures.ProcessPoolExecutor(workers, context, initializer=worker.start, initargs=(events,)) as pool:
        try:
            base = {pool.submit(work.train, job): job for job in missing if job.is_base}
            for _ in range(workers - len(base)):
                pool.submit(work.warm)
            _follow(base, events, display)
            _follow({pool.submit(work.train, job): job for job in tunes}, events, display)
        except process.BrokenProcessPool as error:
            message = "a worker process was killed (out of memory?); what is finished stays, run the same command again"
            raise WorkerDiedError(message) from error
        except BaseException:
            # Interrupted, or one run failed: what the others are doing will be done again, so do not wait for it.
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _follow(
    running: dict["futures.Future[None]", jobs.Job], events: "SimpleQueue[progress.Progress]", display: progress.Display
) -> None:
    """Show the events until all the jobs have ended; raises what a worker raised."""
    runs = {job.run.name: job.run for job in running.values()}
    while running:
        done, _ = futures.wait(running, timeout=POLL_SECONDS, return_when=futures.FIRST_COMPLETED)
        # A worker's put has reached the pipe before its result does, so this shows all that the finished ones sent.
        while not events.empty():
            event = events.get()
            display.moved(runs[event.name], event)
        for future in done:
            future.result()
            display.written(running.pop(future).run)
