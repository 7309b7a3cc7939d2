"""Keeps the labels of a drawing from lying on each other; pure."""

from collections.abc import Sequence


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved so far that neighbours are at least `gap` apart, each cluster around its own middle."""
    clusters: list[list[float]] = []
    for place in places:
        clusters.append([place])
        while len(clusters) > 1 and _bottom(clusters[-1], gap) - _top(clusters[-2], gap) < gap:
            last = clusters.pop()
            clusters[-1].extend(last)
    return [_bottom(cluster, gap) + index * gap for cluster in clusters for index in range(len(cluster))]


def _bottom(cluster: Sequence[float], gap: float) -> float:
    return sum(cluster) / len(cluster) - gap * (len(cluster) - 1) / 2


def _top(cluster: Sequence[float], gap: float) -> float:
    return _bottom(cluster, gap) + gap * (len(cluster) - 1)
