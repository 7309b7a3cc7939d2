"""Counts and lists in sentences; pure."""

from collections.abc import Sequence


def count(number: int, one: str, many: str = "") -> str:
    """`1 candidate`, `2 candidates`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
