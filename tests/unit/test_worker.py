"""The frame of merger and evaluator, with real processes, pipes and signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch import contract, errors, files, reasons, worker

PROGRAM = [sys.executable, str(Path(__file__).with_name("worker_program.py"))]
PATIENCE = 60.0
"""Seconds after which a process that should have ended counts as hung."""


def request(*candidates: str, **changes: Any) -> str:
    fields: dict[str, Any] = {
        "kind": "merge",
        "version": 1,
        "search": {"name": "soup", "uid": "1234"},
        "checkpoints": [{"name": "one", "location": {"volume": "checkpoints", "path": "one"}}],
        "candidates": [{"id": name, "weights": [1.0]} for name in candidates],
        "tokenizerFrom": "one",
    }
    return json.dumps(fields | changes)


# --- One request from the environment ---


class Once:
    """What a process that served one request left behind."""

    def __init__(self, document: str | None, folder: Path, *arguments: str) -> None:
        log = folder / "termination-log"
        environment = {**os.environ, worker.TERMINATION_LOG_VARIABLE: str(log)}
        environment.pop(worker.REQUEST_VARIABLE, None)
        if document is not None:
            environment[worker.REQUEST_VARIABLE] = document
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.code = done.returncode
        self.reports = [contract.REPORT.validate_json(line) for line in done.stdout.splitlines()]
        self.errors = done.stderr
        self.termination = contract.Termination.model_validate_json(log.read_text(encoding="utf-8"))
        self.termination_bytes = log.stat().st_size


def candidates_of(reports: list[contract.Report]) -> list[str]:
    assert all(isinstance(report, contract.MergeReport) for report in reports)
    return [report.candidate for report in reports if isinstance(report, contract.MergeReport)]


def test_every_candidate_gets_a_report_on_standard_output_and_in_the_termination_message(tmp_path: Path) -> None:
    once = Once(request("a", "b"), tmp_path)

    assert once.code == 0
    assert candidates_of(once.reports) == ["a", "b"]
    assert once.termination.exit == contract.Exit(code=0)
    assert list(once.termination.reports) == once.reports


def test_a_process_without_a_termination_message_to_write_reports_on_standard_output_alone() -> None:
    environment = {**os.environ, worker.REQUEST_VARIABLE: request("a")}
    environment.pop(worker.TERMINATION_LOG_VARIABLE, None)

    done = subprocess.run(PROGRAM, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode == 0
    assert candidates_of([contract.REPORT.validate_json(line) for line in done.stdout.splitlines()]) == ["a"]


def test_a_report_echoes_the_hash_of_its_request(tmp_path: Path) -> None:
    asked = contract.REQUEST.validate_json(request("a"))
    assert isinstance(asked, contract.MergeRequest)

    (report,) = Once(request("a"), tmp_path).reports

    assert isinstance(report, contract.MergeReport)
    assert report.request_hash == asked.hash_of(asked.candidates[0])


EXITS: dict[str, tuple[str | None, int, str, str]] = {
    "no request at all": (None, 64, "MalformedRequest", "$MERGESEARCH_REQUEST is not set"),
    "an empty request": ("\n", 64, "MalformedRequest", "$MERGESEARCH_REQUEST is not set"),
    "no JSON": ("{", 64, "MalformedRequest", "the request is no JSON: EOF while parsing an object at line 1 column 1"),
    "no text": ("\udcff", 64, "MalformedRequest", "the request: should be a valid string"),
    "a field that nobody knows": (request("a", colour="red"), 64, "MalformedRequest", "colour: there is no such field"),
    "no candidate": (request(), 64, "MalformedRequest", "candidates: too few entries"),
    "an error of our own tree": (request("refused"), 64, "CheckpointMissing", "sft-03: not there"),
    "one invalid candidate": (request("invalid"), 65, "NonFiniteWeights", "3 NaN"),
    "a full disk": (request("full"), 66, "NoSpace", "No space left on device"),
    "no memory": (request("hungry"), 75, "OutOfMemory", "out of memory"),
    "an unforeseen error": (request("crash"), 75, "Unexpected", "RuntimeError: something nobody foresaw"),
    "a broken document inside the handler": (request("misread"), 75, "Unexpected", "ValidationError"),
}


@pytest.mark.parametrize(("document", "code", "reason", "message"), EXITS.values(), ids=EXITS)
def test_the_exit_code_and_its_reason_for(
    tmp_path: Path, document: str | None, code: int, reason: str, message: str
) -> None:
    once = Once(document, tmp_path)

    assert once.code == code == once.termination.exit.code
    assert once.termination.exit.reason == reason
    assert message in once.termination.exit.message
    assert message in once.errors


NOT_FATAL = {
    "an invalid candidate in a batch": ("a", "invalid"),
    "one candidate that may succeed later": ("unlucky",),
}


@pytest.mark.parametrize("names", NOT_FATAL.values(), ids=NOT_FATAL)
def test_the_process_is_done_when_its_reports_tell_of(tmp_path: Path, names: tuple[str, ...]) -> None:
    once = Once(request(*names), tmp_path)

    assert once.code == 0
    assert candidates_of(once.reports) == list(names)


def test_a_batch_that_dies_keeps_the_reports_it_has_published(tmp_path: Path) -> None:
    once = Once(request("a", "b", "crash", "c"), tmp_path)

    assert once.code == 75
    assert candidates_of(once.reports) == ["a", "b"]
    assert candidates_of(list(once.termination.reports)) == ["a", "b"]


def test_an_unforeseen_error_leaves_its_traceback_on_standard_error(tmp_path: Path) -> None:
    assert 'raise RuntimeError("something nobody foresaw")' in Once(request("crash"), tmp_path).errors


def test_whatever_is_written_to_standard_output_goes_to_standard_error(tmp_path: Path) -> None:
    once = Once(request("noisy", "a"), tmp_path)

    assert candidates_of(once.reports) == ["noisy", "a"]
    for words in ("printed", "written without a line's end", "written past Python", "written by a child"):
        assert words in once.errors


def test_a_termination_message_that_would_be_too_long_becomes_a_digest(tmp_path: Path) -> None:
    once = Once(request("long"), tmp_path)

    assert once.termination_bytes <= contract.TERMINATION_MESSAGE_BYTES
    assert once.termination.reports == ()
    assert once.termination.reports_digest == contract.digest([report.to_json() for report in once.reports])
    assert once.termination.exit.reason == reasons.Reason.NON_FINITE_WEIGHTS


@pytest.mark.parametrize("names", [("long",), tuple(f"g0-c{index}" for index in range(40))], ids=["long", "many"])
def test_reports_that_do_not_fit_are_found_by_their_digest_in_the_log_and_on_the_workspace(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    (tmp_path / "workspace").mkdir()

    once = Once(request("a", *names), tmp_path, "--volume", f"workspace={tmp_path / 'workspace'}")

    pointer = once.termination.reports_digest
    assert pointer is not None
    written = (tmp_path / "workspace" / files.answer_file("1234", pointer)).read_text(encoding="utf-8")
    printed = "".join(report.to_json() + "\n" for report in once.reports)
    assert written == printed
    log = f"now a\n{printed.replace(chr(10), chr(10) + 'progress of some kind' + chr(10))}"
    assert contract.reports_in(log, pointer) == contract.reports_in(written, pointer) == tuple(once.reports)
    assert candidates_of(once.reports) == ["a", *names]
    assert json.loads((tmp_path / "workspace" / "1234" / files.MARKER).read_text()) == {"uid": "1234", "name": "soup"}


def test_a_log_that_lacks_a_report_or_holds_another_is_not_taken_for_the_answer(tmp_path: Path) -> None:
    once = Once(request("a", "b"), tmp_path)
    lines = [report.to_json() for report in once.reports]
    pointer = contract.digest_of(once.reports)

    assert contract.reports_in("\n".join(lines), pointer) == tuple(once.reports)
    assert contract.reports_in(lines[0], pointer) is None
    assert contract.reports_in("\n".join([*lines, lines[0]]), pointer) is None
    assert contract.reports_in("\n".join(reversed(lines)), pointer) is None
    assert contract.reports_in("", pointer) is None


def test_reports_that_cannot_be_put_on_the_workspace_are_still_in_the_log(tmp_path: Path) -> None:
    once = Once(request("long"), tmp_path, "--volume", f"workspace={tmp_path / 'nobody'}")

    assert once.termination.reports_digest is not None
    assert contract.reports_in("\n".join(r.to_json() for r in once.reports), once.termination.reports_digest)
    assert "the reports are on standard output only: volume 'workspace'" in once.errors


@given(
    st.builds(
        contract.Exit,
        code=st.integers(0, 255),
        reason=st.none() | st.sampled_from(reasons.Reason),
        message=st.text(max_size=200).flatmap(lambda text: st.integers(0, 40).map(lambda times: text * times)),
    ),
    st.lists(st.text('ß\0"a', max_size=2000), max_size=20),
)
def test_a_termination_message_never_passes_its_limit(end: contract.Exit, messages: list[str]) -> None:
    reports: list[contract.Report] = [
        contract.MergeReport(
            version=1,
            candidate=f"g0-c{index}",
            request_hash="a" * 64,
            failure=contract.Failure(reason=reasons.Reason.UNEXPECTED, message=message),
        )
        for index, message in enumerate(messages)
    ]

    text = contract.termination_message(reports, end)

    assert len(text.encode()) <= contract.TERMINATION_MESSAGE_BYTES
    read = contract.Termination.model_validate_json(text)
    assert read.exit.code == end.code
    assert list(read.reports) == reports or read.reports_digest is not None


@pytest.mark.parametrize("document", [None, "{", request("a", kind="mrge")], ids=["unset", "no JSON", "a kind"])
def test_what_is_wrong_with_a_request_is_told_in_one_line(tmp_path: Path, document: str | None) -> None:
    once = Once(document, tmp_path)

    assert once.errors == f"MalformedRequest: {once.termination.exit.message}\n"
    assert len(once.errors.splitlines()) == 1


# --- Volumes ---


def test_a_volume_is_found_where_the_arguments_say(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()

    once = Once(request("looks"), tmp_path, "--volume", f"checkpoints={tmp_path}")

    assert once.code == 0
    assert str(tmp_path / "one") in once.errors


def test_a_volume_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    once = Once(request("looks"), tmp_path, "--volume", f"workspace={tmp_path}")

    assert once.code == 64
    assert once.termination.exit.message == (
        "volume 'checkpoints': /volumes/checkpoints is not a folder (volumes given: workspace)"
    )


@pytest.mark.parametrize("text", ["checkpoints", "=folder", "checkpoints="])
def test_a_volume_without_a_name_or_a_folder_is_refused(text: str) -> None:
    done = subprocess.run([*PROGRAM, "--volume", text], capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode == 2
    assert f"{text!r} is not NAME=DIR" in done.stderr


# --- Many requests from standard input ---


class Resident:
    """A process that serves requests until its input ends."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def receive(self) -> contract.Answer:
        assert self.process.stdout is not None
        return contract.Answer.model_validate_json(self.process.stdout.readline())

    def ask(self, line: str) -> list[contract.Answer]:
        """All answers to one request, the last with its exit."""
        self.send(line)
        answers = [self.receive()]
        while answers[-1].exit is None:
            answers.append(self.receive())
        return answers

    def end_input(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@pytest.fixture
def resident() -> Iterator[Resident]:
    one = Resident()
    yield one
    with one.process:
        one.process.kill()


def exit_of(answers: list[contract.Answer]) -> contract.Exit:
    assert answers[-1].exit is not None
    return answers[-1].exit


def test_each_request_is_answered_with_progress_reports_and_an_exit(resident: Resident) -> None:
    answers = resident.ask(request("a", "b"))

    assert [answer.progress for answer in answers if answer.progress] == ["now a", "now b"]
    assert candidates_of([answer.report for answer in answers if answer.report]) == ["a", "b"]
    assert exit_of(answers).code == 0
    assert resident.end_input() == 0


def test_a_request_that_fails_does_not_end_a_resident_process(resident: Resident) -> None:
    codes = [
        exit_of(resident.ask(line)).code
        for line in (request("crash"), "no JSON", request("full"), request("invalid"), request("a"))
    ]

    assert codes == [75, 64, 66, 65, 0]
    assert resident.end_input() == 0


def test_a_resident_process_tells_what_is_wrong_with_a_request_in_plain_words(resident: Resident) -> None:
    assert exit_of(resident.ask(request("a", version=2))).message == "version: should be 1; found 2"


def test_empty_lines_between_requests_are_no_requests(resident: Resident) -> None:
    resident.send("")
    resident.send("   ")

    assert exit_of(resident.ask(request("a"))).code == 0
    assert resident.end_input() == 0


def test_a_request_of_a_megabyte_fits_into_a_line(resident: Resident) -> None:
    names = [f"g{index}" for index in range(20_000)]
    resident.send(request("a", prune=names))

    assert resident.receive().progress == "now a"


def test_the_answers_are_not_mixed_with_what_a_handler_prints(resident: Resident) -> None:
    answers = resident.ask(request("noisy"))

    assert len(answers) == 3
    assert resident.end_input() == 0
    assert resident.process.stderr is not None
    assert "written by a child" in resident.process.stderr.read()


def test_a_resident_process_ignores_ctrl_c_which_is_its_parents_business(resident: Resident) -> None:
    resident.ask(request("a"))

    resident.signal(signal.SIGINT)

    assert exit_of(resident.ask(request("b"))).code == 0
    assert resident.end_input() == 0


def test_sigterm_ends_an_idle_resident_process_with_143(resident: Resident) -> None:
    resident.ask(request("a"))

    resident.signal(signal.SIGTERM)

    assert resident.process.wait(PATIENCE) == 143


def test_sigterm_ends_a_busy_resident_process_with_143_and_an_exit_that_says_so(resident: Resident) -> None:
    resident.send(request("waits"))
    assert resident.receive().progress == "now waits"

    resident.signal(signal.SIGTERM)

    end = resident.receive().exit
    assert end is not None
    assert (end.code, end.reason) == (143, reasons.Reason.INTERRUPTED)
    assert resident.process.wait(PATIENCE) == 143


def test_a_library_that_swallows_whatever_goes_wrong_does_not_swallow_sigterm(resident: Resident) -> None:
    resident.send(request("swallows"))
    assert resident.receive().progress == "now swallows"

    resident.signal(signal.SIGTERM)

    end = resident.receive().exit
    assert end is not None
    assert end.code == 143


def test_the_log_of_a_process_without_work_says_nothing_of_its_end(resident: Resident) -> None:
    resident.ask(request("a"))
    assert resident.process.stderr is not None

    resident.signal(signal.SIGTERM)

    assert resident.process.wait(PATIENCE) == 143
    assert resident.process.stderr.read() == ""


@pytest.mark.parametrize("document", [request("waits"), request("tidies-up")], ids=["busy", "tidying-up"])
def test_the_log_of_a_process_that_was_asked_to_stop_twice_has_one_line_about_it(
    resident: Resident, document: str
) -> None:
    resident.ask(request("a"))
    resident.send(document)
    assert resident.receive().progress is not None
    assert resident.process.stderr is not None

    resident.signal(signal.SIGTERM)
    assert resident.process.stderr.readline() == "asked to stop by SIGTERM\n"
    resident.signal(signal.SIGTERM)

    assert resident.process.wait(PATIENCE) == 143
    assert resident.process.stderr.read() == ""


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "ctrl-c"])
def test_a_process_with_one_request_that_is_asked_to_stop_ends_with_143_and_one_line_and_keeps_its_reports(
    tmp_path: Path, asked: signal.Signals
) -> None:
    log = tmp_path / "termination-log"
    environment = {**os.environ, worker.REQUEST_VARIABLE: request("a", "waits")}
    with subprocess.Popen(
        PROGRAM,
        env={**environment, worker.TERMINATION_LOG_VARIABLE: str(log)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert candidates_of([contract.REPORT.validate_json(process.stdout.readline())]) == ["a"]
        assert [process.stderr.readline() for _ in range(2)] == ["now a\n", "now waits\n"]
        process.send_signal(asked)
        code = process.wait(PATIENCE)
        said = process.stderr.read().splitlines()

    assert said == [f"asked to stop by {asked.name}"]
    termination = contract.Termination.model_validate_json(log.read_text())
    assert code == termination.exit.code == 143
    assert candidates_of(list(termination.reports)) == ["a"]


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([*sys.argv[2:], "--serve"], stdin=subprocess.PIPE, text=True)
child.stdin.write(sys.argv[1] + "\\n")
child.stdin.flush()
time.sleep(3600)
"""


@pytest.mark.parametrize("document", [request("a"), request("waits")], ids=["idle", "busy"])
def test_a_resident_process_dies_with_its_parent(document: str) -> None:
    """The child holds the other end of our pipe: its end is the child's end."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, document, *PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        parent.kill()
        rest = parent.stdout.read()

    assert "Unexpected" not in rest


# --- What counts as which error, without a process ---


def raising(error: Exception) -> worker.Handler:
    def handler(
        request: contract.Request, volumes: worker.Volumes, emit: worker.Emit, progress: worker.Progress
    ) -> None:
        raise error

    return handler


TREE: dict[str, tuple[errors.MergeSearchError, int]] = {
    "give up": (errors.GiveUpError("x", reason=reasons.Reason.REQUEST_REFUSED), 64),
    "invalid request": (errors.InvalidRequestError("x", reason=reasons.Reason.TASK_UNKNOWN), 64),
    "invalid candidate": (errors.InvalidCandidateError("x", reason=reasons.Reason.NON_FINITE_SCORE), 65),
    "try again": (errors.TryAgainError("x", reason=reasons.Reason.ENGINE_FAILED), 75),
    "no space": (errors.NoSpaceError("x", reason=reasons.Reason.NO_SPACE), 66),
}


@pytest.mark.parametrize(("error", "code"), TREE.values(), ids=TREE)
def test_each_error_of_the_tree_has_its_exit_code(error: errors.MergeSearchError, code: int) -> None:
    end = worker.answer(raising(error), request("a"), worker.Volumes({}), lambda _: None, lambda _: None)

    assert end == contract.Exit(code=code, reason=error.reason, message="x")


def every_error(base: type[errors.MergeSearchError]) -> list[type[errors.MergeSearchError]]:
    return [base, *(error for child in base.__subclasses__() for error in every_error(child))]


def test_every_error_is_one_of_two_kinds_and_drawn_in_the_tree() -> None:
    assert errors.__doc__ is not None
    for error in every_error(errors.MergeSearchError):
        kinds = [kind for kind in (errors.GiveUpError, errors.TryAgainError) if issubclass(error, kind)]
        assert len(kinds) == 1 or error is errors.MergeSearchError
        assert error.__name__ in errors.__doc__
        assert error.exit_code != errors.ExitCode.DONE


def test_a_report_is_published_whole_with_a_line_end(tmp_path: Path) -> None:
    report = contract.MergeReport(version=1, candidate="a", request_hash="a" * 64)

    worker.publish_report(tmp_path / "reports" / "a.json", report)

    assert (tmp_path / "reports" / "a.json").read_text() == report.to_json() + "\n"


def test_a_message_with_a_file_name_that_is_not_utf8_can_be_sent() -> None:
    def handler(
        request: contract.Request, volumes: worker.Volumes, emit: worker.Emit, progress: worker.Progress
    ) -> None:
        raise errors.TryAgainError("cannot read \udcff.safetensors", reason=reasons.Reason.UNEXPECTED)

    document = contract.CleanupRequest(
        version=1, search=contract.SearchRef(name="soup", uid="3f2a-77"), prune=()
    ).to_json()
    end = worker.answer(handler, document, worker.Volumes({}), lambda _: None, lambda _: None)
    assert "\\udcff.safetensors" in end.to_json().replace("\\\\", "\\")
