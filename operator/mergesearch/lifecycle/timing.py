"""How long the evaluations of a search take one after the other and side by side, before it has begun; pure.

The stages wait for each other: checkpoints and uniform, merge-best, one generation after the other, the confirmation.
Within a stage as many evaluators run at once as `parallelism` and the room for merged weights (`maxPending`) allow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mergesearch.api import known_tasks, splits
from mergesearch.api.spec import HeldOutTask, MergeSearchSpec
from mergesearch.api.status import Stage
from mergesearch.lifecycle import accounting, provable


@dataclass(frozen=True)
class Counts:
    """How many evaluations a search has of each kind."""

    checkpoints: int
    """With the one that is scored twice."""
    soups: int
    generations: Sequence[int]
    confirmations: int


def evaluators(spec: MergeSearchSpec) -> int:
    """How many evaluators find work at once: each one needs a whole batch of merged weights in the workspace."""
    return max(1, min(spec.search.parallelism, spec.storage.max_pending // _batch(spec)))


def search_evaluations(spec: MergeSearchSpec, counts: Counts) -> int:
    """Evaluations on the search samples that come one after the other, at most."""
    wanted = spec.search.baselines
    uniform = int("Uniform" in wanted)
    # Checkpoints lie there already, so that room for merges does not bound them; soups but uniform come one by one.
    first = _in_turn(counts.checkpoints + uniform, spec.search.parallelism, spec.evaluator.batch)
    later = sum(_in_turn(size, evaluators(spec), _batch(spec)) for size in counts.generations)
    # Where GPU-hours are limited the first of all goes alone.
    alone = spec.search.max_gpu_hours is not None and accounting.gpus_of(spec, Stage.EVALUATE) > 0
    return first + counts.soups - uniform + later + alone


def confirmations(spec: MergeSearchSpec, counts: Counts) -> int:
    """Confirmations that come one after the other, at most; that of a greedy soup comes last of all."""
    greedy = int("Greedy" in spec.search.baselines and counts.confirmations > 0)
    return _in_turn(counts.confirmations - greedy, evaluators(spec), _batch(spec)) + greedy


def search_samples(spec: MergeSearchSpec) -> int | None:
    """Samples of one evaluation of the search; None where only the preflight can count them."""
    return _sum([share.search for share in provable.expected(spec)])


def unseen_samples(spec: MergeSearchSpec) -> int | None:
    """Samples of one confirmation, with the held-out tasks; None where only the preflight can count them."""
    return _sum(_unseen(spec))


def least_unseen_samples(spec: MergeSearchSpec) -> int:
    """Of the tasks alone whose samples are known."""
    return sum(count for count in _unseen(spec) if count is not None)


def held_out_samples(spec: MergeSearchSpec, task: HeldOutTask) -> int | None:
    """Of a held-out task; None where only the preflight can count them."""
    return splits.held_out(task, known_tasks.documents(spec, task.name))


def dearer(spec: MergeSearchSpec, search: int | None, unseen: int | None) -> float | None:
    """How many times as long as an evaluation of the search a confirmation takes, at least once as long; None where
    nobody knows.
    """
    if search is not None and unseen is not None:
        return max(1.0, unseen / search)
    halved = all(
        task.search_samples is None and task.samples is None and task.unseen_samples is None
        for task in spec.objective.tasks
    )
    return 1.0 if halved and not spec.held_out.tasks and unseen is None else None


def _batch(spec: MergeSearchSpec) -> int:
    return min(spec.evaluator.batch, spec.storage.max_pending)


def _in_turn(count: int, lanes: int, batch: int) -> int:
    """So many evaluations in whole batches, each with all lanes."""
    return min(count, math.ceil(math.ceil(count / batch) / lanes) * batch)


def _unseen(spec: MergeSearchSpec) -> list[int | None]:
    held_out = [held_out_samples(spec, task) for task in spec.held_out.tasks]
    return [*(share.unseen for share in provable.expected(spec)), *held_out]


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
