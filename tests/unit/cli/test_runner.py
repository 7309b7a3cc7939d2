"""The runner and its workers, with real small processes that do what a test wants: nothing hangs or is invented."""

import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mergesearch.contract import EvaluationReport, Exit, TaskScore
from mergesearch.errors import ExitCode
from mergesearch.lifecycle.advance import advance
from mergesearch.lifecycle.children import Child, children
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild
from mergesearch.reasons import Reason
from mergesearch_cli.runner import Commands, Runner
from mergesearch_cli.worker import Said, Worker
from unit.cli.searches import search

HASH = "0" * 64
PATIENCE = 60.0
"""Seconds until a test gives up; none waits for so long unless it fails."""
DONE = 'print(\'{"exit": {"code": 0}}\', flush=True)'


def script(*lines: str) -> tuple[str, ...]:
    """A program that does this for every request that it reads; `n` counts them from 1."""
    body = "\n".join(f"    {line}" for line in lines)
    text = f"import os, subprocess, sys, time\nfor n, line in enumerate(sys.stdin, 1):\n{body}"
    return (sys.executable, "-S", "-c", text)


def report(candidate: str) -> EvaluationReport:
    scores = (TaskScore(task="a", score=0.5, stderr=0.1, samples=10),)
    return EvaluationReport(version=1, candidate=candidate, request_hash=HASH, scores=scores, seconds=1.0)


def saying(candidate: str) -> str:
    """A line of a script that publishes a report."""
    line = '{"report": ' + report(candidate).to_json() + "}"
    return f"print({line!r}, flush=True)"


def preflight() -> tuple[Child, ...]:
    """The children of a search's first step: one for the merger, one for the evaluator."""
    resource = search()
    return children(resource, advance(resource, None, Observed(), datetime.now(UTC)))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    """Makes a runner whose evaluator is the given program, and ends its processes after the test."""
    made: list[Runner] = []

    def make(evaluator: tuple[str, ...]) -> Runner:
        made.append(Runner(Commands(merger=script(DONE), evaluator=evaluator), {}, tmp_path))
        return made[-1]

    yield make
    for runner in made:
        runner.stop()


def is_running(pid: str) -> bool:
    """Whether a child of ours still runs; one that has ended may not have been asked for its code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until_ended(runner: Runner, child: Child) -> ObservedChild:
    runner.reconcile([child], parallelism=1)
    return _wait(runner, child, lambda seen: seen.state is ChildState.ENDED)


def _wait(runner: Runner, child: Child, wanted: Callable[[ObservedChild], bool]) -> ObservedChild:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        seen = runner.observe().child(child.launch.number)
        assert seen is not None
        if wanted(seen):
            return seen
        runner.wait(0.2)
    raise AssertionError("the child has not come so far")


# --- Answers ---


def test_one_process_serves_request_after_request(start: Callable[..., Runner], tmp_path: Path) -> None:
    runner = start(script("print(os.getpid(), file=sys.stderr, flush=True)", DONE))
    _, child = preflight()
    for _ in range(2):
        assert until_ended(runner, child).exit == Exit(code=0)
        runner.reconcile([], parallelism=1)
    pids = (tmp_path / "evaluator-0.log").read_text().split()
    assert len(pids) == 2
    assert len(set(pids)) == 1


def test_a_worker_is_starting_until_it_says_something(start: Callable[..., Runner], tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"while not os.path.exists({str(go)!r}): time.sleep(0.01)"
    busy = 'print(\'{"progress": "loading tasks"}\', flush=True)'
    runner = start(script(wait, busy, "time.sleep(600)"))
    _, child = preflight()
    runner.reconcile([child], parallelism=1)
    runner.wait(0.05)
    assert runner.activity().starting == ("evaluator-0",)
    go.touch()
    give_up = time.monotonic() + PATIENCE
    while not runner.activity().doing and time.monotonic() < give_up:
        runner.wait(0.2)
    assert runner.activity().doing == ("loading tasks",)
    assert runner.activity().starting == ()


# --- Deaths ---


def test_a_worker_that_dies_between_two_reports_keeps_the_first_and_says_its_last_words(
    start: Callable[..., Runner],
) -> None:
    runner = start(script(saying("c0001"), "print('no memory', file=sys.stderr, flush=True)", "os._exit(7)"))
    _, child = preflight()
    seen = until_ended(runner, child)
    assert [one.candidate for one in seen.reports if isinstance(one, EvaluationReport)] == ["c0001"]
    assert seen.exit is not None
    assert (seen.exit.code, seen.exit.reason) == (7, Reason.PROCESS_DIED)
    assert "exit code 7 in the middle of a request | no memory" in seen.exit.message


def test_a_worker_that_was_killed_is_started_again_for_the_next_request(start: Callable[..., Runner]) -> None:
    runner = start(script("os.kill(os.getpid(), 9)"))
    _, child = preflight()
    for _ in range(2):
        seen = until_ended(runner, child)
        assert seen.exit is not None
        assert (seen.exit.code, seen.exit.reason) == (128 + signal.SIGKILL, Reason.PROCESS_DIED)
        assert "evaluator-0: killed by SIGKILL" in seen.exit.message
        runner.reconcile([], parallelism=1)


def test_a_worker_that_ends_well_without_an_answer_has_not_done_its_work(start: Callable[..., Runner]) -> None:
    runner = start(script("sys.exit(0)"))
    _, child = preflight()
    seen = until_ended(runner, child)
    assert seen.exit is not None
    assert seen.exit.code == ExitCode.TRANSIENT


def test_a_grandchild_that_holds_the_pipe_open_does_not_hold_the_search(
    start: Callable[..., Runner], tmp_path: Path
) -> None:
    note = tmp_path / "grandchild"
    hold = "g = subprocess.Popen(['sleep', '600'])"
    runner = start(script(saying("c0001"), hold, f"open({str(note)!r}, 'w').write(str(g.pid))", "os._exit(9)"))
    _, child = preflight()
    try:
        seen = until_ended(runner, child)
        assert seen.exit is not None
        assert seen.exit.code == 9
        assert len(seen.reports) == 1, "what it said before it died counts"
        runner.reconcile([], parallelism=1)
        note.unlink()
        assert until_ended(runner, child).exit == seen.exit, "its successor is heard, and the old pipe is not"
    finally:
        _kill_sleepers(tmp_path)


def _kill_sleepers(folder: Path) -> None:
    """End what the scripts of a test have left behind: processes that write to this test's log."""
    log = str(folder / "evaluator-0.log")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = str((process / "fd" / "2").readlink()) == log
        except OSError:
            continue
        if ours:
            os.kill(int(process.name), signal.SIGKILL)


