"""What is wrong with a request, collected so that a person sees all of it at once. Pure."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mergesearch.contract import Failure
from mergesearch.errors import InvalidRequestError, TryAgainError
from mergesearch.reasons import Reason

MESSAGE_CHARACTERS = 2000
"""What a failure's message may hold."""
NEAREST_NAMES = 3


@dataclass(frozen=True)
class Problem:
    """One thing that a person has to mend, or that may pass by itself."""

    reason: Reason
    message: str
    transient: bool = False


def refuse(problems: Sequence[Problem]) -> None:
    """Raises InvalidRequestError with all the problems, if there are any; TryAgainError if all of them may pass.

    The first gives the reason.
    """
    if problems and all(problem.transient for problem in problems):
        raise TryAgainError(listed(problems), reason=problems[0].reason)
    if problems:
        raise InvalidRequestError(listed(problems), reason=problems[0].reason)


def failure(problems: Sequence[Problem]) -> Failure:
    """The failure that lists all the problems; the first gives the reason."""
    passing = all(problem.transient for problem in problems)
    return Failure(reason=problems[0].reason, message=listed(problems), transient=passing)


def listed(problems: Sequence[Problem]) -> str:
    """One problem as it is, several as a list; what does not fit is counted."""
    if len(problems) == 1:
        return clipped(problems[0].message)
    head = f"{len(problems)} problems:"
    lines, used = [head], len(head)
    for number, problem in enumerate(problems):
        line = f"- {problem.message}"
        rest = f"- and {len(problems) - number} more"
        if used + 1 + len(line) + 1 + len(rest) > MESSAGE_CHARACTERS:
            lines.append(rest if number else clipped(line)[: MESSAGE_CHARACTERS - used - 1])
            break
        lines.append(line)
        used += 1 + len(line)
    return "\n".join(lines)


def clipped(text: str, limit: int = MESSAGE_CHARACTERS) -> str:
    """The text, or its beginning and an ellipsis where it is too long for a message."""
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that names what the user may have meant; empty if nothing is near."""
    close = difflib.get_close_matches(name, sorted(known), n=NEAREST_NAMES, cutoff=0.6)
    return f" (nearest: {', '.join(close)})" if close else ""


def enumerated(names: Iterable[str], limit: int = 12) -> str:
    """The names in order, comma by comma; what is beyond `limit` is counted."""
    everything = list(names)
    shown = ", ".join(everything[:limit]) or "none"
    return f"{shown} and {len(everything) - limit} more" if len(everything) > limit else shown
