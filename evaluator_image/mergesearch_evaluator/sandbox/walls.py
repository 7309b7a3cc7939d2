"""Walls around a program where no container is: a root that holds Python and an empty folder, and namespaces without a
network and without other processes. The standard library only.

    unshare   mounts, network, processes, IPC, host name; a user namespace first, unless we are root
    root      a tmpfs with read-only binds of the system's libraries and this Python, four devices, and /tmp, a tmpfs
              of a fixed size. No /proc, no /sys, no home, no volume
    fork      the child is the first process of its namespace: when it ends, the kernel ends all that is left there
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mergesearch_evaluator.sandbox import linux
from mergesearch_evaluator.sandbox.programs import Limits

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives")
"""What the libraries of Python may need, where it is there."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
SCRATCH = "/tmp"  # noqa: S108 - of a root of its own
START = f"{SCRATCH}/program"
"""Where a program finds itself: empty, which the folder above is not where this Python lies there."""
ENTRIES = 4096
"""Files and folders that the scratch folder may hold."""


def build(folder: Path, limits: Limits) -> None:
    """Go behind walls; the calling process goes on as the first of a namespace, in a root of its own whose scratch
    folder is the working directory. `folder` is an empty one to mount on. Raises OSError where the kernel forbids it.
    """
    # Nobody has to pass the folders that lead to what is shown. It holds for the program as well.
    os.umask(0o022)
    _unshare()
    linux.mount("none", "/", "none", linux.MS_REC | linux.MS_PRIVATE)
    bare = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("none", str(folder), "tmpfs", bare, "size=1m,nr_inodes=4096,mode=755")
    # First, since this Python may lie below /tmp itself.
    scratch = folder / SCRATCH[1:]
    scratch.mkdir()
    linux.mount("none", str(scratch), "tmpfs", bare, f"size={limits.scratch_bytes},nr_inodes={ENTRIES},mode=1777")
    start = folder / START[1:]
    start.mkdir()
    start.chmod(0o777)
    for source in _needed():
        _bind(source, folder)
    for device in DEVICES:
        _bind(Path(device), folder)
    linux.mount_read_only(str(folder), recursive=False)
    linux.become_root(str(folder))
    os.chdir(START)
    _become_first()


def _unshare() -> None:
    spaces = linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWPID | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        linux.unshare(spaces)
        return
    linux.unshare(spaces | linux.CLONE_NEWUSER)
    # Everybody stays who they are; nobody else is known there.
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{user} {user} 1")
    (own / "gid_map").write_text(f"{group} {group} 1")


def _needed() -> Iterator[Path]:
    """System folders and those of this Python, none inside another."""
    found: list[Path] = []
    for name in (*SYSTEM, sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix):
        path = Path(name)
        if path.exists() and not any(path.is_relative_to(other) for other in found):
            found.append(path)
            yield path


def _bind(source: Path, root: Path) -> None:
    """Show what lies outside at the same place inside."""
    target = root / source.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        # /lib is usr/lib on most systems, which is there already.
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir()
    else:
        target.touch()
    linux.mount(str(source), str(target), "none", linux.MS_BIND | linux.MS_REC)
    if source.is_dir():
        linux.mount_read_only(str(target), recursive=True)


def _become_first() -> None:
    """Go on in a child, the first process of the namespace; the parent ends as it does."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    linux.prctl(linux.PR_SET_PDEATHSIG, 9)