# --- Noise ---

NOISE = {
    "words": ("print('Loading checkpoint shards: 100%', flush=True)", "Loading checkpoint shards: 100%"),
    "half an answer": ('print(\'{"exit": {"co\', flush=True)', '{"exit": {"co'),
    "another document": ('print(\'{"exit": {"code": "x"}}\', flush=True)', "code"),
    "no text": ("os.write(1, bytes([255, 254, 10]))", "xff"),
    "an empty line": ("print(flush=True)", "''"),
}


@pytest.mark.parametrize(("line", "shown"), NOISE.values(), ids=NOISE.keys())
def test_a_worker_that_prints_noise_is_ended_and_its_line_is_shown(
    start: Callable[..., Runner], line: str, shown: str
) -> None:
    runner = start(script(saying("c0001"), line, "time.sleep(600)"))
    _, child = preflight()
    seen = until_ended(runner, child)
    assert len(seen.reports) == 1, "what came before the noise counts"
    assert seen.exit is not None
    assert (seen.exit.code, seen.exit.reason) == (ExitCode.TRANSIENT, Reason.PROCESS_DIED)
    assert "printed what is no answer" in seen.exit.message
    assert shown in seen.exit.message


def test_a_long_line_of_noise_is_cut(start: Callable[..., Runner]) -> None:
    runner = start(script("print('x' * 100000, flush=True)", "time.sleep(600)"))
    _, child = preflight()
    seen = until_ended(runner, child)
    assert seen.exit is not None
    assert len(seen.exit.message) < 300


def test_noise_of_a_worker_that_has_nothing_to_do_harms_nobody(start: Callable[..., Runner], tmp_path: Path) -> None:
    runner = start(script("print(os.getpid(), file=sys.stderr, flush=True)", DONE, "print('bye', flush=True)"))
    _, child = preflight()
    assert until_ended(runner, child).exit == Exit(code=0)
    give_up = time.monotonic() + PATIENCE
    while is_running((tmp_path / "evaluator-0.log").read_text().strip()) and time.monotonic() < give_up:
        runner.wait(0.2)
    runner.wait(0.2)
    assert until_ended(runner, child).exit == Exit(code=0)
    runner.reconcile([], parallelism=1)
    assert until_ended(runner, child).exit == Exit(code=0), "the next request goes to another process"


# --- Ends ---


def test_what_is_not_wanted_any_more_is_ended_and_never_heard_again(start: Callable[..., Runner]) -> None:
    runner = start(script(saying("c0001"), "time.sleep(600)"))
    _, child = preflight()
    runner.reconcile([child], parallelism=1)
    _wait(runner, child, lambda seen: bool(seen.reports))
    runner.reconcile([], parallelism=1)
    assert runner.observe().children == ()
    assert runner.activity().doing == ()


def test_stopping_ends_a_worker_that_does_not_listen(tmp_path: Path) -> None:
    said: queue.Queue[Said] = queue.Queue()
    deaf = script("import signal", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", saying("c1"), "time.sleep(600)")
    worker = Worker("deaf", deaf, {}, tmp_path / "log", said)
    worker.give(preflight()[1].request)
    assert said.get(timeout=PATIENCE).answer is not None
    pid = worker.process
    worker.stop()
    assert worker.has_died
    assert not Path(f"/proc/{pid}").exists()


def test_a_worker_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    worker = Worker("idle", script(DONE), {}, tmp_path / "log", queue.Queue())
    worker.stop()
    worker.kill()
    assert worker.process is None
    assert not worker.has_died
