"""The system calls that Python does not offer, by ctypes: namespaces, mounts, capabilities, prctl. The standard library
only.

Each raises OSError with the call's name.
"""

import ctypes
import os
import platform

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000
MNT_DETACH = 2
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
AT_FDCWD = -100
AT_RECURSIVE = 0x8000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
CAPABILITIES_VERSION_3 = 0x2008_0522

SYSTEM_CALLS = {
    "x86_64": {"pivot_root": 155, "capset": 126, "mount_setattr": 442},
    "aarch64": {"pivot_root": 41, "capset": 91, "mount_setattr": 442},
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
MACHINE = platform.machine()


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


class _SocketFilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def unshare(flags: int) -> None:
    """Leave namespaces for new ones. (`os.unshare` comes with Python 3.12.)"""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount something, or change a mount."""
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _checked(_libc.mount(*arguments), f"mount {target}")


def mount_read_only(path: str, *, recursive: bool) -> None:
    """Make a mount, and with `recursive` all below it, read-only and free of devices and of set-user-ID programs."""
    wanted = _MountAttributes(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    flags = ctypes.c_uint(AT_RECURSIVE if recursive else 0)
    _call("mount_setattr", ctypes.c_int(AT_FDCWD), path.encode(), flags, ctypes.byref(wanted), size)


def become_root(folder: str) -> None:
    """Make a mounted folder the root of everything, and let go of all that was there before."""
    os.chdir(folder)
    # Both arguments the same: the old root lies below the new one, at the same place, and is taken away.
    _call("pivot_root", b".", b".")
    _checked(_libc.umount2(b".", ctypes.c_int(MNT_DETACH)), "umount2")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up what a user namespace gives to its first process."""
    header = _CapabilityHeader(CAPABILITIES_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _call("capset", ctypes.byref(header), ctypes.byref(nothing))


def prctl(option: int, value: int) -> None:
    """Change something about this process, as prctl does with one argument."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero), f"prctl {option}")


def install_filter(program: bytes) -> None:
    """Put a seccomp filter before all further system calls of this thread, for good."""
    # Eight bytes an instruction; ctypes would end a c_char_p at a zero byte only when it is read back.
    found = _SocketFilterProgram(len(program) // 8, program)
    pointer = ctypes.cast(ctypes.byref(found), ctypes.c_void_p)
    zero = ctypes.c_ulong(0)
    mode = ctypes.c_ulong(SECCOMP_MODE_FILTER)
    _checked(_libc.prctl(ctypes.c_int(PR_SET_SECCOMP), mode, pointer, zero, zero), "seccomp")


def _call(name: str, *arguments: object) -> None:
    number = SYSTEM_CALLS.get(MACHINE, {}).get(name)
    if number is None:
        raise OSError(f"{name}: not known for {MACHINE} machines")
    _checked(_libc.syscall(ctypes.c_long(number), *arguments), name)


def _checked(result: int, what: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
