"""Programs of the cluster: started once, ended by what they are, never by a number alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster import processes, waiting
from cluster.processes import Program, is_alive
from cluster.settings import ClusterError

SLEEP = ["/bin/sleep", "300"]


def started(program: Program, command: list[str], *, attached: bool = False) -> int:
    program.start(command, attached=attached)
    waiting.until("it runs", lambda: program.running() is not None, seconds=120)
    pid = program.running()
    assert pid is not None
    return pid


def test_a_stopped_program_has_ended_and_is_recorded_no_more(tmp_path: Path) -> None:
    program = Program(tmp_path, "sleep")
    pid = started(program, SLEEP)

    program.stop()

    assert not is_alive(pid)
    assert processes.recorded(tmp_path) == []


def test_starting_twice_leaves_the_first_one_running(tmp_path: Path) -> None:
    program = Program(tmp_path, "sleep")
    pid = started(program, SLEEP)

    assert started(program, SLEEP) == pid
    program.stop()


def test_another_command_line_takes_the_place_of_the_first(tmp_path: Path) -> None:
    program = Program(tmp_path, "sleep")
    first = started(program, SLEEP)
    second = started(program, ["/bin/sleep", "301"])

    assert not is_alive(first)
    assert is_alive(second)
    program.stop()


def test_programs_are_listed_with_the_last_one_first(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        started(Program(tmp_path, name), SLEEP)

    listed = processes.recorded(tmp_path)

    assert [program.name for program in listed] == ["c", "a", "b"]
    for program in listed:
        program.stop(kill=True)


def test_a_process_that_got_the_number_of_ours_is_left_alone(tmp_path: Path) -> None:
    program = Program(tmp_path, "sleep")
    started(program, SLEEP)
    program.stop()
    stranger = subprocess.Popen(["/bin/sleep", "302"])
    try:
        (tmp_path / "processes" / "sleep.json").write_text('["/bin/sleep", "300"]')
        (tmp_path / "processes" / "sleep.pid").write_text(f"{stranger.pid}\n")

        program.stop()

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    program = Program(tmp_path, "deaf")
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"
    )
    pid = started(program, [sys.executable, "-c", deaf])
    waiting.until("it is deaf", lambda: "deaf" in program.tail(), seconds=120)

    program.stop(patience=0.2)

    assert not is_alive(pid)


def test_a_program_that_ends_by_itself_is_seen_and_its_log_says_why(tmp_path: Path) -> None:
    program = Program(tmp_path, "short")
    program.start(["/bin/ls", "/no/such/folder"])

    waiting.until("it has ended", program.exited, seconds=120)

    assert program.running() is None
    assert "/no/such/folder" in program.tail()


@pytest.mark.parametrize("attached", [True, False], ids=["attached", "on its own"])
def test_what_happens_to_it_when_its_starter_is_killed(tmp_path: Path, *, attached: bool) -> None:
    program = Program(tmp_path, "sleep")
    code = f"""
import sys, time
from pathlib import Path
from cluster.processes import Program, is_alive
Program(Path({str(tmp_path)!r}), "sleep").start({SLEEP!r}, attached={attached})
time.sleep(300)
"""
    path = str(Path(processes.__file__).parents[1])
    starter = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path})
    waiting.until("it runs", lambda: program.running() is not None, seconds=120)
    pid = program.running()
    assert pid is not None

    starter.send_signal(signal.SIGKILL)
    starter.wait()

    if attached:
        waiting.until("it has ended", lambda: not is_alive(pid), seconds=120)
    else:
        time.sleep(0.2)
        assert is_alive(pid)
    program.stop()
    assert not is_alive(pid)


def test_waiting_in_vain_says_for_what_and_why() -> None:
    with pytest.raises(ClusterError, match="not within 0 s: the moon falls\nit is held"):
        waiting.until("the moon falls", lambda: False, seconds=0, why=lambda: "it is held")
