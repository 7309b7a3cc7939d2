"""A program on the worker's frame, for tests with real processes: what it does with a candidate is the candidate's
name.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mergesearch import contract, errors, reasons, worker


def _write_to_standard_output() -> None:
    print("printed")
    sys.stdout.write("written without a line's end")
    os.write(1, b"written past Python\n")
    subprocess.run(["echo", "written by a child"], check=True)


def _fill_the_disk() -> None:
    Path("/dev/full").write_bytes(b"x")


def _run_out_of_memory() -> None:
    raise MemoryError


def _crash() -> None:
    raise RuntimeError("something nobody foresaw")


def _read_a_report_that_is_none() -> None:
    contract.REPORT.validate_json("{}")


def _refuse() -> None:
    raise errors.InvalidRequestError("sft-03: not there", reason=reasons.Reason.CHECKPOINT_MISSING)


def _wait() -> None:
    while True:
        time.sleep(1)


def _swallow_every_error() -> None:
    with contextlib.suppress(Exception):
        _wait()
    _wait()


def _tidy_up_at_leisure() -> None:
    try:
        _wait()
    finally:
        time.sleep(0.5)


BEHAVIOURS: dict[str, Callable[[], None]] = {
    "noisy": _write_to_standard_output,
    "full": _fill_the_disk,
    "hungry": _run_out_of_memory,
    "crash": _crash,
    "misread": _read_a_report_that_is_none,
    "refused": _refuse,
    "waits": _wait,
    "swallows": _swallow_every_error,
    "tidies-up": _tidy_up_at_leisure,
}
FAILURES = {
    "invalid": contract.Failure(reason=reasons.Reason.NON_FINITE_WEIGHTS, message="3 NaN"),
    "unlucky": contract.Failure(reason=reasons.Reason.ENGINE_FAILED, message="engine died", transient=True),
    "long": contract.Failure(reason=reasons.Reason.NON_FINITE_WEIGHTS, message="ß" * 2000),
}


def handle(request: contract.Request, volumes: worker.Volumes, emit: worker.Emit, progress: worker.Progress) -> None:
    """Behave as each candidate is called, and report it."""
    assert isinstance(request, contract.MergeRequest)
    for candidate in request.candidates:
        progress(f"now {candidate.id}")
        BEHAVIOURS.get(candidate.id, lambda: None)()
        if candidate.id == "looks":
            progress(str(volumes.resolve(request.checkpoints[0].location)))
        emit(
            contract.MergeReport(
                version=1,
                candidate=candidate.id,
                request_hash=request.hash_of(candidate),
                failure=FAILURES.get(candidate.id),
            )
        )


if __name__ == "__main__":
    sys.exit(worker.run("worker-program", handle))
