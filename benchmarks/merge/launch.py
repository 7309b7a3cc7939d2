"""Runs one command and writes down what it took, as JSON. Standard library only, and small: the kernel counts the
memory of whoever starts a process among the process's own peak.

    python -I -S launch.py RESULT LOG COMMAND...
"""

import json
import os
import select
import sys
import time

SAMPLE_MILLISECONDS = 50
"""How often the private memory is looked at; the peak of all resident memory is the kernel's own and needs no looks."""


def main() -> None:
    """Run, measure, write."""
    result, log, *command = sys.argv[1:]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    redirect = [(os.POSIX_SPAWN_DUP2, descriptor, 1), (os.POSIX_SPAWN_DUP2, descriptor, 2)]
    busy = busy_seconds()
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=redirect)
    private = _wait(pid)
    seconds = time.monotonic() - began
    # It has ended but is not reaped: its counters are final, and still there.
    counters = _io(pid)
    _, status, usage = os.wait4(pid, 0)
    others = busy_seconds() - busy - usage.ru_utime - usage.ru_stime
    document = {
        "exit": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
        "private_bytes": private,
        "others_share": max(others, 0.0) / seconds / len(os.sched_getaffinity(0)),
        **counters,
    }
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib alone would double the imports
        json.dump(document, file)


def busy_seconds() -> float:
    """Of all processors since the machine started, whoever kept them busy."""
    with open("/proc/stat", encoding="utf-8") as file:  # noqa: PTH123
        user, nice, system, _idle, _waiting, *interrupts = file.readline().split()[1:9]
    return sum(map(int, (user, nice, system, *interrupts))) / os.sysconf("SC_CLK_TCK")


def _wait(pid: int) -> int:
    """Until the process has ended, without reaping it. Returns the most private memory that was seen."""
    poll = select.poll()
    poll.register(os.pidfd_open(pid), select.POLLIN)
    most = 0
    while not poll.poll(SAMPLE_MILLISECONDS):
        most = max(most, _private(pid))
    return most


def _private(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def _io(pid: int) -> dict[str, int]:
    with open(f"/proc/{pid}/io", encoding="utf-8") as file:  # noqa: PTH123
        pairs = [line.split(":") for line in file]
    return {name: int(value) for name, value in pairs if name in ("rchar", "wchar", "read_bytes", "write_bytes")}


if __name__ == "__main__":
    main()
