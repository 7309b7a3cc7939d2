"""Which changes of a spec a running search allows; pure. On Kubernetes the same rules are part of the resource's
schema.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mergesearch.api.spec import MergeSearchSpec

MUTABLE = frozenset(
    {
        "spec.storage.keepBest",
        "spec.search.maxEvaluations",
        "spec.search.maxDuration",
        "spec.search.maxGpuHours",
        "spec.search.parallelism",
        "spec.search.maxFailures",
        "spec.search.patience",
        "spec.suspend",
        "spec.suspendPolicy",
        "spec.retry",
    }
)
"""Fields that may change while a search runs; all others decide what was searched already."""
ONLY_UP = frozenset({"spec.search.maxEvaluations"})


@dataclass(frozen=True)
class Change:
    """One field that differs between two specs; None where it is unset."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        """In words."""
        return f"{self.path}: was {self.old!r}, is {self.new!r}"


def changes(old: MergeSearchSpec, new: MergeSearchSpec) -> list[Change]:
    """Every field that differs, at its deepest path."""
    return list(_differences("spec", old.to_document(), new.to_document()))


def forbidden(old: MergeSearchSpec, new: MergeSearchSpec) -> list[Change]:
    """The changes that a search which has begun does not allow."""
    return [change for change in changes(old, new) if change.path not in MUTABLE or _shrinks(change)]


def _shrinks(change: Change) -> bool:
    return change.path in ONLY_UP and change.new < change.old


def _differences(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(f"{path}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif old != new:
        yield Change(path, old, new)
