"""What is pure in the sandbox: the filter of system calls on both architectures, verdicts, messages, who is tried."""

import errno
import os
import signal
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.worker import Volumes
from mergesearch_evaluator import coding
from mergesearch_evaluator.facts import LeafFacts, TaskFacts
from mergesearch_evaluator.sandbox import child, filters, programs
from mergesearch_evaluator.sandbox.programs import Job, Limits, Outcome, Verdict

PID = 77
ALLOWED, DENIED, MISSING, KILLED = filters.ALLOW, filters.DENY, filters.MISSING, filters.KILL
X86, ARM = filters.MACHINES


def decide(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """The kernel's side of a filter: a machine of the Berkeley packet filter with the instructions that ours has."""
    arch = filters.ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number, arch, 0, *(*arguments, *[0] * 6)[:6])
    code = [struct.unpack_from("=HBBI", filters.build(machine, PID), at) for at in range(0, size(machine), 8)]
    accumulator = position = 0
    while True:
        operation, if_true, if_false, operand = code[position]
        position += 1
        if operation == filters.LOAD:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif operation == filters.RETURN:
            return int(operand)
        else:
            holds = {
                filters.EQUAL: accumulator == operand,
                filters.AT_LEAST: accumulator >= operand,
                filters.ANY_BIT: bool(accumulator & operand),
            }[operation]
            position += if_true if holds else if_false


def size(machine: str) -> int:
    return len(filters.build(machine, PID))


THREAD, PROCESS = 0x3D0F00, 17
F_SETOWN, F_GETFL = 8, 3
UNIX, INTERNET, TIPC = 1, 2, 30
STREAM, DATAGRAM, PACKETS = 1, 2, 5
NONBLOCK, CLOEXEC = 0x800, 0x8_0000
CALLS = {
    "a process": ("clone", (PROCESS,), DENIED),
    "a thread": ("clone", (THREAD,), ALLOWED),
    "a thread by flags in memory": ("clone3", (), MISSING),
    "a signal to itself": ("kill", (PID, signal.SIGTERM), ALLOWED),
    "a signal to another": ("kill", (PID + 1, signal.SIGTERM), DENIED),
    "a signal to all": ("kill", (2**64 - 1, signal.SIGTERM), DENIED),
    "SIGKILL to itself": ("kill", (PID, signal.SIGKILL), DENIED),
    "an abort": ("tgkill", (PID, PID + 3, signal.SIGABRT), ALLOWED),
    "SIGKILL to a thread": ("tgkill", (PID, PID, signal.SIGKILL), DENIED),
    "a look at a limit": ("prlimit64", (0, 7, 0, 1), ALLOWED),
    "a limit": ("prlimit64", (0, 7, 0x1000, 0), DENIED),
    "a limit far up in memory": ("prlimit64", (0, 7, 0x7F00_0000_0000, 0), DENIED),
    "a pair of streams": ("socketpair", (UNIX, STREAM), ALLOWED),
    "a pair of streams as Python makes it": ("socketpair", (UNIX, STREAM | CLOEXEC), ALLOWED),
    "a pair of streams that do not wait": ("socketpair", (UNIX, STREAM | NONBLOCK | CLOEXEC), ALLOWED),
    "a pair of streams with rubbish above": ("socketpair", (UNIX | 5 << 32, STREAM | 5 << 32), ALLOWED),
    "a pair of datagram sockets": ("socketpair", (UNIX, DATAGRAM), DENIED),
    "a pair of datagram sockets with flags": ("socketpair", (UNIX, DATAGRAM | NONBLOCK | CLOEXEC), DENIED),
    "a pair of datagram sockets with rubbish above": ("socketpair", (UNIX, DATAGRAM | STREAM << 32), DENIED),
    "a pair of packet sockets": ("socketpair", (UNIX, PACKETS), DENIED),
    "a pair of sockets of a cluster": ("socketpair", (TIPC, STREAM), DENIED),
    "a pair of sockets of the internet": ("socketpair", (INTERNET, STREAM), DENIED),
    "bytes to the other of a pair": ("sendto", (5, 0x1000, 8, 0, 0, 0), ALLOWED),
    "bytes to a name": ("sendto", (5, 0x1000, 8, 0, 0x1000, 8), DENIED),
    "bytes to a name far up in memory": ("sendto", (5, 0x1000, 8, 0, 0x7F00_0000_0000, 8), DENIED),
    "the flags of a file": ("fcntl", (3, F_GETFL), ALLOWED),
    "the owner of a file": ("fcntl", (3, F_SETOWN, 1), DENIED),
    "the size of a terminal": ("ioctl", (0, 0x5413), ALLOWED),
    "the owner of a socket": ("ioctl", (0, 0x8901), DENIED),
}


@pytest.mark.parametrize("machine", filters.MACHINES)
@pytest.mark.parametrize(("name", "arguments", "expected"), CALLS.values(), ids=CALLS.keys())
def test_some_calls_depend_on_what_they_ask(machine: str, name: str, arguments: Sequence[int], expected: int) -> None:
    number = filters.ASKED[name][filters.MACHINES.index(machine)]
    assert decide(machine, number, *arguments) == expected


@pytest.mark.parametrize("machine", filters.MACHINES)
@given(number=st.integers(0, 460))
def test_a_call_is_denied_if_and_only_if_the_table_says_so(machine: str, number: int) -> None:
    column = filters.MACHINES.index(machine)
    if number not in [numbers[column] for numbers in filters.ASKED.values()]:
        denied = number in [numbers[column] for numbers in filters.FORBIDDEN.values()]
        assert decide(machine, number) == (DENIED if denied else ALLOWED)


