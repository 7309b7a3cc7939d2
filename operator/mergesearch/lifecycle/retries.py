"""What follows a failure: another try with the same weights, the end of the candidate, or a stall; pure."""

from datetime import timedelta

from mergesearch.api.status import MAX_MESSAGE, Launch, Record, RecordState, Stage
from mergesearch.contract import Exit, Failure
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import records
from mergesearch.lifecycle.step import Step, clip
from mergesearch.reasons import Reason

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
MAX_DISRUPTIONS = 10
"""Times that a record may be sent back without a fault of its own before the search stalls."""
REASONS_OF_CODES = {
    int(ExitCode.INVALID_REQUEST): Reason.REQUEST_REFUSED,
    int(ExitCode.NO_SPACE): Reason.NO_SPACE,
    int(ExitCode.INTERRUPTED): Reason.INTERRUPTED,
    int(ExitCode.TRANSIENT): Reason.UNEXPECTED,
}
"""What an exit code says where its process could not say more."""


def settle(step: Step, launch: Launch, record: Record, failure: Failure) -> Step:
    """A failure of the candidate's own, or one that is charged to it."""
    note: dict[str, object] = {"reason": failure.reason, "message": clip(failure.message, MAX_MESSAGE)}
    if not failure.transient:
        return _give_up(step, launch, record, note)
    charged = record.charged + 1
    allowed = step.spec.merger.retries if launch.stage is Stage.MERGE else step.spec.evaluator.retries
    if charged <= allowed:
        again = records.sent_back(record, charged=charged, not_before=step.now + pause(charged), **note)
        return records.put(step, launch.split, again)
    if failure.reason is Reason.NO_SPACE:
        step = step.stall(Reason.STORAGE_FULL, f"{record.id}: {failure.message}")
        return records.put(step, launch.split, records.sent_back(record, **note))
    return _give_up(step, launch, record, note | {"charged": charged})


def excuse(step: Step, launch: Launch, record: Record, reason: Reason, message: str) -> Step:
    """Not the candidate's fault: the platform ended its process, or its weights were lost. Nothing is charged, but the
    pauses grow and there is a cap.
    """
    times = record.disruptions + 1
    note = {"reason": reason, "message": clip(message, MAX_MESSAGE), "disruptions": times}
    if times > MAX_DISRUPTIONS:
        words = f"{record.id}: sent back {times} times without a fault of its own; last: {reason}: {message}"
        step = step.stall(Reason.DISRUPTED_TOO_OFTEN, words)
    again = records.sent_back(record, not_before=step.now + pause(times), **note)
    return records.put(step, launch.split, again)


def part(step: Step, launch: Launch, record: Record, reason: Reason, message: str) -> Step:
    """The process of several candidates died, and nobody knows through which: each is tried alone, and nothing is
    charged until one dies alone.
    """
    note = {"reason": reason, "message": clip(message, MAX_MESSAGE), "alone": True}
    again = records.sent_back(record, not_before=step.now + pause(record.charged + 1), **note)
    return records.put(step, launch.split, again)


def pause(times: int) -> timedelta:
    """How long to wait after so many failures: doubling, up to a cap."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(times - 1, 20)))


def reason_of(end: Exit) -> Reason:
    """Why a process ended, as it said itself or as its exit code says."""
    return end.reason or REASONS_OF_CODES.get(end.code, Reason.PROCESS_DIED)


def _give_up(step: Step, launch: Launch, record: Record, note: dict[str, object]) -> Step:
    return records.change(step, launch.split, record, state=RecordState.FAILED, finished_at=step.now, **note)
