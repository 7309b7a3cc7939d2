"""Choosing among what was scored: the best, merge-best's members, the greedy soup, the Pareto set; pure.

Ties always go to the earlier: checkpoints in spec order, candidates in the order in which they were proposed.
"""

from collections.abc import Sequence

import numpy as np


def ranked(fitness: Sequence[float]) -> list[int]:
    """Indices from the best fitness to the worst."""
    return sorted(range(len(fitness)), key=lambda index: -fitness[index])


def merge_best(scores: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """Indices of the checkpoints that are best at some task, ascending; merged with equal weights they are the
    paper's merge-best.

    `scores[i][t]` is checkpoint i's score on task t.
    """
    tasks = range(len(scores[0]))
    return tuple(sorted({max(range(len(scores)), key=lambda i: (scores[i][t], -i)) for t in tasks}))


def greedy_next(order: Sequence[int], tried: Sequence[tuple[tuple[int, ...], float]]) -> tuple[int, ...] | None:
    """The next soup that the greedy recipe tries, or None at its end (Wortsman et al., "Model soups", recipe 1).

    `order` ranks the checkpoints from the best; `tried` holds the soups so far with their fitness, in order,
    beginning with the best checkpoint alone. A checkpoint stays in the soup if the fitness does not fall.
    """
    soup, best = tried[0]
    for members, fitness in tried[1:]:
        if fitness >= best:
            soup, best = members, fitness
    position = len(tried)
    return tuple(sorted({*soup, order[position]})) if position < len(order) else None


def pareto(scores: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """Indices of the points that no other point beats, that is, is at least as good on every task and better on one; of
    equal points the first.
    """
    points = np.array(scores, dtype=np.float64)
    front = []
    for index, point in enumerate(points):
        at_least = np.all(points >= point, axis=1)
        better = at_least & np.any(points > point, axis=1)
        equal_before = at_least[:index] & ~better[:index]
        if not better.any() and not equal_before.any():
            front.append(index)
    return tuple(front)
