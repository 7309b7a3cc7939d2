"""Programs that mean harm, in both kinds of sandbox, as real processes: behind walls of their own, as on one machine,
and in the sandbox container of a pod.
"""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator_support import container
from mergesearch.errors import InvalidRequestError, TryAgainError
from mergesearch.reasons import Reason
from mergesearch_evaluator.sandbox import child, client, programs, runner
from mergesearch_evaluator.sandbox.client import LocalSandbox, Sandbox, SandboxContainer
from mergesearch_evaluator.sandbox.programs import Limits, Outcome, Verdict

LIMITS = Limits(cpu_seconds=20, wall_seconds=60.0, memory_bytes=1 << 30, file_bytes=1 << 20, scratch_bytes=4 << 20)
"""More than a program needs on a slow machine."""
SHORT = dataclasses.replace(LIMITS, cpu_seconds=1)
"""For programs that loop."""
BRIEF = dataclasses.replace(LIMITS, wall_seconds=1.0)
"""For programs that sleep."""
SMALL = dataclasses.replace(LIMITS, memory_bytes=256 << 20)
"""For programs that fill memory: a virtual machine may take seconds to find a gigabyte that it has not touched yet."""
SECRET = "a-token-that-nobody-may-see"
RIGHT = "def double(n):\n    return 2 * n\nassert double(4) == 8"


class Kind:
    """A sandbox, and the folder that its container shares with the evaluator."""

    def __init__(self, name: str, sandbox: Sandbox) -> None:
        self.name = name
        self.sandbox = sandbox

    def run(self, program: str, limits: Limits = LIMITS) -> Verdict:
        return self.sandbox.run(program, limits)


