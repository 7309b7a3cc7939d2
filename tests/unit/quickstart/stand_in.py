"""Light work for the builder's processes: writes a checkpoint's folder without training."""

import os
import signal
from pathlib import Path

from family import jobs, progress, worker, writing


def train(job: jobs.Job) -> None:
    """Leave a note of what was done, then publish a folder with one small file."""
    if not job.is_base:
        assert (job.out / job.family.base.name / "weights").exists(), "a fine-tune was begun before its base was there"
    with (job.out / "trained.log").open("a") as log:
        log.write(f"{job.run.name}\n")
    worker.send(progress.Progress(job.run.name, job.run.steps, 0.5))

    def fill(folder: Path) -> None:
        (folder / "weights").write_text(f"{job.digest}\n")

    writing.publish(job.folder, {"digest": job.digest}, fill)


def fail_on_sort(job: jobs.Job) -> None:
    """Train, but for one checkpoint that cannot be."""
    if job.run.name == "sort":
        message = "the sort checkpoint cannot be trained"
        raise ValueError(message)
    train(job)


def die_half_way(job: jobs.Job) -> None:
    """Be killed while the second checkpoint's folder is being written."""

    def fill(folder: Path) -> None:
        (folder / "weights").write_text("torn")
        os.kill(os.getpid(), signal.SIGKILL)

    if job.is_base:
        train(job)
    else:
        writing.publish(job.folder, {"digest": job.digest}, fill)


def warm() -> None:
    """Nothing to import."""
