"""One thing that is wrong with a manifest, and the YAML paths that name its place; pure."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

ANY = -1
"""In a path: every entry of a list, written `[*]`."""
MAX_FOUND = 60
"""Characters of a value that a message repeats."""
MAX_COMPARED = 100
"""Characters of a name that are compared with valid ones."""

Step = str | int
Path = tuple[Step, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_STEP = re.compile(r'\.?(?P<name>[A-Za-z0-9_-]+)|\[(?P<index>[0-9]+|\*)\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]')


@dataclass(frozen=True)
class Problem:
    """A fact that does not hold, for machines and for people."""

    path: str
    """Where, such as `spec.checkpoints[3].volume`; empty for the file as a whole."""
    found: str
    """What stands there, in words."""
    allowed: str
    """What may stand there, in words."""
    message: str
    """What is wrong, as half a sentence."""
    nearest: str = ""
    """The valid name that is most like the one found."""
    line: int | None = None
    """Line of the file, from 1."""
    column: int | None = None
    """Column, from 1; only where the text is not YAML."""
    rests_on: tuple[str, ...] = ()
    """Other places that were read: while one of these is broken itself, nothing is said here."""

    def __str__(self) -> str:
        """One line, as the command line prints it."""
        place = "" if self.line is None else f"line {self.line}"
        if place and self.column is not None:
            place += f", column {self.column}"
        where = ": ".join(part for part in (place, self.path) if part)
        parts = [self.message]
        if self.found:
            parts.append(f"found {self.found}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.nearest:
            parts.append(f"did you mean {self.nearest}?")
        return one_line((f"{where}: " if where else "") + "; ".join(parts))


def render(path: Iterable[Step]) -> str:
    """A path as people write it: `spec.checkpoints[3].volume`; keys that are no plain words stand in brackets."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += "[*]" if step == ANY else f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def split(path: str) -> Path:
    """The inverse of `render`. Raises ValueError."""
    steps: list[Step] = []
    end = 0
    for match in _STEP.finditer(path):
        if match.start() != end:
            break
        end = match.end()
        if match["name"] is not None:
            steps.append(match["name"])
        elif match["index"] is not None:
            steps.append(ANY if match["index"] == "*" else int(match["index"]))
        else:
            steps.append(json.loads(match["quoted"], strict=False))
    if end != len(path):
        raise ValueError(f"{path!r} is not a path")
    return tuple(steps)


def overlap(one: Path, other: Path) -> bool:
    """Whether one place lies within the other, or is the same."""
    return all(
        a == b or (ANY in (a, b) and isinstance(a, int) and isinstance(b, int))
        for a, b in zip(one, other, strict=False)
    )


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """The one of `names` that is most like `name`, whatever its case and separators; empty if none is."""
    plain = {_letters(candidate): candidate for candidate in reversed(list(names))}
    found = difflib.get_close_matches(_letters(name[:MAX_COMPARED]), plain, n=1, cutoff=cutoff)
    return plain[found[0]] if found else ""


def repeated(names: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Index of each name that stood before, and of where it stood first."""
    first: dict[object, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield index, first[name]


def listing(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "nothing"


def words(value: Any, written: str | None = None) -> str:  # noqa: PLR0911 - one return for each type
    """A value of a manifest in words; `written` is how it stands in the file, where that is known."""
    match value:
        case None:
            return "nothing"
        case bool():
            name = "true" if value else "false"
            return name if written in (None, name) else f"{name} (written {written})"
        case int() | float():
            return f"the number {_short(written or str(value))}"
        case str():
            return json.dumps(_short(value), ensure_ascii=False)
        case list():
            return "a list of 1 entry" if len(value) == 1 else f"a list of {len(value)} entries"
        case dict():
            return f"a mapping with {_short(', '.join(map(str, value)))}" if value else "an empty mapping"
    return _short(str(value))


def _letters(name: str) -> str:
    return re.sub(r"[-_ .]", "", name).lower()


def one_line(text: str) -> str:
    """Names of a manifest may hold line ends and codes that a terminal obeys: they are shown, not passed on."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _short(text: str) -> str:
    return text if len(text) <= MAX_FOUND else text[: MAX_FOUND - 3] + "..."
