"""Which launches start now: within the parallelism, the room on the workspace and the budgets; pure.

Order within a stage: confirmations, baselines, candidates, and greedy soups last, so that these never delay the search.
"""

from collections.abc import Iterable, Iterator, Sequence

from mergesearch.api.status import Launch, MergeSearchStatus, Record, RecordKind, RecordState, Stage
from mergesearch.contract import Split
from mergesearch.lifecycle import completion, confirmation, expectations, launches, pruning, records, reuse, stopping
from mergesearch.lifecycle.step import Step

Startable = tuple[Split, Record]
STARTABLE = (RecordState.WAITING, RecordState.MERGED)


def start(step: Step) -> Step:
    """Record every launch that may start now."""
    status = step.status
    if step.spec.suspend or status.stalled is not None:
        return step
    if status.completion_time is not None:
        return _once(step, Stage.CLEANUP) if status.failed is None else step
    if status.preflight_due:
        for stage in status.preflight_due:
            step = _once(step, stage)
        return step
    step = _merges(_evaluations(step, merges_follow=True))
    step = _evaluations(step, merges_follow=False)
    if confirmation.comparable(step):
        step = _once(step, Stage.CLEANUP if confirmation.decided(step) else Stage.COMPARE)
    return step


def _once(step: Step, stage: Stage) -> Step:
    """One launch of a stage that has no records, if there is none yet."""
    pause = step.status.stages_not_before
    if any(stage in (launch.stage, launch.reads) for launch in step.status.launches) or (
        pause is not None and pause > step.now
    ):
        return step
    prunes: tuple[str, ...] = ()
    if stage is Stage.CLEANUP:
        prunes = pruning.removable(step)
        if not prunes or completion.cleanup_given_up(step.status):
            return step
    return _add(step, stage, "search", (), prunes)


def _merges(step: Step) -> Step:
    """Start mergers. Each removes as many old weights as it writes new ones, the last one all others, so that the
    workspace does not overflow in whichever order they come to run.
    """
    last: Launch | None = None
    while batch := _next_merge(step):
        ids = tuple(record.id for _, record in batch)
        prunes = tuple(identity for identity in pruning.removable(step) if identity not in ids)[: len(ids)]
        step = _move(step, batch, RecordState.MERGING)
        step = _add(step, Stage.MERGE, batch[0][0], ids, prunes)
        last = step.status.launches[-1]
    if last is None or not (rest := pruning.removable(step)):
        return step
    last = last.model_copy(update={"prunes": (*last.prunes, *rest)})
    return step.change(launches=(*step.status.launches[:-1], last))


def _next_merge(step: Step) -> list[Startable]:
    queue = [(split, r) for split, r in _queue(step) if not records.weights_ready(step.status, r)]
    # Weights that lie there already and only lack their digests take no room.
    there = [(split, r) for split, r in queue if records.source(step.status, r).merged]
    missing = [(split, r) for split, r in queue if (split, r) not in there]
    size, room = step.spec.merger.batch, step.spec.storage.max_pending - pruning.pending(step)
    for some in _by_split(there):
        if batch := _batch(step, Stage.MERGE, some, size):
            return batch
    for some in _by_split(missing):
        if _better_later(step, some, room):
            continue
        if batch := _batch(step, Stage.MERGE, some, min(size, room)):
            return batch
    return []


def _better_later(step: Step, waiting: Sequence[Startable], room: int) -> bool:
    """Whether a merger should wait for room rather than read the checkpoints for a part of a batch: there is more to
    merge than there is room, and evaluators have work until then. Something is always in flight that will end.
    """
    size = min(step.spec.merger.batch, step.spec.storage.max_pending)
    if room >= min(size, len(waiting)) or waiting[0][1].alone:
        return False
    merging = _running(step, Stage.MERGE) > 0
    ready = any(records.weights_ready(step.status, record) for _, record in _queue(step))
    return merging or (ready and _running(step, Stage.EVALUATE) > 0)


