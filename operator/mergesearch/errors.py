"""The error tree and the exit codes. Standard library only.

Foreign errors are wrapped once, at the border, with the cause chained. There are two kinds: give up with a reason, or
try again later.

    MergeSearchError
    ├── GiveUpError               nothing changes by trying again
    │   ├── InvalidManifestError  the user's YAML is wrong                    CLI exit 2
    │   ├── InvalidRequestError   the request cannot be met as it stands      exit 64
    │   └── InvalidCandidateError this candidate can never be scored          exit 65
    └── TryAgainError             the same request may succeed later          exit 75
        ├── NoSpaceError          after something was removed                 exit 66
        └── StateHeldError        another run works on the state folder       CLI exit 1

Being asked to stop is no error: `worker.Interruption`, exit 143.
"""

from enum import IntEnum

from mergesearch.reasons import Reason


class ExitCode(IntEnum):
    """What a merger's or evaluator's exit says about the process, not about its candidates."""

    DONE = 0
    """Every candidate of the batch has a report, which may say that it failed."""
    INVALID_REQUEST = 64
    INVALID_CANDIDATE = 65
    """Only for a batch of one."""
    NO_SPACE = 66
    TRANSIENT = 75
    INTERRUPTED = 143
    """SIGTERM or Ctrl-C; never 0, so that a drained pod is not taken for a finished one."""


class CliExitCode(IntEnum):
    """Exit codes of the `mergesearch` command."""

    COMPLETE = 0
    ERROR = 1
    """An internal error, a state folder that is damaged or cannot be written, or another run that holds it."""
    BAD_MANIFEST = 2
    """Or bad arguments or volumes; nothing was started."""
    STALLED = 3
    FAILED = 4
    SUSPENDED = 5
    INTERRUPTED = 130


class MergeSearchError(Exception):
    """Base of all errors of MergeSearch; carries a reason for machines beside the sentence for people."""

    exit_code: ExitCode = ExitCode.TRANSIENT

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class GiveUpError(MergeSearchError):
    """Nothing changes by trying again."""

    exit_code = ExitCode.INVALID_REQUEST


class InvalidManifestError(GiveUpError):
    """The user's manifest is wrong; the message lists every problem with its path."""


class InvalidRequestError(GiveUpError):
    """The request cannot be met as it stands: a person has to mend the manifest, a checkpoint or a volume."""

    exit_code = ExitCode.INVALID_REQUEST


class InvalidCandidateError(GiveUpError):
    """This candidate can never be scored: its weights or its score are not finite."""

    exit_code = ExitCode.INVALID_CANDIDATE


class TryAgainError(MergeSearchError):
    """The same request may succeed later."""

    exit_code = ExitCode.TRANSIENT


class NoSpaceError(TryAgainError):
    """The workspace is too small for what the request writes."""

    exit_code = ExitCode.NO_SPACE


class StateHeldError(TryAgainError):
    """Another run works on the state folder of this search."""
