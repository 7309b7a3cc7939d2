"""What a worker process does: train one checkpoint and write its folder. Torch is imported with the first job only."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Final

from family import jobs, progress, recipe, writing

REPORT_EVERY: Final = 10  # steps

_events: list["SimpleQueue[progress.Progress]"] = []  # filled once, when the process starts


def start(events: "SimpleQueue[progress.Progress]") -> None:
    """Prepare a fresh worker: where to report, and to leave when the parent is gone, however it went."""
    _events.append(events)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def send(event: progress.Progress) -> None:
    """Tell the parent, if there is one: outside a worker process nobody listens."""
    for events in _events:
        events.put(event)


def warm() -> None:
    """Pay the imports while another worker trains the base."""
    from family import training

    training.settle()


def train(job: jobs.Job) -> None:
    """Train the checkpoint of the job and publish its folder."""
    from family import training

    training.settle()
    if job.is_base:
        model = training.new_model(job.family.shape, recipe.derived_seed(job.seed, "weights"))
    else:
        model = training.load_model(job.out / job.family.base.name)

    def report(step: int, loss: float) -> None:
        if step % REPORT_EVERY == 0:
            send(progress.Progress(job.run.name, step, loss))

    steps, loss = training.train(model, job.run, job.seed, report)
    send(progress.Progress(job.run.name, steps, loss))
    record: dict[str, object] = {
        "digest": job.digest,
        "name": job.run.name,
        "seed": job.seed,
        "steps": steps,
        "mixture": dict(zip(recipe.TASKS, job.run.mixture, strict=True)),
        "loss": round(loss, 6),
    }

    def fill(folder: Path) -> None:
        training.save(model, folder, job.family.shape)

    writing.publish(job.folder, record, fill)
