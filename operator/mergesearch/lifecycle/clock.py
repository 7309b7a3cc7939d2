"""Active time: while some process runs; queueing and suspension do not count; pure."""

from datetime import datetime

from mergesearch.lifecycle.step import ChildState, Step


def tick(step: Step) -> Step:
    """Start the clock when the first process runs, stop it when none does any more.

    It comes before the outcomes are folded, so that a process counts which was over before anybody saw it run.
    """
    if step.status.start_time is None:
        step = step.change(start_time=step.now)
    if step.observed.blind_since is not None:
        step = _stop(step, at=step.observed.blind_since)
    ours = {launch.number for launch in step.status.launches}
    ran = [c for c in step.observed.children if c.launch in ours and c.state is not ChildState.PENDING]
    if ran and step.status.active_since is None:
        step = step.change(active_since=min((c.started_at for c in ran if c.started_at is not None), default=step.now))
    if any(child.state is ChildState.RUNNING for child in ran):
        return step
    since = step.status.active_since
    ends = [child.ended_at for child in step.observed.children if child.ended_at is not None]
    return _stop(step, at=max((end for end in ends if since is not None and end > since), default=step.now))


def active_seconds(step: Step) -> float:
    """Active time until now, in seconds."""
    since = step.status.active_since
    return step.status.active_seconds + (max(0.0, (step.now - since).total_seconds()) if since is not None else 0.0)


def _stop(step: Step, *, at: datetime) -> Step:
    since = step.status.active_since
    if since is None:
        return step
    gained = max(0.0, (min(at, step.now) - since).total_seconds())
    return step.change(active_seconds=round(step.status.active_seconds + gained, 3), active_since=None)
