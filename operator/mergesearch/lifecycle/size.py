"""That no status is written that is larger than its bound; pure.

The bounds of the spec keep every status below it; this holds where they should ever fail to.
"""

from dataclasses import replace

from mergesearch.api.status import MAX_STATUS_BYTES, MergeSearchStatus
from mergesearch.lifecycle import summary
from mergesearch.lifecycle.step import Step
from mergesearch.reasons import Reason

RECORD_BYTES = 1500
"""More than a record takes beside its vector: 700 at the bounds of the spec."""
OTHER_BYTES = 60_000
"""More than all else takes."""


def bounded(step: Step, before: MergeSearchStatus, limit: int = MAX_STATUS_BYTES) -> MergeSearchStatus:
    """The status of the step; where that is too large the one before, stalled."""
    if _is_small(step.status, limit):
        return step.status
    size = len(step.status.to_stored().encode())
    if size <= limit:
        return step.status
    if before.stalled is not None and before.stalled.reason is Reason.STATUS_TOO_LARGE:
        return before
    message = f"the next status would have {size} bytes, at most {limit} can be kept: start a new, smaller search"
    return summary.stalled(replace(step, status=before), Reason.STATUS_TOO_LARGE, message)


def _is_small(status: MergeSearchStatus, limit: int) -> bool:
    """Whether a status is so small that nobody needs to write it down to know."""
    records = len(status.baselines) + len(status.candidates) + len(status.confirmations)
    vectors = sum(len(record.x or "") for record in status.candidates)
    return OTHER_BYTES + RECORD_BYTES * records + vectors <= limit
