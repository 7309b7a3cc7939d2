"""One resident child process: an image's entry point with `--serve`, given one request at a time.

A thread reads its answers and puts them into the shell's queue; nothing here decides anything.
"""

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mergesearch.contract import Answer, Exit, Request
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.step import clip
from mergesearch.reasons import Reason

LOG_TAIL_LINES = 5
LOG_TAIL_BYTES = 4000
SHOWN_CHARACTERS = 120
"""Of a line that is no answer."""
STOP_SECONDS = 5.0
"""How long a child that is asked to end may take before it is killed."""
PIPE_SECONDS = 1.0
"""How long the last words of a child that has ended may take to be read."""


@dataclass(frozen=True)
class Said:
    """An answer of a child to the request that it works on, or the end of its output where `answer` is None."""

    worker: "Worker"
    process: int
    """Its process id: a process that was ended may still be heard after its successor has started."""
    answer: Answer | None


class Worker:
    """A child process that is started when it is first needed, and again after it has died."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, said: "queue.Queue[Said]"
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._log = log
        self._said = said
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._not_understood = ""
        """The line of its output for which the process was ended."""

    @property
    def process(self) -> int | None:
        """Id of the process that runs, or ran last."""
        return self._process.pid if self._process is not None else None

    @property
    def has_died(self) -> bool:
        """Whether the process has ended, even if something else still holds its output open."""
        return self._process is not None and self._process.poll() is not None

    def give(self, request: Request) -> None:
        """Send a request, starting the process where there is none."""
        process = self._process
        if process is not None and process.poll() is not None:
            # It has died while it had nothing to do.
            self._release()
            process = None
        if process is None:
            process = self._start()
        assert process.stdin is not None
        # A process that dies right now is noticed by its reader.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(request.to_json() + "\n")
            process.stdin.flush()

    def end_of_process(self) -> Exit:
        """How the process ended, with the tail of its log; waits for it, and a moment for the end of its output."""
        assert self._process is not None
        code = self._process.wait()
        self._release()
        tail = self._tail()
        if self._not_understood:
            message = f"{self.name}: ended, since it printed what is no answer: {self._not_understood}{tail}"
            return Exit(code=ExitCode.TRANSIENT, reason=Reason.PROCESS_DIED, message=message)
        if code < 0:
            how = f"killed by {signal.Signals(-code).name}"
            return Exit(code=128 - code, reason=Reason.PROCESS_DIED, message=f"{self.name}: {how}{tail}")
        return Exit(
            code=code or ExitCode.TRANSIENT,
            reason=Reason.PROCESS_DIED,
            message=f"{self.name}: ended with exit code {code} in the middle of a request{tail}",
        )

    def kill(self) -> None:
        """End the process at once; its request is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._release()

    def terminate(self) -> None:
        """Ask the process to end, without waiting for it."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.terminate()

    def stop(self) -> None:
        """End the process well: at the end of its input, or asked by SIGTERM, or killed."""
        process = self._process
        if process is None:
            return
        self.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._release()

    def _release(self) -> None:
        """Close what belongs to a process that has ended, so that its reader ends too."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._reader is not None:
            # A grandchild that holds the pipe must not hold the search.
            self._reader.join(PIPE_SECONDS)

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                text=True,
                encoding="utf-8",
                # What is no UTF-8 is no answer either, and is told as such.
                errors="backslashreplace",
            )
        self._not_understood = ""
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()
        return process

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            self._hear(process, lines)
        self._said.put(Said(self, process.pid, None))

    def _hear(self, process: subprocess.Popen[str], lines: Iterable[str]) -> None:
        for line in lines:
            try:
                answer = Answer.model_validate_json(line)
            except ValidationError:
                # Nobody knows any more which request it answers: its end is what counts.
                self._not_understood = repr(clip(line.rstrip("\n"), SHOWN_CHARACTERS))
                process.kill()
                return
            self._said.put(Said(self, process.pid, answer))

    def _tail(self) -> str:
        """The last lines of the log, for a message."""
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - LOG_TAIL_BYTES))
            lines = deque(log.read().decode(errors="replace").splitlines(), maxlen=LOG_TAIL_LINES)
            return "".join(f" | {line.strip()}" for line in lines if line.strip())
        return ""
