"""Whose weights may be removed from the workspace; pure."""

from mergesearch.api.status import MergeSearchStatus, Record
from mergesearch.lifecycle import records
from mergesearch.lifecycle.step import Step


def removable(step: Step) -> tuple[str, ...]:
    """Ids of records whose weights lie on the workspace and are not needed any more."""
    keep = kept(step)
    busy = {identity for _, identity in records.live(step.status)}
    busy |= {record.id for record in step.status.confirmations if not record.ended}
    busy |= {identity for launch in step.status.launches for identity in launch.prunes}
    return tuple(
        record.id
        for record in _with_weights(step.status)
        if record.ended and record.id not in keep and record.id not in busy
    )


def kept(step: Step) -> set[str]:
    """Ids whose weights stay: the k best, the winner first; until it is decided at least as many as there are
    finalists.
    """
    status, spec = step.status, step.spec
    best = [record.id for record in records.best_first(status.candidates)]
    if status.confirmed is not None and status.closed is not None:
        others = [identity for identity in best if identity != status.confirmed.id]
        return {status.confirmed.id, *others[: spec.storage.keep_best - 1]}
    return set(best[: max(spec.storage.keep_best, spec.search.confirm.finalists)])


def pending(status: MergeSearchStatus) -> int:
    """Merges that lie on the workspace, or are being written, and are not scored yet."""
    merging = {identity for launch in status.launches if launch.stage == "Merge" for identity in launch.candidates}
    unscored = {r.id for r in (*status.baselines, *status.candidates, *status.confirmations) if not r.ended}
    return len(merging | {record.id for record in _with_weights(status) if record.id in unscored})


def _with_weights(status: MergeSearchStatus) -> list[Record]:
    return [record for record in (*status.baselines, *status.candidates) if record.merged]
