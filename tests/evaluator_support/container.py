"""A stand-in for the sandbox container of a pod, for tests that run as root: the sandbox's server behind what a
container runtime puts around it. `python container.py FOLDER` finds the socket in FOLDER. With a further word, the
programs get walls of their own, as on a machine where an ordinary user runs the search.

A mount namespace without the volumes, of which FOLDER and the code are read-only; namespaces of processes and of IPC;
/proc, /tmp and /dev/shm; a user without rights. The network is that of the pod.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import mergesearch
import mergesearch_evaluator
from mergesearch_evaluator.sandbox import linux, server, walls

USER = 61436 + os.getpid() % 4096
"""Each its own, as the operator gives them to pods."""
SOCKET = "socket"
MOUNT = "sandbox"
SCRATCH = "scratch"
WALLED = """
import socket, sys, time
from mergesearch_evaluator.sandbox import programs, runner
with socket.socket(socket.AF_UNIX) as connection:
    while connection.connect_ex(sys.argv[1]):
        time.sleep(0.1)
    with connection.makefile("rwb") as stream:
        for line in stream:
            stream.write(programs.answer(runner.run(*programs.asked(line), own_walls=True)))
            stream.flush()
"""


def main() -> None:
    shared = Path(sys.argv[1])
    code = [Path(package.__path__[0]).parent for package in (mergesearch, mergesearch_evaluator)]
    root = Path(tempfile.mkdtemp())
    try:
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC)
        linux.mount("none", "/", "none", linux.MS_REC | linux.MS_PRIVATE)
        bare = linux.MS_NOSUID | linux.MS_NODEV
        linux.mount("none", str(root), "tmpfs", bare, "mode=755")
        # First, since this Python and the code may lie below /tmp themselves; so programs get a folder of their own.
        for name in ("tmp", SCRATCH, "dev/shm"):
            (root / name).mkdir(parents=True)
            linux.mount("none", str(root / name), "tmpfs", bare, "mode=1777,size=64m")
        for source in (*walls._needed(), *code, *map(Path, walls.DEVICES)):
            walls._bind(source, root)
        linux.mount_read_only(str(root / "tmp"), recursive=False)
        (root / MOUNT).mkdir()
        linux.mount(str(shared), str(root / MOUNT), "none", linux.MS_BIND)
        linux.mount_read_only(str(root / MOUNT), recursive=False)
        (root / "proc").mkdir()
        linux.mount_read_only(str(root), recursive=False)
        pid = os.fork()
        if pid:
            # What ends this process ends the container.
            _, status = os.waitpid(pid, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        linux.mount("proc", str(root / "proc"), "proc", bare)
        linux.become_root(str(root))
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
        # Not before: a change of the user takes it away.
        linux.prctl(linux.PR_SET_PDEATHSIG, 9)
        environment = {"PATH": "/usr/bin", "HOME": f"/{SCRATCH}", "TMPDIR": f"/{SCRATCH}"}
        what = ["-c", WALLED] if len(sys.argv) > 2 else ["-m", server.__name__]
        command = [sys.executable, *what, f"/{MOUNT}/{SOCKET}"]
        os.execve(command[0], command, environment)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