def start_container(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """In an environment with a secret, as the evaluator's is; started before the evaluator listens."""
    folder.chmod(0o755)  # as Kubernetes makes it: the container's user is another
    command = [sys.executable, container.__file__, str(folder), *words]
    return subprocess.Popen(command, env=os.environ | {"SECRET": SECRET})


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a container is made by root")


KINDS = [
    "own-walls",
    pytest.param("own-walls-of-a-user", marks=needs_root),
    pytest.param("container", marks=needs_root),
]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    if request.param == "own-walls":
        yield Kind(request.param, LocalSandbox())
        return
    folder = tmp_path_factory.mktemp("shared")
    process = start_container(folder, *(["own-walls"] if request.param != "container" else []))
    sandbox = SandboxContainer(folder / container.SOCKET)
    yield Kind(request.param, sandbox)
    sandbox.close()
    stop(process)


HOSTILE = {
    # Time.
    "loops": ("while True: pass", Outcome.TIMED_OUT, "1 s of processor time"),
    "sleeps": ("import time; time.sleep(60)", Outcome.TIMED_OUT, "1 s by the clock"),
    "loops-and-does-not-listen": (
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        Outcome.TIMED_OUT,
        "1 s of processor time",
    ),
    "loops-while-its-error-is-printed": (
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
        Outcome.TIMED_OUT,
        "1 s of processor time",
    ),
    "waits-for-input": ("input()", Outcome.FAILED, "EOFError"),
    # Processes.
    "forks-for-ever": ("import os\nwhile True: os.fork()", Outcome.FAILED, "PermissionError"),
    "forks-by-a-system-call": (
        "import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "number = {'x86_64': 56, 'aarch64': 220}[platform.machine()]\n"
        "assert libc.syscall(number, 17, 0, 0, 0, 0) == -1\nassert False, ctypes.get_errno()",
        Outcome.FAILED,
        "AssertionError: 1",
    ),
    "starts-a-shell": (
        "import subprocess; subprocess.run(['/bin/sh', '-c', 'true'])",
        Outcome.FAILED,
        "PermissionError",
    ),
    "becomes-another-program": ("import os; os.execv('/bin/true', ['true'])", Outcome.FAILED, "PermissionError"),
    "starts-threads-for-ever": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
        Outcome.FAILED,
        "can't start new thread",
    ),
    "leaves-its-group": ("import os; os.setsid()", Outcome.FAILED, "PermissionError"),
    # Signals.
    "kills-its-parent": ("import os; os.kill(os.getppid(), 9)", Outcome.FAILED, "PermissionError"),
    "kills-everybody": ("import os; os.kill(-1, 9)", Outcome.FAILED, "PermissionError"),
    "kills-itself": ("import os; os.kill(os.getpid(), 9)", Outcome.FAILED, "PermissionError"),
    "ends-itself": ("import os; os.kill(os.getpid(), 15)", Outcome.FAILED, "died of SIGTERM"),
    "kills-by-an-alarm-of-a-file": (
        "import fcntl, os\nread, _ = os.pipe()\nfcntl.fcntl(read, fcntl.F_SETOWN, os.getppid())",
        Outcome.FAILED,
        "PermissionError",
    ),
    "writes-to-its-parent's-memory": (
        "import os; open(f'/proc/{os.getppid()}/mem', 'r+b')",
        Outcome.FAILED,
        "Error: [Errno",
    ),
    "listens-to-its-parent": ("import os; os.listdir(f'/proc/{os.getppid()}/fd')", Outcome.FAILED, "Error: [Errno"),
    "takes-its-parent's-time": (
        "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))",
        Outcome.FAILED,
        "PermissionError",
    ),
    "gives-itself-time": (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))",
        Outcome.FAILED,
        "not allowed",
    ),
    # Memory and disk.
    "fills-memory": ("found = []\nwhile True: found.append(bytearray(1 << 24))", Outcome.FAILED, "MemoryError"),
    "reserves-memory": ("bytearray(1 << 40)", Outcome.FAILED, "MemoryError"),
    "memory-in-a-file": ("import os; os.memfd_create('x')", Outcome.FAILED, "PermissionError"),
    "fills-a-file": (
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with open('x', 'wb') as file:\n    while True: file.write(bytes(1 << 16))",
        Outcome.FAILED,
        "OSError: [Errno 27]",
    ),
    "fills-the-disk": (
        "n = 0\nwhile True:\n    n += 1\n    with open(str(n), 'wb') as file: file.write(bytes(1 << 19))",
        Outcome.FAILED,
        "OSError: [Errno 28]",
    ),
    "opens-files-for-ever": ("found = []\nwhile True: found.append(open('/dev/null'))", Outcome.FAILED, "[Errno 24]"),
    "writes-elsewhere": ("open('/usr/x', 'w')", Outcome.FAILED, "OSError: [Errno"),
    "breaks-the-parser": ("eval('(' * 100000)", Outcome.FAILED, ""),
    "recurses": ("def f(): f()\nf()", Outcome.FAILED, "RecursionError"),
    "crashes": ("import ctypes; ctypes.string_at(0)", Outcome.FAILED, "died of SIGSEGV"),
    # Networks.
    "makes-a-socket": ("import socket; socket.socket()", Outcome.FAILED, "PermissionError"),
    "makes-a-local-socket": ("import socket; socket.socket(socket.AF_UNIX)", Outcome.FAILED, "PermissionError"),
    "asks-for-a-page": (
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')",
        Outcome.FAILED,
        "not perm",
    ),
    "goes-around-the-filter": (
        "import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "assert platform.machine() != 'x86_64' or libc.syscall(0x40000000 | 41, 2, 1, 0) == -1\n"
        "assert libc.syscall(425, 8, ctypes.create_string_buffer(256)) == -1\nassert False, ctypes.get_errno()",
        Outcome.FAILED,
        "AssertionError: 1",
    ),
    # False success.
    "leaves-at-once": ("import os; os._exit(0)", Outcome.FAILED, "left with exit code 0 before its end"),
    "leaves-politely": ("import sys; sys.exit(0)", Outcome.FAILED, "SystemExit: 0"),
    "quits": ("quit()", Outcome.FAILED, "SystemExit"),
    "leaves-in-a-thread-of-its-own": (
        "import os, threading, time\nthreading.Thread(target=os._exit, args=(0,)).start()\ntime.sleep(60)",
        Outcome.FAILED,
        "left with exit code 0",
    ),
    "prints-success": ("print('passed'); assert False", Outcome.FAILED, "AssertionError"),
    "says-passed-everywhere": (
        "import os\nfor number in range(64):\n    try: os.write(number, b'ready\\npassed 0\\npassed\\n')\n"
        "    except OSError: pass\nos._exit(0)",
        Outcome.FAILED,
        "claims to have passed",
    ),
    "says-refused": ("import os; os.write(3, b'refused\\n'); assert False", Outcome.FAILED, "AssertionError"),
    "closes-everything": ("import os; os.closerange(0, 64)", Outcome.FAILED, "left with exit code 1"),
    "closes-everything-and-goes-on": (
        "import os; os.closerange(0, 64)\nwhile True: pass",
        Outcome.TIMED_OUT,
        "1 s of processor time",
    ),
    "cannot-be-printed": ("class E(Exception):\n    def __str__(self): return 1\nraise E", Outcome.FAILED, "E"),
    "no-program": ("def f(:\n", Outcome.FAILED, "SyntaxError"),
    "no-text": ("'\0'", Outcome.FAILED, "null bytes"),
    "no-unicode": ("assert len('\ud800') == 1", Outcome.FAILED, "surrogates not allowed"),
    "too-long": ("#" * programs.LONGEST_MESSAGE, Outcome.FAILED, "characters"),
}


