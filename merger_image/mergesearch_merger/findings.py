"""What an inspection finds: problems, which refuse a request, and warnings, which do not. Pure.

Checks are generators of findings, so that a person reads every problem at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason

MESSAGE_CHARACTERS = 2000
"""A message must fit into a report's failure."""
SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence for people, and a reason for machines; without a reason it is a warning."""

    message: str
    reason: Reason | None = None


def problems(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that refuse the request."""
    return tuple(finding for finding in findings if finding.reason is not None)


def warnings(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The sentences of those that do not."""
    return tuple(finding.message for finding in findings if finding.reason is None)


def message(found: Sequence[Finding]) -> str:
    """One line for each problem; where they do not fit, the last line says how many were left out."""
    lines: list[str] = []
    room = MESSAGE_CHARACTERS - len("\nand 0000 more problems")
    for index, finding in enumerate(found):
        # A name of a file that is not UTF-8 comes as half characters, which no report can hold.
        line = finding.message.encode("utf-8", "backslashreplace").decode()
        if len(line) >= room and not lines:
            line = line[: room - 4] + "..."
        if len(line) >= room:
            lines.append(f"and {len(found) - index} more problems")
            break
        lines.append(line)
        room -= len(line) + 1
    return "\n".join(lines)


def refuse_if_any(findings: Iterable[Finding]) -> None:
    """Raise InvalidRequestError with all problems, under the reason of the first, if there are any."""
    found = problems(findings)
    if found:
        reason = found[0].reason
        assert reason is not None
        raise InvalidRequestError(message(found), reason=reason)


def names(items: Sequence[str]) -> str:
    """A few of many names, quoted."""
    shown = ", ".join(repr(item) for item in items[:SHOWN_NAMES])
    rest = len(items) - SHOWN_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown


def counted(number: int, noun: str) -> str:
    """`1 tensor`, `2 tensors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