def _evaluations(step: Step, *, merges_follow: bool) -> Step:
    while _running(step, Stage.EVALUATE) < step.spec.search.parallelism:
        batch = _next_evaluation(step, merges_follow=merges_follow)
        if not batch:
            return step
        step = _move(step, batch, RecordState.EVALUATING)
        step = _add(step, Stage.EVALUATE, batch[0][0], tuple(record.id for _, record in batch), ())
    return step


def _next_evaluation(step: Step, *, merges_follow: bool) -> list[Startable]:
    queue = [(split, r) for split, r in _queue(step) if records.weights_ready(step.status, r)]
    for some in _by_split(queue):
        batch = _batch(step, Stage.EVALUATE, some, step.spec.evaluator.batch)
        if batch and _full_enough(step, batch, merges_follow=merges_follow):
            return batch
    return []


def _full_enough(step: Step, batch: Sequence[Startable], *, merges_follow: bool) -> bool:
    """Whether a batch is full, or nothing that is merged now, or right after this, could still join it."""
    if len(batch) >= step.spec.evaluator.batch or batch[0][1].alone or expectations.unknown(step, Stage.EVALUATE):
        return True
    split = batch[0][0]
    merges = [launch for launch in step.status.launches if Stage.MERGE in (launch.stage, launch.reads)]
    coming = [launch for launch in merges if launch.split == split]
    mergeable = [r for s, r in _queue(step) if s == split and not records.weights_ready(step.status, r)]
    room = step.spec.storage.max_pending > pruning.pending(step)
    return not coming and not (merges_follow and mergeable and room)


def _running(step: Step, stage: Stage) -> int:
    return sum(launch.stage is stage for launch in step.status.launches)


def _by_split(queue: Sequence[Startable]) -> Iterator[list[Startable]]:
    """The queue of each split, in order of precedence."""
    for split in dict.fromkeys(split for split, _ in queue):
        yield [(other, record) for other, record in queue if other == split]


def _batch(step: Step, stage: Stage, queue: Sequence[Startable], size: int) -> list[Startable]:
    """The first records of a split's queue, at most `size`, and no more than the budget allows."""
    if not queue or size < 1:
        return []
    split = queue[0][0]
    together = [(other, record) for other, record in queue if not record.alone]
    batch = [queue[0]] if queue[0][1].alone else together[:size]
    if expectations.unknown(step, stage):
        # Where GPU-hours are limited, the first one goes alone: nobody knows yet what it costs.
        batch = [] if _running(step, stage) else batch[:1]
    while batch and not _affordable(step, split, len(batch)):
        batch.pop()
    return batch


def _affordable(step: Step, split: Split, size: int) -> bool:
    if split == "unseen":
        return stopping.affordable(step, unseen=size)
    return stopping.affordable(step, search=size, unseen=stopping.reserve(step))


def _queue(step: Step) -> list[Startable]:
    """All records that may start now, in order of precedence."""
    status = step.status
    busy, going = records.live(status), launches.being_pruned(step)
    same = reuse.awaiting(step.spec, status)
    waiting = [
        (split, record)
        for split, record in _everything(status)
        if record.state in STARTABLE
        and (split, record.id) not in busy
        and not (record.state is RecordState.WAITING and split != "unseen" and record.id in same)
        and not (record.id in going and records.needs_merge(record))
        and records.is_due(record, step.now)
        and (split == "unseen" or not stopping.given_up(step, record))
    ]
    return sorted(waiting, key=lambda pair: pair[1].kind is RecordKind.GREEDY)


def _everything(status: MergeSearchStatus) -> Iterable[Startable]:
    yield from (("unseen", record) for record in status.confirmations)
    yield from ((records.split_of(record), record) for record in (*status.baselines, *status.candidates))


def _move(step: Step, batch: Sequence[Startable], state: RecordState) -> Step:
    for split, record in batch:
        step = records.change(
            step, split, record, state=state, started_at=record.started_at or step.now, not_before=None
        )
    return step


def _add(step: Step, stage: Stage, split: Split, ids: tuple[str, ...], prunes: tuple[str, ...]) -> Step:
    launch = Launch(
        number=step.status.next_launch, stage=stage, split=split, candidates=ids, prunes=prunes, created_at=step.now
    )
    return step.change(launches=(*step.status.launches, launch), next_launch=launch.number + 1)
