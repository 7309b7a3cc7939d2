"""One program with its limits, and what became of it: what crosses the borders between evaluator, sandbox and child.
Pure; the standard library only.

Every message is one line of JSON.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

LONGEST_DETAIL = 300
"""Characters of a verdict's words, which a program may have chosen."""
LONGEST_MESSAGE = 8 << 20
"""Bytes of one line. A program that does not fit has failed; no answer of a model comes near it."""


class Outcome(StrEnum):
    """How a program ended, or why nothing can be said of it."""

    PASSED = "passed"
    """Its last line was reached: whatever it asserts holds."""
    FAILED = "failed"
    """It raised something, left before its end, or died of what it did."""
    TIMED_OUT = "timed-out"
    """Its processor time or the clock ran out. A wrong answer, as in the benchmarks that define such tasks."""
    LOST = "lost"
    """The sandbox broke: nothing is known of the program, and the next attempt may go well."""
    REFUSED = "refused"
    """This machine does not let a sandbox be built: nothing is known of the program, and nothing will be."""


@dataclass(frozen=True)
class Limits:
    """What one program may use."""

    cpu_seconds: int = 3
    """Processor time of all its threads: the three seconds of HumanEval's and MBPP's own harness, in a unit that does
    not depend on what else the machine does.
    """
    wall_seconds: float = 15.0
    """By the clock, for a program that sleeps; far more than `cpu_seconds`, so that a busy machine costs no score."""
    memory_bytes: int = 1 << 30
    """Of address space."""
    file_bytes: int = 16 << 20
    """Of one file."""
    scratch_bytes: int = 64 << 20
    """Of all files, where the sandbox builds its own walls; in a container its volume says how many."""
    open_files: int = 64
    threads: int = 256
    """With those of its judge; it cannot have a second process. The kernel counts them by user: a sandbox container has
    a user of its own, and what root starts a user namespace.
    """


@dataclass(frozen=True)
class Job:
    """One program for a child process."""

    program: str
    limits: Limits
    folder: str
    """An empty folder: where the program starts, or what its root is mounted on."""
    own_walls: bool
    """Whether the child has to build walls, because no container is around it."""


@dataclass(frozen=True)
class Verdict:
    """What became of a program."""

    outcome: Outcome
    detail: str = ""
    """For people; the program may have chosen these words."""

    @property
    def says_something(self) -> bool:
        """Whether the program was judged at all."""
        return self.outcome not in (Outcome.LOST, Outcome.REFUSED)


def request(program: str, limits: Limits) -> bytes:
    """A program on its way to a sandbox."""
    return _line({"program": program, "limits": asdict(limits)})


def asked(line: bytes) -> tuple[str, Limits]:
    """What a sandbox is asked. Raises ValueError."""
    try:
        found = json.loads(line)
        return str(found["program"]), Limits(**found["limits"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"no request of a sandbox: {error}") from error


def job(one: Job) -> bytes:
    """A program on its way to a child."""
    return _line(asdict(one))


def given(line: bytes) -> Job:
    """What a child is given. Raises ValueError."""
    try:
        found = json.loads(line)
        return Job(**(found | {"limits": Limits(**found["limits"])}))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no job of a child: {error}") from error


def answer(verdict: Verdict) -> bytes:
    """A verdict on its way back."""
    return _line({"outcome": verdict.outcome, "detail": clipped(verdict.detail)})


def verdict(line: bytes) -> Verdict:
    """What became of the program. Raises ValueError."""
    try:
        found = json.loads(line)
        return Verdict(Outcome(found["outcome"]), clipped(str(found["detail"])))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no verdict: {error}") from error


def clipped(text: str) -> str:
    """A detail's first characters, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_DETAIL else flat[: LONGEST_DETAIL - 1] + "…"


def _line(document: object) -> bytes:
    # ASCII: a program may hold lone surrogates, which UTF-8 cannot.
    return json.dumps(document, ensure_ascii=True).encode("ascii") + b"\n"
