"""Where the evaluator takes programs: to the sandbox container of its pod, or to a child process on this machine.

A pod names the socket in SANDBOX_VARIABLE. The evaluator listens there for one connection, the sandbox's, and takes no
other: if that breaks, nobody knows what a program has done to the sandbox, and the whole evaluation is tried again in
a new pod.
"""

import contextlib
import functools
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from mergesearch.errors import InvalidRequestError, TryAgainError
from mergesearch.reasons import Reason
from mergesearch.worker import SANDBOX_VARIABLE
from mergesearch_evaluator.sandbox import programs, runner
from mergesearch_evaluator.sandbox.programs import Limits, Outcome, Verdict

CONNECT_SECONDS = 60.0
"""How long a sandbox container, which starts before the evaluator, may not be there."""
ANSWER_SECONDS = 120.0
"""How long a verdict may take beyond the program's own time."""


class Sandbox(Protocol):
    """Runs programs."""

    def run(self, program: str, limits: Limits) -> Verdict:
        """What became of the program; `Outcome.LOST` where the sandbox broke."""


class LocalSandbox:
    """Every program in a child process behind walls of its own, on this machine."""

    def run(self, program: str, limits: Limits) -> Verdict:
        """Raises nothing."""
        return runner.run(program, limits, own_walls=True)


class SandboxContainer:
    """The other container of this pod."""

    def __init__(self, path: Path, *, connect_seconds: float = CONNECT_SECONDS) -> None:
        self._path = path
        self._connect_seconds = connect_seconds
        self._connection: socket.socket | None = None
        self._stream: BinaryIO | None = None
        self._lost = ""

    def run(self, program: str, limits: Limits) -> Verdict:
        """Raises nothing; after the first loss every program is lost."""
        if not self._lost:
            try:
                return self._ask(program, limits)
            except (OSError, ValueError) as error:
                self._lost = str(error)
                self.close()
        return Verdict(Outcome.LOST, self._lost)

    def close(self) -> None:
        """Let the sandbox go."""
        for part in (self._stream, self._connection):
            if part is not None:
                with contextlib.suppress(OSError):
                    part.close()
        self._stream = self._connection = None

    def _ask(self, program: str, limits: Limits) -> Verdict:
        stream = self._stream or self._accept()
        assert self._connection is not None
        self._connection.settimeout(limits.wall_seconds + ANSWER_SECONDS)
        try:
            stream.write(programs.request(program, limits))
            stream.flush()
            line = stream.readline(programs.LONGEST_MESSAGE)
        except TimeoutError as error:
            raise OSError("the sandbox container does not answer") from error
        if not line.endswith(b"\n"):
            raise OSError("the sandbox container has ended in the middle of a program")
        return programs.verdict(line)

    def _accept(self) -> BinaryIO:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            # The sandbox has another user; whoever sees this folder is one of the two.
            self._path.chmod(0o666)
            listener.listen(1)
            listener.settimeout(self._connect_seconds)
            try:
                self._connection, _ = listener.accept()
            except TimeoutError as error:
                waited = f"the sandbox container has not connected to {self._path} for {self._connect_seconds:g} s"
                raise OSError(waited) from error
            finally:
                self._path.unlink()
        stream = self._stream = cast("BinaryIO", self._connection.makefile("rwb"))
        return stream


@functools.cache
def current() -> Sandbox:
    """The sandbox of this process."""
    path = os.environ.get(SANDBOX_VARIABLE)
    return SandboxContainer(Path(path)) if path else LocalSandbox()


def judge(program: str, sandbox: Sandbox | None = None, limits: Limits = Limits()) -> Verdict:  # noqa: B008 - frozen
    """What became of a program that was judged. Raises TryAgainError where the sandbox broke, and InvalidRequestError
    where it cannot be had: neither is an answer of the model.
    """
    verdict = (sandbox or current()).run(program, limits)
    if verdict.outcome is Outcome.LOST:
        raise TryAgainError(f"the sandbox for code has broken: {verdict.detail}", reason=Reason.SANDBOX_LOST)
    if verdict.outcome is Outcome.REFUSED:
        message = (
            f"code that a model wrote cannot be shut off on this machine: {verdict.detail}. Run the search on a "
            "cluster, or where this user may create namespaces (docs/operations.md, Tasks that run code)"
        )
        raise InvalidRequestError(message, reason=Reason.SANDBOX_REFUSED)
    return verdict


def check(hidden: Sequence[Path], sandbox: Sandbox | None = None) -> None:
    """Try whether the sandbox runs programs, stops them and shuts them off from the folders; raises like `judge`.

    A second or two; nothing is asked twice of one sandbox.
    """
    for name, program, limits, expected in _trials(hidden):
        verdict = judge(program, sandbox, limits)
        if verdict.outcome is not expected:
            message = f"the sandbox for code does not hold: {name}: {verdict.outcome.value} {verdict.detail}".rstrip()
            raise InvalidRequestError(message, reason=Reason.SANDBOX_REFUSED)


def _trials(hidden: Sequence[Path]) -> list[tuple[str, str, Limits, Outcome]]:
    shut_off = _SHUT_OFF.format(hidden=[str(path) for path in hidden])
    return [
        ("a program that is right", "assert 1 + 1 == 2", Limits(), Outcome.PASSED),
        ("a program that is wrong", "assert 1 + 1 == 3", Limits(), Outcome.FAILED),
        ("a program that sleeps", "import time; time.sleep(60)", Limits(wall_seconds=0.2), Outcome.TIMED_OUT),
        ("a program that looks around", shut_off, Limits(), Outcome.PASSED),
    ]


_SHUT_OFF = """
import os
for path in {hidden!r}:
    assert not os.path.exists(path), path + " is there"
import socket
for name, act in (("a process", os.fork), ("a socket", socket.socket)):
    try:
        act()
    except OSError:
        continue
    raise AssertionError(name + " can be made")
assert os.geteuid() != 0, "it runs as root"
"""
