"""When a launch is over whose reports nobody could read: a read of the workspace takes its place, and what it finds
counts as if that launch had reported it; pure.
"""

from mergesearch.api.status import MAX_MESSAGE, Ended, Launch, Stage
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import accounting, launches, stages
from mergesearch.lifecycle.step import ObservedChild, Step, clip

PUBLISHED = (Stage.MERGE, Stage.EVALUATE, Stage.COMPARE)
"""Stages whose reports lie on the workspace in any case; those of the preflight only where a digest points to them."""
POINTED = (Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS)


def possible(launch: Launch, child: ObservedChild) -> bool:
    """Whether reports are missing that a read may find. What a read has missed is not read again."""
    pointed = launch.stage in POINTED and child.reports_digest is not None
    return child.unread and (launch.stage in PUBLISHED or pointed)


def begin(step: Step, launch: Launch, child: ObservedChild, left: tuple[str, ...] = ()) -> Step:
    """End the launch, and read the reports of the candidates that are left; until then they are as it left them."""
    step = accounting.spend(step, launch, child)
    if child.exit is not None and child.exit.code == ExitCode.DONE:
        step = stages.pruned(step, launch)
    step = launches.drop(step, launch)
    end = None if child.disrupted or child.exit is None else child.exit
    read = Launch(
        number=step.status.next_launch,
        stage=Stage.READ,
        split=launch.split,
        candidates=left,
        created_at=step.now,
        reads=launch.stage,
        answers=child.reports_digest,
        ended=None if end is None else Ended(code=end.code, reason=end.reason, message=clip(end.message, MAX_MESSAGE)),
    )
    return step.change(launches=(*step.status.launches, read), next_launch=read.number + 1)
