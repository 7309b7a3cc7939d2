"""Active time: while some process runs; queueing and suspension do not count; pure."""

from datetime import datetime

from mergesearch.api.status import MergeSearchStatus
from mergesearch.lifecycle.step import ChildState, Step


def tick(step: Step) -> Step:
    """Start the clock when the first process runs, stop it when none does any more."""
    status = step.status
    if status.start_time is None:
        step = step.change(start_time=step.now)
    if status.active_since is not None and step.observed.blind_since is not None:
        step = _stop(step, at=step.observed.blind_since)
    ours = {launch.number for launch in status.launches}
    running = [c for c in step.observed.children if c.launch in ours and c.state is ChildState.RUNNING]
    if running and step.status.active_since is None:
        return step.change(active_since=step.now)
    if not running and step.status.active_since is not None:
        ends = [c.ended_at for c in step.observed.children if c.ended_at is not None]
        return _stop(step, at=max(ends, default=step.now))
    return step


def active_seconds(step: Step) -> float:
    """Active time until now, in seconds."""
    since = step.status.active_since
    return step.status.active_seconds + (max(0.0, (step.now - since).total_seconds()) if since is not None else 0.0)


def _stop(step: Step, *, at: datetime) -> Step:
    status: MergeSearchStatus = step.status
    assert status.active_since is not None
    gained = max(0.0, (min(at, step.now) - status.active_since).total_seconds())
    return step.change(active_seconds=round(status.active_seconds + gained, 3), active_since=None)
