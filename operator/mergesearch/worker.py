"""The frame of the merger's and the evaluator's entry points: request in, reports out, exit code. Standard library
and pydantic only.

    one request    the request stands in REQUEST_VARIABLE; reports go to standard output, one line each, and into the
                   pod's termination message, or where that points (`contract.Termination`); the process ends with the
                   request's exit code
    `--serve`      requests come on standard input, one a line; every line of standard output is an `Answer`, and one
                   with `exit` ends a request. The process ends at the end of its input, or when its parent dies

Whatever a library prints goes to standard error: file descriptor 1 is taken away before the first handler runs.
"""

import argparse
import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol, TextIO

from pydantic import ValidationError

from mergesearch import contract, files
from mergesearch.contract import (
    REQUEST,
    Answer,
    EvaluationRequest,
    Exit,
    MergeRequest,
    Model,
    Report,
    Request,
    VolumePath,
    malformed,
)
from mergesearch.errors import ExitCode, InvalidRequestError, MergeSearchError
from mergesearch.reasons import Reason

REQUEST_VARIABLE = "MERGESEARCH_REQUEST"
"""Environment variable that holds the request of a process that serves just one."""
TERMINATION_LOG_VARIABLE = "MERGESEARCH_TERMINATION_LOG"
"""Environment variable with the path of the kubelet's termination message, where there is one."""
SANDBOX_VARIABLE = "MERGESEARCH_SANDBOX"
"""Environment variable with the path of the socket at which an evaluator waits for its pod's sandbox container."""
DEFAULT_MOUNTS = Path("/volumes")
"""Where a volume lies that no `--volume` names: in a folder of its name."""
PARENT_VARIABLE = "MERGESEARCH_PARENT"
"""Environment variable with the process id of a resident process's parent, which may be gone before this one looks."""
PARENT_CHECK_SECONDS = 1.0


class Interruption(BaseException):
    """The process was asked to stop by a signal. No Exception, as KeyboardInterrupt is none: a library that takes what
    its caller raises for a fault of its own, and goes on, must not swallow it.
    """


