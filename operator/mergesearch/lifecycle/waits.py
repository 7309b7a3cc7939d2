"""When a search stalls for children that do not start, and goes on when they do; pure.

A child that waits for longer than `pendingDeadlineSeconds` for its image, its volumes or its configuration says nothing
of its candidates: none of its processes ever ran, and it is charged to nobody.

another child of its stage runs,   it is ended as if the platform had ended it, and made anew after a growing pause: a
or has done its work meanwhile     bad node stops no other. An image that only the others' nodes still have comes to
                                   `DisruptedTooOften`, in whose words it stands, or to the line below
none of them does or has           it goes on waiting, and the search stalls: nothing more starts
one that shares its request does   the same, with all of them: what was written stays
it is a cleanup                    it has failed: it holds nothing up

The stall holds as long as such a child waits for that, though the platform may find new words for it and count its
time anew: what is mended starts by itself, and a new `spec.retry` makes another child, without the back-off of the one
that waits.
"""

from dataclasses import replace

from mergesearch.api.status import Decision, Launch, RecordState, Stage
from mergesearch.contract import Exit
from mergesearch.errors import ExitCode
from mergesearch.lifecycle import children, launches, preflight, records
from mergesearch.lifecycle.step import MAX_DECISION, WAITS, ChildState, ObservedChild, Step, Waiting, clip

WAY_OUT = "it starts by itself once that is mended; a new value of spec.retry makes another pod at once"


def stall(step: Step) -> Step:
    """Stall while a child waits for too long, and not for that any longer. A search that has ended needs nobody."""
    if step.status.completion_time is not None:
        return step
    found = overdue(step)
    if step.status.stalled is None or holds(step):
        return _told(step, found)
    return _told_beside(step, found)


def holds(step: Step) -> bool:
    """Whether the search is stalled for nothing but a child that does not start."""
    return step.status.stalled is not None and step.status.stalled.reason in WAITS


def overdue(step: Step) -> list[tuple[Launch, Waiting]]:
    """The launches whose children wait for too long, with what they wait for."""
    return [(launch, waiting) for launch, waiting in _waiting(step) if _too_long(step, launch, waiting)]


def give_up(step: Step) -> Step:
    """End the children that wait for something that a person has to mend, for however long; their records wait for
    others. What only queues, or could not be made, stays.
    """
    return launches.abandon_some(step, [launch for launch, waiting in _waiting(step) if waiting.reason in WAITS])


def cut_short(step: Step, launch: Launch, child: ObservedChild) -> ObservedChild:
    """The child, as ended where it has waited for too long and the search does not wait for it."""
    waiting = _of(child)
    if waiting is None or not _too_long(step, launch, waiting):
        return child
    cleanup = launch.stage is Stage.CLEANUP
    # Processes that share a request have one image and one set of volumes: where one has run, the node is bad.
    alone = not child.runs and not _another_runs(step, launch) and not _another_has_run(step, launch)
    if alone and not cleanup:
        return child
    end = Exit(code=ExitCode.TRANSIENT, reason=waiting.reason, message=waiting.message)
    return replace(child, state=ChildState.ENDED, exit=end, disrupted=not cleanup)


def _another_runs(step: Step, launch: Launch) -> bool:
    others = (one for one in step.status.launches if one.stage is launch.stage and one.number != launch.number)
    found = (step.observed.child(other.number) for other in others)
    return any(child is not None and child.state is ChildState.RUNNING for child in found)


def _another_has_run(step: Step, launch: Launch) -> bool:
    """Whether the work of another child of its stage has come in since it was asked for. The time of a merge is not
    kept, so that a merge counts only for a record that was begun no earlier.
    """
    since = launch.created_at
    ran = [record for record in records.everything(step.status) if record.same_as is None]
    if launch.stage is Stage.MERGE:
        begun = (r for r in ran if r.started_at is not None and r.started_at >= since)
        return any(record.merge_seconds is not None and record.state is not RecordState.MERGING for record in begun)
    found = (record.finished_at for record, _ in records.scored(ran))
    return launch.stage is Stage.EVALUATE and any(at is not None and at > since for at in found)


def _too_long(step: Step, launch: Launch, waiting: Waiting) -> bool:
    """Whether a child is overdue, or the standing stall is for what it still waits for: a scheduler says that anew
    whenever a node joins, and its time begins once more.
    """
    standing = step.status.stalled
    if waiting.overdue or standing is None or not holds(step):
        return waiting.overdue
    return standing.reason is waiting.reason and _name(step, launch) in standing.message


def _waiting(step: Step) -> list[tuple[Launch, Waiting]]:
    found = ((launch, _of(step.observed.child(launch.number))) for launch in step.status.launches)
    return [(launch, waiting) for launch, waiting in found if waiting is not None]


def _of(child: ObservedChild | None) -> Waiting | None:
    return child.waiting if child is not None and child.state is not ChildState.ENDED else None


def _told(step: Step, found: list[tuple[Launch, Waiting]]) -> Step:
    """The first wait stays as it was told, whatever words the platform finds for it later, for as long as it lasts;
    then the next one is told. Both halves of the preflight are told at once.
    """
    if not found:
        return step.change(stalled=None)
    standing = step.status.stalled
    before = standing.message.splitlines() if standing is not None else []
    kept = [(line, one) for line in before for one in found if _name(step, one[0]) in line]
    told = [one for _, one in kept] or found[:1]
    told += [one for one in found if one[0].stage in preflight.HALVES and one not in told]
    lines = [line for line, _ in kept]
    lines += [_line(step, launch, waiting) for launch, waiting in told[len(kept) :]]
    same = standing is not None and lines[:1] == before[:1]
    reason = standing.reason if standing is not None and same else told[0][1].reason
    return step.change(stalled=Decision(reason=reason, message=clip("\n".join(lines), MAX_DECISION)))


def _told_beside(step: Step, found: list[tuple[Launch, Waiting]]) -> Step:
    """Beside the problems that the other half of the preflight has found, a wait is told as well, once."""
    for launch, waiting in found:
        standing = step.status.stalled
        if launch.stage in preflight.HALVES and standing is not None and _name(step, launch) not in standing.message:
            step = preflight.stall(step, waiting.reason, _line(step, launch, waiting))
    return step


def _line(step: Step, launch: Launch, waiting: Waiting) -> str:
    """One line, which names the Job: its pods can be described by it."""
    return f"{launch.stage}: Job {_name(step, launch)}: {' '.join(waiting.message.split())}; {WAY_OUT}"


def _name(step: Step, launch: Launch) -> str:
    return children.name(step.resource, launch)
