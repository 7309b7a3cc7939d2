"""Starts long-running programs and ends exactly those again, also when whoever started them has been killed meanwhile.

A program's command line is on disk before it starts, and its process id is written by itself before it becomes the
program. A process is taken for ours only if its command line is the recorded one: every command line names a file in
the cluster's own folder, so a process id that the system has given to another is never mistaken.
"""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.settings import ClusterError

_children: set[int] = set()
"""Started by this very process, which may end before them: they have to be waited for once they have ended."""

_BECOME = 'echo $$ > "$1.tmp" && mv "$1.tmp" "$1" && shift && exec "$@"'
"""A shell's program: note the process id, then become the command."""


@dataclass(frozen=True)
class Program:
    """One program of the cluster in `folder`, running or not."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        """Both output streams."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def _command(self) -> Path:
        return self.folder / "processes" / f"{self.name}.json"

    @property
    def _pid(self) -> Path:
        return self.folder / "processes" / f"{self.name}.pid"

    def start(self, command: Sequence[str], *, attached: bool = False, env: Mapping[str, str] | None = None) -> None:
        """Starts it unless it runs with this command line already.

        Args:
            command: The whole command line; the program by its absolute path.
            attached: It ends when the calling thread's process ends, however that does.
            env: Variables to add to the environment.
        """
        if self.running() is not None:
            if json.loads(self._command.read_text()) == list(command):
                return
            self.stop()
        for path in (self._command, self.log):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._pid.unlink(missing_ok=True)
        self._command.write_text(json.dumps(list(command)))
        leash = ["setpriv", "--pdeathsig", "KILL", "--"] if attached else []
        written = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", _BECOME, "sh", str(self._pid), *leash, *command],
            os.environ | dict(env or {}),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), written, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        _children.add(pid)

    def running(self) -> int | None:
        """Its process id, if it runs."""
        try:
            pid = int(self._pid.read_text())
            command = json.loads(self._command.read_text())
            actual = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if actual == [os.fsencode(word) for word in command] else None

    def stop(self, *, kill: bool = False, patience: float = 20) -> None:
        """Ends it, by force at once or after `patience` seconds; returns when it has ended."""
        pid = self.running()
        if pid is not None:
            _send(pid, signal.SIGKILL if kill else signal.SIGTERM)
            if not self._ended_within(pid, patience):
                _send(pid, signal.SIGKILL)
                if not self._ended_within(pid, 10):
                    raise ClusterError(f"{self.name} (process {pid}) does not end")
        self._pid.unlink(missing_ok=True)
        self._command.unlink(missing_ok=True)

    def _ended_within(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # An ending process loses its command line before it has given back its files and ports.
            if _is_over(pid):
                return True
            time.sleep(0.02)
        return False

    def tail(self, lines: int = 15) -> str:
        """The end of its log, for a message."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def exited(self) -> bool:
        """Whether it has noted its process id and is gone again: it will not come up by waiting."""
        if not self._pid.exists() or self.running() is not None:
            return False
        # The shell and setpriv have command lines of their own until they become the program.
        return _is_over(int(self._pid.read_text()))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for yet does not."""
    try:
        # The state follows the name, which may hold any character.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _is_over(pid: int) -> bool:
    """Whether a process has ended; a child of ours is waited for then, so that nothing of it is left."""
    if pid not in _children:
        return not is_alive(pid)
    ended, _ = os.waitpid(pid, os.WNOHANG)
    if ended:
        _children.discard(pid)
    return ended == pid


def recorded(folder: Path) -> list[Program]:
    """Every program that was started in this folder and not stopped, the last one first."""
    records = sorted((folder / "processes").glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [Program(folder, path.stem) for path in records]


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
