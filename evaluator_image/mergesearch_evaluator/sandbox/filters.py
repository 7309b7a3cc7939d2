"""The system calls that a program may not make, as a seccomp filter; pure. The standard library only.

It is a list of what is forbidden: what no answer to a programming question needs, and would let it reach the network,
other processes, or what outlives it. Everything else is bounded by limits and walls. Without a second process there is
nothing to kill, to wait for or to count, and memory and processor time of one process are all that it has.

A filter is a program of the classic Berkeley packet filter over (number, architecture, arguments) of a call; see
seccomp(2) and linux/filter.h.
"""

import errno
import signal
import struct
from collections.abc import Iterator

FORBIDDEN = {
    # A second process, or another program in this one.
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    # Networks. A pair of connected sockets is allowed: event loops wake themselves by one. See `_rules`.
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendmmsg": (307, 269),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # Other processes of the same user.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setrlimit": (160, 164),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # Out of the group that is killed as a whole.
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # Memory that no limit counts, and what outlives the process.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Namespaces, mounts, and the parts of the kernel with a history.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "personality": (135, 92),
}
"""Numbers on x86_64 and on aarch64."""
ASKED = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "socketpair": (53, 199),
    "sendto": (44, 206),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
}
"""What depends on its arguments."""
MACHINES = ("x86_64", "aarch64")
ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
X32 = 0x4000_0000
"""The bit of a second table of numbers on x86_64."""
CLONE_THREAD = 0x1_0000
LOCAL = 1
"""AF_UNIX: the one family whose pairs reach nothing but each other."""
STREAMS = (0x1, 0x801, 0x8_0001, 0x8_0801)
"""SOCK_STREAM, not waiting, closed by another program, both."""
FCNTL_SIGNALS = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: a file descriptor that sends any signal to any process of the user."""
IOCTL_SIGNALS = (0x8901, 0x8902, 0x5412)
"""FIOSETOWN and SIOCSPGRP, which do the same, and TIOCSTI, which types into a terminal."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
ALLOW, KILL = 0x7FFF_0000, 0x8000_0000
DENY = 0x0005_0000 | errno.EPERM
MISSING = 0x0005_0000 | errno.ENOSYS

Instruction = tuple[int, int, int, int]
"""Operation, instructions to skip if true, if false, operand."""


def build(machine: str, pid: int) -> bytes:
    """The filter for the process `pid` on a machine as `platform.machine()` names it. Raises ValueError."""
    if machine not in MACHINES:
        raise ValueError(f"no filter of system calls is known for {machine} machines, only for {', '.join(MACHINES)}")
    return b"".join(struct.pack("=HBBI", *one) for one in _instructions(machine, pid))


def _instructions(machine: str, pid: int) -> Iterator[Instruction]:
    column = MACHINES.index(machine)
    yield LOAD, 0, 0, ARCHITECTURE
    yield EQUAL, 1, 0, ARCHITECTURES[machine]
    yield RETURN, 0, 0, KILL
    yield LOAD, 0, 0, NUMBER
    if machine == "x86_64":
        yield AT_LEAST, 0, 1, X32
        yield RETURN, 0, 0, DENY
    for numbers in FORBIDDEN.values():
        number = numbers[column]
        if number is not None:
            yield EQUAL, 0, 1, number
            yield RETURN, 0, 0, DENY
    for name, rule in _rules(pid).items():
        yield EQUAL, 0, len(rule), ASKED[name][column]
        yield from rule
    yield RETURN, 0, 0, ALLOW


def _rules(pid: int) -> dict[str, list[Instruction]]:
    """What is decided by arguments; each rule ends with a return, whatever happens."""
    return {
        # A thread is a part of this process; everything else would be a second one.
        "clone": [_low(0), (ANY_BIT, 1, 0, CLONE_THREAD), (RETURN, 0, 0, DENY), (RETURN, 0, 0, ALLOW)],
        # Its flags lie in memory, where no filter can look; the C library then takes `clone`.
        "clone3": [(RETURN, 0, 0, MISSING)],
        "kill": _signal(pid, 1),
        "tgkill": _signal(pid, 2),
        # To read a limit is harmless, to set one is not: of another process, or its own processor time to nothing.
        "prlimit64": _null(2),
        # One of a pair of datagram sockets sends to whatever name it is told, out of a network namespace that is
        # shared as well. A stream sends to the other alone, also by `sendmsg`, whose name no filter can see.
        "socketpair": _streams(),
        "sendto": _null(4),
        "fcntl": _any_of(1, FCNTL_SIGNALS),
        "ioctl": _any_of(1, IOCTL_SIGNALS),
    }


def _signal(pid: int, argument: int) -> list[Instruction]:
    """A signal to itself, and not SIGKILL: whoever dies of that was killed from outside, and has no verdict."""
    return [
        _low(0),
        (EQUAL, 0, 2, pid),
        _low(argument),
        (EQUAL, 0, 1, int(signal.SIGKILL)),
        (RETURN, 0, 0, DENY),
        (RETURN, 0, 0, ALLOW),
    ]


def _null(argument: int) -> list[Instruction]:
    """Only without the structure that the argument points to."""
    return [
        _low(argument),
        (EQUAL, 0, 2, 0),
        _high(argument),
        (EQUAL, 1, 0, 0),
        (RETURN, 0, 0, DENY),
        (RETURN, 0, 0, ALLOW),
    ]


def _streams() -> list[Instruction]:
    """Family and type of a pair of sockets, both of which the kernel reads as 32 bits."""
    found = [_low(0), (EQUAL, 1, 0, LOCAL), (RETURN, 0, 0, DENY), _low(1)]
    for kind in STREAMS:
        found += [(EQUAL, 0, 1, kind), (RETURN, 0, 0, ALLOW)]
    return [*found, (RETURN, 0, 0, DENY)]


def _any_of(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    found = [_low(argument)]
    for value in values:
        found += [(EQUAL, 0, 1, value), (RETURN, 0, 0, DENY)]
    return [*found, (RETURN, 0, 0, ALLOW)]


def _low(argument: int) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS + 8 * argument)


def _high(argument: int) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS + 8 * argument + 4)