def test_another_table_of_numbers_leads_around_nothing() -> None:
    assert decide(X86, filters.X32 | 0) == DENIED
    assert decide(X86, 0, architecture=0x4000_0003) == KILLED, "the calls of 32-bit programs"
    assert decide(ARM, 0, architecture=filters.ARCHITECTURES[X86]) == KILLED


def test_denied_is_an_error_that_python_knows() -> None:
    assert DENIED & 0xFFFF == errno.EPERM
    assert MISSING & 0xFFFF == errno.ENOSYS


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(
        ValueError, match="no filter of system calls is known for riscv64 machines, only for x86_64, aarch"
    ):
        filters.build("riscv64", 1)


def headers() -> dict[str, int]:
    """The numbers of this machine as the kernel's headers have them."""
    found = {}
    for name in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/aarch64-linux-gnu/asm/unistd_64.h"):
        if Path(name).is_file():
            for line in Path(name).read_text().splitlines():
                words = line.split()
                if len(words) == 3 and words[1].startswith("__NR_") and words[2].isdecimal():
                    found[words[1].removeprefix("__NR_")] = int(words[2])
    return found


@pytest.mark.skipif(not headers(), reason="the kernel's headers are not installed")
def test_the_numbers_are_those_of_the_kernel() -> None:
    column = filters.MACHINES.index(os.uname().machine)
    known = headers()
    ours = {name: numbers[column] for name, numbers in (filters.FORBIDDEN | filters.ASKED).items()}
    assert {name: number for name, number in ours.items() if number is not None} == {
        name: known[name] for name, number in ours.items() if number is not None
    }


WORD = "c0ffee"
ENDS = {
    "passed": ({"ready": "", "passed": WORD}, 9, 0.1, Outcome.PASSED),
    "passed-by-another-word": ({"ready": "", "passed": "x"}, 9, 0.1, Outcome.FAILED),
    "failed": ({"ready": "", "failed": "E"}, 256, 0.1, Outcome.FAILED),
    "left": ({"ready": ""}, 0, 0.1, Outcome.FAILED),
    "crashed": ({"ready": ""}, int(signal.SIGSEGV), 0.1, Outcome.FAILED),
    "a-signal-without-a-name": ({"ready": ""}, 33, 0.1, Outcome.FAILED),
    "out-of-time": ({"ready": ""}, int(signal.SIGXCPU), 3.0, Outcome.TIMED_OUT),
    "out-of-time-and-deaf": ({"ready": ""}, int(signal.SIGKILL), 4.0, Outcome.TIMED_OUT),
    "killed-from-outside": ({"ready": ""}, int(signal.SIGKILL), 0.5, Outcome.LOST),
    "killed-before-it-began": ({}, int(signal.SIGKILL), 0.0, Outcome.LOST),
    "died-before-it-began": ({}, 256, 0.0, Outcome.LOST),
    "refused": ({"refused": "no filter"}, 256, 0.0, Outcome.REFUSED),
}


@pytest.mark.parametrize(("words", "status", "seconds", "expected"), ENDS.values(), ids=ENDS.keys())
def test_a_program_is_judged_by_its_word_and_otherwise_by_how_it_died(
    words: dict[str, str], status: int, seconds: float, expected: Outcome
) -> None:
    verdict = child.conclude(words, WORD, in_time=True, status=status, cpu_seconds=seconds, limits=Limits())
    assert verdict.outcome is expected


def test_the_clock_counts_before_what_ended_the_program() -> None:
    verdict = child.conclude({"ready": ""}, WORD, in_time=False, status=9, cpu_seconds=0.0, limits=Limits())
    assert verdict == Verdict(Outcome.TIMED_OUT, "15 s by the clock")


@given(text=st.text(), cpu=st.integers(1, 9), own=st.booleans())
def test_messages_bring_over_what_was_put_into_them(text: str, cpu: int, own: bool) -> None:
    limits = Limits(cpu_seconds=cpu)
    assert programs.asked(programs.request(text, limits)) == (text, limits)
    assert programs.given(programs.job(Job(text, limits, "/x", own))) == Job(text, limits, "/x", own)


@given(outcome=st.sampled_from(list(Outcome)), detail=st.text())
def test_a_verdict_comes_over_on_one_line(outcome: Outcome, detail: str) -> None:
    line = programs.answer(Verdict(outcome, detail))
    assert line.count(b"\n") == 1
    found = programs.verdict(line)
    assert (found.outcome, found.detail) == (outcome, programs.clipped(detail))
    assert len(found.detail) <= programs.LONGEST_DETAIL


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"null", b'{"outcome": "won", "detail": ""}', b"\xff"])
def test_what_is_no_message_is_an_error(line: bytes) -> None:
    for read in (programs.asked, programs.given, programs.verdict):
        with pytest.raises(ValueError, match=r"\w"):
            read(line)


def facts(*, runs_code: bool) -> TaskFacts:
    leaf = LeafFacts("a", 1, "0", {}, False, (), "generate_until", None, None, False, runs_code, False, 1, None)
    return TaskFacts("a", (leaf,), {})


@pytest.mark.parametrize("runs_code", [True, False])
def test_the_sandbox_is_tried_where_a_task_runs_code(runs_code: bool, tmp_path: Path) -> None:
    tried: list[tuple[Path, ...]] = []
    told: list[str] = []
    volumes = Volumes({"checkpoints": tmp_path, "workspace": tmp_path, "tasks": tmp_path})
    coding.try_sandbox([facts(runs_code=runs_code)], volumes, told.append, check=tried.append)
    assert tried == ([(tmp_path, tmp_path)] if runs_code else [])
    assert told == (["trying the sandbox for code"] if runs_code else [])
