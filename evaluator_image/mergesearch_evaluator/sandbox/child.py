"""Runs one program: `python -m mergesearch_evaluator.sandbox.child`, the job on standard input, the verdict on standard
output. The standard library only.

    this process       builds walls if there are none, forks, keeps the time, gives the verdict
    └── the program    loses its rights, gets its limits and the filter, says "ready", and runs the text

The program tells its parent that it has come to its end by a word that was made for it alone: whatever it prints, and
however it leaves before, it has failed.
"""

import contextlib
import os
import resource
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mergesearch_evaluator.sandbox import filters, linux, programs, walls
from mergesearch_evaluator.sandbox.programs import Job, Limits, Outcome, Verdict

NOBODY = 65534
"""User and group of programs that root starts."""
START_SECONDS = 60.0
"""How long the last steps before a program may take on a machine that has no time for us."""
POLL_SECONDS = 0.005
WORDS_BYTES = 4096
STACK_BYTES = 8 << 20
CHANNEL = 3
"""The program's file descriptor for what it says to its parent."""


@dataclass
class Heard:
    """What a program has said, line by line."""

    text: bytes = b""
    closed: bool = False

    @property
    def words(self) -> dict[str, str]:
        """The first word of each whole line, and the rest of it."""
        lines = self.text.decode("utf-8", "replace").split("\n")[:-1]
        return {first: rest for first, _, rest in (line.partition(" ") for line in lines)}


def main() -> int:
    """Run the process; returns its exit code, which says nothing."""
    job = programs.given(sys.stdin.buffer.read())
    try:
        if job.own_walls:
            walls.build(Path(job.folder), job.limits)
        else:
            os.chdir(job.folder)
        verdict = judge(job)
    except (OSError, ValueError) as error:
        verdict = Verdict(Outcome.REFUSED, str(error))
    os.write(1, programs.answer(verdict))
    return 0


def judge(job: Job) -> Verdict:
    """Run the program in a child, and say what became of it. Raises OSError."""
    # This process has no filter and, in a container, the program's user: nobody may look into it or write to it.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    word = os.urandom(16).hex()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(job, theirs, word)
    os.close(theirs)
    heard = Heard()
    in_time = _listen(pid, ours, heard, job.limits)
    try:
        os.kill(pid, signal.SIGKILL)
    finally:
        _, status, used = os.wait4(pid, 0)
    seconds = used.ru_utime + used.ru_stime
    return conclude(heard.words, word, in_time=in_time, status=status, cpu_seconds=seconds, limits=job.limits)


def conclude(
    words: dict[str, str], word: str, *, in_time: bool, status: int, cpu_seconds: float, limits: Limits
) -> Verdict:
    """The verdict on a program that has ended, or was ended; pure."""
    if "ready" not in words:
        if "refused" in words:
            return Verdict(Outcome.REFUSED, words["refused"])
        return Verdict(Outcome.LOST, f"it did not start within {START_SECONDS:.0f} s, or was killed before")
    if words.get("passed") == word:
        return Verdict(Outcome.PASSED)
    if {"passed", "failed"} & set(words):
        return Verdict(Outcome.FAILED, words.get("failed", "claims to have passed"))
    return _silent(status, in_time=in_time, cpu_seconds=cpu_seconds, limits=limits)


def _silent(status: int, *, in_time: bool, cpu_seconds: float, limits: Limits) -> Verdict:
    """The verdict on a program that began and did not say how it ended."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if not in_time:
        return Verdict(Outcome.TIMED_OUT, f"{limits.wall_seconds:g} s by the clock")
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu_seconds >= limits.cpu_seconds):
        return Verdict(Outcome.TIMED_OUT, f"{limits.cpu_seconds} s of processor time")
    if number == signal.SIGKILL:
        # It cannot have done that itself: the filter forbids it.
        return Verdict(Outcome.LOST, "the program was killed from outside: is the machine short of memory?")
    if number:
        return Verdict(Outcome.FAILED, f"died of {_name(number)}")
    return Verdict(Outcome.FAILED, f"left with exit code {os.waitstatus_to_exitcode(status)} before its end")


def become(job: Job, channel: int, word: str) -> NoReturn:
    """Become the program. Never returns, whatever happens: the caller's process is another one."""
    # Kept, because the program may put anything into the place of what it finds in a module.
    say, leave = os.write, os._exit
    try:
        os.dup2(channel, CHANNEL)
        try:
            _let_go(job.limits)
        except (OSError, ValueError) as error:
            say(CHANNEL, f"refused {programs.clipped(str(error))}\n".encode())
            leave(1)
        say(CHANNEL, b"ready\n")
        say(CHANNEL, f"{_ended(job.program, word)}\n".encode("utf-8", "replace"))
    finally:
        leave(1)


def _ended(program: str, word: str) -> str:
    try:
        # With nothing in its globals, as HumanEval's harness does it: `__name__` is not "__main__".
        exec(compile(program, "<program>", "exec", dont_inherit=True), {})  # noqa: S102 - what all this is for
    except BaseException as error:  # noqa: BLE001 - SystemExit is an end before the end, too
        return f"failed {_said(error)}"
    return f"passed {word}"


def _let_go(limits: Limits) -> None:
    """Lose everything that a program needs not."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(CHANNEL + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if os.geteuid() == 0:
        _become_nobody()
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, limits.threads),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (_least(kind, most)[0],) * 2)
    resource.setrlimit(resource.RLIMIT_STACK, _least(resource.RLIMIT_STACK, STACK_BYTES))
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    # SIGXCPU first, and SIGKILL for those who do not listen. A fork begins at nought.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    linux.install_filter(filters.build(linux.MACHINE, os.getpid()))


def _become_nobody() -> None:
    """Lose root's rights, and be a nobody whose threads are counted apart from those of the nobodies beside it."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    # The kernel counts what a user has by user namespace. Before any limit is set, because the one that stands now is
    # what all of them may have together. Where it is forbidden, programs that run at the same time share their limit.
    with contextlib.suppress(OSError):
        linux.unshare(linux.CLONE_NEWUSER)


def _least(kind: int, most: int) -> tuple[int, int]:
    """A limit as it may be set: what is wanted, or less where the machine allows less; and the hard one that stands."""
    hard = resource.getrlimit(kind)[1]
    return (most if hard == resource.RLIM_INFINITY else min(most, hard)), hard


def _listen(pid: int, channel: int, heard: Heard, limits: Limits) -> bool:
    """Hear the program until it ends, or says how it ended; False where the time was up before. The clock starts anew
    when the program is ready.
    """
    deadline, ready = time.monotonic() + START_SECONDS, False
    while True:
        words = set(heard.words)
        if not ready and "ready" in words:
            deadline, ready = time.monotonic() + limits.wall_seconds, True
        if words & ({"passed", "failed"} if ready else {"refused"}):
            return True
        left = deadline - time.monotonic()
        if heard.closed:
            # It is at its end, or has only closed what it could close.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            if left <= 0:
                return False
            time.sleep(min(POLL_SECONDS, left))
        elif select.select([channel], [], [], max(0.0, left))[0]:
            # What it says after its first words does not count, and takes no memory here.
            said = os.read(channel, WORDS_BYTES)
            heard.text, heard.closed = (heard.text + said)[: 2 * WORDS_BYTES], not said
        else:
            return False


def _said(error: BaseException) -> str:
    name = type(error).__name__
    try:
        return programs.clipped(f"{name}: {error}")
    except BaseException:  # noqa: BLE001 - a program may define how its errors are printed
        return name


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


if __name__ == "__main__":
    sys.exit(main())
