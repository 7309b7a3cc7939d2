"""The smallest gain that the confirmation can prove, and that in words: before anything runs as far as the manifest and
what is known of its tasks say, after the preflight by what it has counted; pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mergesearch.api import known_tasks, splits
from mergesearch.api.base import number_of
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MAX_MESSAGE
from mergesearch.lifecycle import phrases
from mergesearch.search import power


@dataclass(frozen=True)
class Share:
    """What a task gives to the two parts of a search; None: only the preflight can count it."""

    task: str
    search: int | None
    unseen: int | None


def expected(spec: MergeSearchSpec) -> tuple[Share, ...]:
    """Of each held-in task, before any document is loaded."""
    parts = ((task.name, splits.of(task, known_tasks.documents(spec, task.name))) for task in spec.objective.tasks)
    return tuple(Share(name, search, unseen) for name, (search, unseen) in parts)


def finalists(spec: MergeSearchSpec) -> int:
    """How many candidates the winner is chosen among, at most."""
    return min(spec.search.confirm.finalists, spec.search.max_evaluations)


def smallest_gain(spec: MergeSearchSpec, unseen: Sequence[int]) -> float:
    """By the unseen samples of each held-in task."""
    weights = [number_of(task.weight) for task in spec.objective.tasks]
    return power.smallest_gain(unseen, weights, spec.objective.aggregate, finalists(spec))


def told(spec: MergeSearchSpec, unseen: Sequence[int]) -> str:
    """In points, with all that it rests on, in no more than a message takes: tasks are named where there is room."""
    head = (
        f"a gain of {100 * smallest_gain(spec, unseen):.1f} points over a baseline is proven four times in five: "
        f"{phrases.count(finalists(spec), 'finalist')}, two models that differ on one sample in five, unseen samples: "
    )
    pairs = zip(spec.objective.tasks, unseen, strict=True)
    named = head + phrases.listed([f"{number:,} of {task.name}" for task, number in pairs])
    if len(named) <= MAX_MESSAGE:
        return named
    fewest, most = min(unseen), max(unseen)
    each = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return head + (f"{each} of each of {len(unseen)} tasks" if len(unseen) > 1 else each)


def rough(spec: MergeSearchSpec, unseen: Sequence[int | None]) -> list[str]:
    """The tasks whose unseen samples are known to be so few that intervals and p are rough."""
    few = [
        f"{task.name} ({number})"
        for task, number in zip(spec.objective.tasks, unseen, strict=True)
        if number is not None and number < splits.ROUGH_BELOW
    ]
    return [f"{splits.ROUGH}: {phrases.listed(few)}"] if few else []