@pytest.mark.parametrize(("program", "outcome", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_program_that_means_harm_is_a_wrong_answer_and_the_next_one_is_judged(
    kind: Kind, program: str, outcome: Outcome, words: str
) -> None:
    limits = {"1 s by the clock": BRIEF, "1 s of processor time": SHORT, "MemoryError": SMALL}.get(words, LIMITS)
    verdict = kind.run(program, limits)
    assert verdict.outcome is outcome, verdict
    assert words in verdict.detail
    assert kind.run(RIGHT).outcome is Outcome.PASSED


USUAL = {
    "nothing": "",
    "right": RIGHT,
    "prints-a-lot": "for n in range(2000): print('x' * 10000)",
    "its-name-is-not-main": "if __name__ == '__main__': raise SystemExit",
    "reads-nothing": "import sys; assert sys.stdin.read() == ''",
    "writes-files": "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')\nopen('x', 'w').close()",
    # Where its folder is a root of its own, it cannot.
    "tidies-up-its-folder": "import os\ntry: os.rmdir(os.getcwd())\nexcept OSError: pass",
    "leaves-a-link-in-its-place": (
        "import os\nhere = os.getcwd()\ntry: os.rmdir(here); os.symlink('/usr', here)\nexcept OSError: pass"
    ),
    "libraries": "import numpy, re, heapq, math, collections\nassert numpy.ones(3).sum() == 3",
    "threads": "import threading\nt = threading.Thread(target=print)\nt.start(); t.join()",
    "threads-that-do-not-end": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    "event-loops": "import asyncio\nasync def f(): return 3\nassert asyncio.run(f()) == 3",
    "event-loops-with-streams": (
        "import asyncio, socket\n"
        "async def f():\n"
        "    ours, theirs = socket.socketpair()\n"
        "    reader, writer = await asyncio.open_connection(sock=ours)\n"
        "    writer.writelines([b'to ', b'you\\n'])\n"
        "    await writer.drain()\n"
        "    assert theirs.recv(9) == b'to you\\n'\n"
        "    theirs.sendmsg([b'to ', b'me\\n'])\n"
        "    assert await reader.readline() == b'to me\\n'\n"
        "asyncio.run(f())"
    ),
    "threads-of-an-event-loop": "import asyncio\nassert asyncio.run(asyncio.to_thread(int)) == 0",
    "windows-line-ends": "def f():\r\n  return 1\r\nassert f() == 1",
}


@pytest.mark.parametrize("program", USUAL.values(), ids=USUAL.keys())
def test_a_program_that_comes_to_its_end_has_passed(kind: Kind, program: str) -> None:
    assert kind.run(program) == Verdict(Outcome.PASSED)


def test_sets_have_the_same_order_every_time(kind: Kind) -> None:
    program = "assert False, list({str(n) for n in range(50)})"
    assert kind.run(program) == kind.run(program)
    assert "AssertionError: ['" in kind.run(program).detail


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """What the evaluator sees, and a program must not: a report, a checkpoint."""
    folder = tmp_path / "volumes"
    for name in ("workspace/report.json", "checkpoints/one/model.safetensors"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("score: 1")
        (folder / name).chmod(0o666)
    return folder


LOOKS = """
import os
def look(folder):
    try: return os.listdir(folder)
    except OSError: return []
def real(path):
    try: return os.path.realpath(path)
    except OSError: return ''
found = [path for path in {paths!r} if os.path.exists(path)]
for pid in filter(str.isdigit, look('/proc')):
    for name in ('cwd', 'root', 'fd/3', 'fd/4', 'fd/5'):
        base = '/proc/' + pid + '/' + name
        found += [base + path for path in {paths!r} if os.path.exists(base + path)]
        found += [base for path in {paths!r} if real(base).startswith(path)]
for where, folders, files in os.walk('/', followlinks=False):
    if where.startswith(('/usr', '/sys', '/proc')): continue
    found += [where + '/' + name for name in files if name in ('report.json', 'model.safetensors')]
assert not found, found
"""


def test_a_program_finds_neither_report_nor_checkpoints(kind: Kind, volume: Path) -> None:
    program = LOOKS.format(paths=[str(volume), str(volume / "workspace" / "report.json")])
    # What it looks for can be found: it is right where there are no walls.
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 1
    assert kind.run(program) == Verdict(Outcome.PASSED)


def test_a_program_sees_no_environment_but_its_own(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    program = (
        "import os\nfound = repr(dict(os.environ))\n"
        "for pid in (os.listdir('/proc') if os.path.exists('/proc') else ()):\n"
        "    try: found += open('/proc/' + pid + '/environ').read()\n"
        "    except OSError: pass\n"
        f"assert {SECRET!r} not in found"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 1
    assert kind.run(program) == Verdict(Outcome.PASSED)


def test_a_program_reaches_no_server_of_its_machine(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = server.getsockname()
        program = f"import socket\nsocket.create_connection({address!r}, 1)"
        assert kind.run(program).outcome is Outcome.FAILED
        with pytest.raises(TimeoutError):
            server.accept()


NAMED = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
name = b"\\x01\\x00\\x00" + {name!r}  # AF_UNIX, and a name that is in no folder
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("name_length", ctypes.c_uint), ("pieces", ctypes.POINTER(Piece)),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]
piece = Piece(b"by a message", 12)
message = Message(name, len(name), ctypes.pointer(piece), 1, None, 0, 0)
for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
    pair = (ctypes.c_int * 2)()
    made = libc.socketpair(socket.AF_UNIX, kind, 0, pair)
    assert made == (0 if kind == socket.SOCK_STREAM or {datagrams} else -1), kind
    if made == 0:
        libc.sendto(pair[0], b"by a name", 9, 0, name, len(name))
        libc.sendmsg(pair[0], ctypes.byref(message), 0)
        if libc.connect(pair[0], name, len(name)) == 0:
            os.write(pair[0], b"by a connection")
"""


def test_a_program_reaches_no_socket_that_has_a_name_but_no_file(kind: Kind) -> None:
    # Such names belong to the network namespace, which the containers of a pod share.
    name = f"mergesearch-{os.getpid()}".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(b"\0" + name)
        server.setblocking(False)
        # It is reached where there is no filter.
        subprocess.run([sys.executable, "-c", NAMED.format(name=name, datagrams=True)], check=True)
        assert [server.recv(64) for _ in range(3)] == [b"by a name", b"by a message", b"by a connection"]
        assert kind.run(NAMED.format(name=name, datagrams=False)) == Verdict(Outcome.PASSED)
        with pytest.raises(BlockingIOError):
            server.recv(64)


LEAVES = """
import os
os.makedirs('deep')
here = os.getcwd()
os.chdir('deep')
for _ in range(1200):
    os.mkdir('d'); os.chdir('d')
os.chdir(here)
os.symlink('/usr', 'link'); os.symlink('..', 'up')
os.mkdir('shut'); open('shut/file', 'w').close(); os.chmod('shut', 0)
for folder in ('/tmp', '/dev/shm'):
    try: open(folder + '/for-the-next', 'w').close()
    except OSError: pass
"""


def test_a_program_leaves_nothing_to_the_next(kind: Kind) -> None:
    # This Python may lie below /tmp itself, and a program's own folder there has another name each time.
    look = "import os\nassert not os.listdir('.')\nshared = '/dev/shm' if os.path.exists('/dev/shm') else '/tmp'\n"
    look += "found = {*os.listdir('/tmp'), *os.listdir(shared)}\n"
    look += "assert False, sorted(name for name in found if not name.startswith('mergesearch-program-'))"
    before = kind.run(look)
    assert kind.run(LEAVES) == Verdict(Outcome.PASSED)
    assert kind.run(look) == before


def test_a_folder_is_emptied_without_following_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    for place in (folder, folder / "inner"):
        (place / "link").symlink_to(kept)
        (place / "file-link").symlink_to(kept / "file")
    runner.clear(folder)
    assert not list(folder.iterdir())
    assert (kept / "file").exists()


def processes_of_programs() -> set[int]:
    """Whatever runs a program, or what a program became; those of other tests that run now as well."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if child.__name__.encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("program", ["import time; time.sleep(60)", USUAL["threads-that-do-not-end"]])
def test_nothing_runs_on_when_a_verdict_is_there(kind: Kind, program: str) -> None:
    before = processes_of_programs()
    kind.run(program, BRIEF)
    left, until = processes_of_programs() - before, time.monotonic() + 30
    # A program that was left would sleep for longer than this waits; what else there is belongs to other tests.
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left &= processes_of_programs()
    assert left == set()


@needs_root
def test_a_program_that_is_killed_from_outside_has_no_verdict(kind: Kind) -> None:
    found: list[Verdict] = []
    waiting = threading.Thread(target=lambda: found.append(kind.run("import time; time.sleep(60)")))
    waiting.start()
    os.kill(wait_for_program(), signal.SIGKILL)
    waiting.join()
    assert found[0].outcome is Outcome.LOST
    assert "killed from outside" in found[0].detail
    assert kind.run(RIGHT).outcome is Outcome.PASSED


def wait_for_program(threads: int = 1) -> int:
    """The process of our program, below this process: it sleeps, behind a filter that this process has not, and has so
    many threads.
    """
    ours = status_of(os.getpid())
    for _ in range(1200):
        for pid in filter(below_this_process, processes_of_programs()):
            found = status_of(pid)
            filtered = int(found.get("Seccomp_filters", 0)) > int(ours["Seccomp_filters"])
            if filtered and found["State"].startswith("S") and int(found["Threads"]) == threads:
                return pid
        time.sleep(0.05)
    raise AssertionError("no program runs")


def status_of(pid: int) -> dict[str, str]:
    lines = look(pid, "status").decode().splitlines()
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def below_this_process(pid: int) -> bool:
    while pid not in (0, os.getpid()):
        pid = int((look(pid, "stat").rpartition(b")")[2].split() or [b"0", b"0"])[1])
    return pid != 0


def look(pid: int, name: str) -> bytes:
    """What the kernel says of a process, and nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


GREEDY = """
import threading, time
threading.stack_size(1 << 16)
try:
    while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
except RuntimeError:
    time.sleep(60)
"""


def test_a_program_that_has_all_its_threads_takes_none_from_another_that_runs_at_the_same_time() -> None:
    few = dataclasses.replace(LIMITS, threads=8)
    greedy = threading.Thread(target=LocalSandbox().run, args=(GREEDY, few))
    greedy.start()
    program = wait_for_program(few.threads)
    assert LocalSandbox().run(USUAL["threads"], few) == Verdict(Outcome.PASSED)
    os.kill(program, signal.SIGKILL)
    greedy.join()


UMASK = """
from mergesearch_evaluator.sandbox import runner
from mergesearch_evaluator.sandbox.programs import Limits
program = "import csv, numpy, os; open('/dev/null').close(); open('x', 'w').close(); assert False, os.stat('x').st_mode"
print(runner.run(program, Limits(cpu_seconds=20, wall_seconds=60), own_walls=True).detail)
"""


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
def test_a_program_finds_the_same_walls_whatever_whoever_runs_it_hides_from_others(umask: int) -> None:
    done = subprocess.run([sys.executable, "-c", UMASK], capture_output=True, text=True, check=True, umask=umask)
    assert done.stdout == f"AssertionError: {0o100644}\n", done.stderr


def test_the_check_of_the_preflight_passes_where_the_sandbox_holds(kind: Kind, volume: Path) -> None:
    client.check([volume], kind.sandbox)


class Unwalled:
    """A sandbox that takes a bare machine for a container."""

    def run(self, program: str, limits: Limits) -> Verdict:
        return runner.run(program, limits, own_walls=False)


def test_the_check_of_the_preflight_refuses_a_sandbox_that_sees_a_volume(volume: Path) -> None:
    for folder in (volume, *volume.parents):
        if folder.is_relative_to("/tmp/"):
            folder.chmod(0o755)
    with pytest.raises(
        InvalidRequestError, match=r"does not hold: a program that looks around: failed .* is there"
    ) as e:
        client.check([volume], Unwalled())
    assert e.value.reason is Reason.SANDBOX_REFUSED


@needs_root
def test_a_machine_that_allows_no_namespaces_is_refused_in_words() -> None:
    script = (
        "from mergesearch_evaluator.sandbox import client, linux\n"
        "linux.drop_capabilities()\n"
        # Or root would have them back in its child.
        "linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)\n"
        "try: client.judge('')\n"
        "except Exception as error: print(error.reason, type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("SandboxRefused InvalidRequestError code that a model wrote cannot be shut off")
    assert "unshare: Operation not permitted" in done.stdout
    assert "docs/operations.md" in done.stdout


def test_a_sandbox_that_never_comes_is_lost_and_not_waited_for_again(tmp_path: Path) -> None:
    sandbox = SandboxContainer(tmp_path / "socket", connect_seconds=0.1)
    with pytest.raises(TryAgainError, match=r"has not connected to .*socket for 0\.1 s") as raised:
        client.judge(RIGHT, sandbox)
    assert raised.value.reason is Reason.SANDBOX_LOST
    assert not (tmp_path / "socket").exists()
    assert sandbox.run(RIGHT, LIMITS).outcome is Outcome.LOST


@needs_root
def test_a_sandbox_container_that_dies_or_starts_again_is_lost_for_good(tmp_path: Path) -> None:
    first = start_container(tmp_path)
    sandbox = SandboxContainer(tmp_path / container.SOCKET)
    assert sandbox.run(RIGHT, LIMITS).outcome is Outcome.PASSED
    found: list[Verdict] = []
    waiting = threading.Thread(target=lambda: found.append(sandbox.run("import time; time.sleep(60)", LIMITS)))
    waiting.start()
    wait_for_program()
    stop(first)
    waiting.join(30)
    second = start_container(tmp_path)
    assert found == [Verdict(Outcome.LOST, "the sandbox container has ended in the middle of a program")]
    assert sandbox.run(RIGHT, LIMITS) == found[0], "nobody knows what has ended the first"
    stop(second)


@needs_root
def test_a_sandbox_container_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    process = start_container(tmp_path)
    sandbox = SandboxContainer(tmp_path / container.SOCKET)
    assert sandbox.run(RIGHT, LIMITS).outcome is Outcome.PASSED
    (server,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(server), signal.SIGTERM)
    assert process.wait(30) == 0
    sandbox.close()