class Volumes:
    """Where the named volumes of a request lie in this process."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self._roots = dict(roots)

    def root(self, name: str) -> Path:
        """The folder where a volume is mounted. Raises InvalidRequestError if there is none."""
        root = self._roots.get(name, DEFAULT_MOUNTS / name)
        if not root.is_dir():
            known = ", ".join(sorted(self._roots)) or "none"
            raise InvalidRequestError(
                f"volume {name!r}: {root} is not a folder (volumes given: {known})", reason=Reason.CHECKPOINT_MISSING
            )
        return root

    def resolve(self, location: VolumePath) -> Path:
        """The path of a location; symlinks may not lead out of the volume. Raises InvalidRequestError."""
        return files.resolve_inside(self.root(location.volume), location.path)


Emit = Callable[[Report], None]
Progress = Callable[[str], None]


class Handler(Protocol):
    """Meets one request: emits a report for each candidate as it is done; raises MergeSearchError for the process as
    a whole.
    """

    def __call__(self, request: Request, volumes: Volumes, emit: Emit, progress: Progress) -> None:
        """Raises MergeSearchError; anything else counts as transient."""


def run(
    program: str,
    handler: Handler,
    argv: Sequence[str] | None = None,
    options: argparse.ArgumentParser | None = None,
) -> int:
    """Serve one request from the environment, or with `--serve` many from standard input. Returns the exit code.

    `options` are those of the program's own, which it has read already; here they are only let pass, and shown.
    """
    arguments = _parser(program, options).parse_args(argv)
    protocol = _take_standard_output()
    volumes = Volumes(dict(arguments.volume))
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop)
    try:
        if not arguments.serve:
            if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell leaves it for what runs behind it
                signal.signal(signal.SIGINT, stop)
            stop.working = True
            return _serve_once(handler, volumes, protocol)
        # Ctrl-C reaches the whole foreground group: what becomes of this process is its parent's decision.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(
            target=_die_with_parent, args=(int(os.environ.get(PARENT_VARIABLE) or os.getppid()),), daemon=True
        ).start()
        return _serve(handler, volumes, sys.stdin, protocol, stop)
    except Interruption:
        return ExitCode.INTERRUPTED


def answer(handler: Handler, document: str, volumes: Volumes, emit: Emit, progress: Progress) -> Exit:
    """Meet one request given as JSON; errors become an exit. The one place where they do."""
    reports: list[Report] = []

    def remember(report: Report) -> None:
        reports.append(report)
        emit(report)

    try:
        request = REQUEST.validate_json(document)
    except ValidationError as error:
        return Exit(code=ExitCode.INVALID_REQUEST, reason=Reason.MALFORMED_REQUEST, message=malformed.told(error))
    try:
        handler(request, volumes, remember, progress)
    except Interruption as asked:
        return Exit(code=ExitCode.INTERRUPTED, reason=Reason.INTERRUPTED, message=str(asked))
    except MergeSearchError as error:
        return Exit(code=error.exit_code, reason=error.reason, message=_printable(error.message))
    except Exception as error:  # noqa: BLE001 - the border: what nobody foresaw is transient and loud
        return _unforeseen(error)
    return _exit_of(request, reports)


def _unforeseen(error: Exception) -> Exit:
    if isinstance(error, MemoryError):
        return Exit(code=ExitCode.TRANSIENT, reason=Reason.OUT_OF_MEMORY, message=str(error) or "out of memory")
    traceback.print_exc()
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exit(code=ExitCode.NO_SPACE, reason=Reason.NO_SPACE, message=_printable(str(error)))
    message = _printable(f"{type(error).__name__}: {error}")
    return Exit(code=ExitCode.TRANSIENT, reason=Reason.UNEXPECTED, message=message)


def _printable(message: str) -> str:
    """A message that JSON can hold: file names that are not UTF-8 come as lone surrogates."""
    return message.encode("utf-8", "backslashreplace").decode("utf-8")


def _exit_of(request: Request, reports: Sequence[Report]) -> Exit:
    """A batch of one whose candidate can never succeed ends with 65; everything else that has its reports is done. One
    report may also be all that a process has of a larger batch, which it shares with others.
    """
    alone = isinstance(request, MergeRequest | EvaluationRequest) and len(request.candidates) == 1
    failure = reports[0].failure if alone and len(reports) == 1 else None
    if failure is not None and not failure.transient:
        return Exit(code=ExitCode.INVALID_CANDIDATE, reason=failure.reason, message=failure.message)
    return Exit(code=ExitCode.DONE)


def _serve_once(handler: Handler, volumes: Volumes, protocol: TextIO) -> int:
    reports: list[Report] = []

    def emit(report: Report) -> None:
        reports.append(report)
        _print(protocol, report)

    document = os.environ.get(REQUEST_VARIABLE, "")
    if document.strip():
        end = answer(handler, document, volumes, emit, lambda sentence: print(sentence, file=sys.stderr))  # noqa: T201
    else:
        unset = f"${REQUEST_VARIABLE} is not set"
        end = Exit(code=ExitCode.INVALID_REQUEST, reason=Reason.MALFORMED_REQUEST, message=unset)
    if end.message and end.code != ExitCode.INTERRUPTED:  # of that the log tells already
        print(f"{end.reason}: {end.message}", file=sys.stderr)  # noqa: T201
    log = os.environ.get(TERMINATION_LOG_VARIABLE)
    if log:
        message = contract.termination_message(reports, end)
        pointer = contract.Termination.model_validate_json(message).reports_digest
        if pointer is not None:
            _publish_answer(document, volumes, pointer, reports)
        Path(log).write_text(message, encoding="utf-8")
    return end.code


def _publish_answer(document: str, volumes: Volumes, pointer: str, reports: Sequence[Report]) -> None:
    """Write the reports where the termination message points. Standard output has them too, so what goes wrong here is
    told and no more.
    """
    search = REQUEST.validate_json(document).search
    try:
        workspace = volumes.root(files.WORKSPACE_VOLUME)
        files.claim_search_folder(workspace, search.uid, search.name)
        path = workspace / files.answer_file(search.uid, pointer)
        files.write_atomically(path, "".join(report.to_json() + "\n" for report in reports))
    except (MergeSearchError, OSError) as error:
        print(f"the reports are on standard output only: {error}", file=sys.stderr)  # noqa: T201


def _serve(handler: Handler, volumes: Volumes, requests: TextIO, protocol: TextIO, stop: "_Stop") -> int:
    for line in requests:
        if line.strip():
            stop.working = True
            end = answer(
                handler,
                line,
                volumes,
                lambda report: _print(protocol, Answer(report=report)),
                lambda sentence: _print(protocol, Answer(progress=sentence)),
            )
            stop.working = False  # before the parent can know it, who may ask to stop at once
            _print(protocol, Answer(exit=end))
            if end.code == ExitCode.INTERRUPTED:
                return end.code
    return ExitCode.DONE


def publish_report(path: Path, report: Report) -> None:
    """Write a report where `files.py` says, atomically. Raises OSError."""
    files.write_atomically(path, report.to_json() + "\n")


def _print(protocol: TextIO, document: Model) -> None:
    protocol.write(document.to_json() + "\n")
    protocol.flush()


def _take_standard_output() -> TextIO:
    sys.stdout.flush()
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return protocol


class _Stop:
    """What a signal does that asks the process to stop."""

    def __init__(self) -> None:
        self.working = False
        """On a request. The end of a process that waits for one is no interruption, and nothing for its log."""

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        # A second signal would cut off what tidies up after the first; whoever is out of patience has SIGKILL.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asked = f"asked to stop by {signal.Signals(number).name}"
        if self.working:
            os.write(2, f"{asked}\n".encode())
        raise Interruption(asked)


def _die_with_parent(parent: int) -> None:
    """A resident process whose parent was killed must not go on working for nobody."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(ExitCode.INTERRUPTED)


def _volume(text: str) -> tuple[str, Path]:
    try:
        return files.named_folder(text)
    except ValueError as error:
        # argparse shows the words of its own error only.
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser(program: str, options: argparse.ArgumentParser | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description=f"Takes its request from ${REQUEST_VARIABLE}.",
        epilog=options.epilog if options else None,
        parents=[options] if options else [],
    )
    parser.add_argument("--serve", action="store_true", help="stay, and read one request a line from standard input")
    parser.add_argument(
        "--volume",
        action="append",
        default=[],
        type=_volume,
        metavar="NAME=DIR",
        help=f"where a volume lies (default: {DEFAULT_MOUNTS}/NAME); may be repeated",
    )
    return parser
