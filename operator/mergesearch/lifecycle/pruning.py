"""Whose weights may be removed from the workspace; pure."""

from mergesearch.api.status import Record, Stage
from mergesearch.lifecycle import confirmation, launches, records, stopping, verdict
from mergesearch.lifecycle.step import Step


def removable(step: Step) -> tuple[str, ...]:
    """Ids of records whose weights lie on the workspace and are not needed any more."""
    needed = kept(step) | launches.being_pruned(step)
    needed |= {identity for _, identity in records.live(step.status)}
    if step.status.completion_time is None:
        needed |= {record.id for record in step.status.confirmations if not record.ended}
    return tuple(
        record.id
        for record in _with_weights(step)
        if record.id not in needed and (record.ended or stopping.given_up(step, record))
    )


def kept(step: Step) -> set[str]:
    """Ids whose weights stay: the k best, the winner first, and the baseline that is the better choice; until it is
    decided, the former ones, at least as many as there are finalists, and the baseline that leads.
    """
    confirmed, keep = step.status.confirmed, step.spec.storage.keep_best
    winner = [confirmed.id] if confirmed is not None else []
    better = {confirmed.better.id} if confirmed is not None and confirmed.better is not None else set()
    best = [record.id for record in records.contenders(step.status)]
    if step.status.completion_time is not None or confirmation.decided(step):
        return better | set(list(dict.fromkeys([*winner, *best]))[:keep])
    leading = verdict.leading_baseline(step)
    leaders = {leading.id} if leading is not None else set()
    return {*winner, *best[: max(keep, step.spec.search.confirm.finalists)]} | better | leaders


def pending(step: Step) -> int:
    """Merges that lie on the workspace, or are being written, and are still to be scored; with them, as long as that
    leaves room for one, baselines that are kept.
    """
    status = step.status
    merging = {
        i for launch in status.launches if Stage.MERGE in (launch.stage, launch.reads) for i in launch.candidates
    }
    confirming = {record.id for record in status.confirmations if not record.ended}
    waiting = {
        record.id
        for record in _with_weights(step)
        if record.id in confirming or not (record.ended or stopping.given_up(step, record))
    }
    return len(merging | waiting) + min(
        len(_kept_baselines(step) - merging - waiting), step.spec.storage.max_pending - 1
    )


def _kept_baselines(step: Step) -> set[str]:
    there = {record.id for record in step.status.baselines if record.merged and record.ended}
    return there & kept(step) if there and step.status.confirmations else set()


def _with_weights(step: Step) -> list[Record]:
    return [record for record in (*step.status.baselines, *step.status.candidates) if record.merged]
