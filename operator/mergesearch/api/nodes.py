"""From the text of a manifest to the nodes of its one YAML document; pure.

The events of PyYAML's parser are put together here rather than by its loaders: nothing recurses before the depth is
known, and an alias costs nothing until it is written out (`document.py`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import yaml

from mergesearch.api.problem import Problem, words

MAX_BYTES = 2**20
MAX_DEPTH = 64

_UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE

_SYNTAX: tuple[tuple[str, str], ...] = (
    (r"character '\\t'", "a tab stands where only spaces may; indent with spaces"),
    (r"while scanning a quoted scalar", "a quote is not closed"),
    (r"escape", "a backslash in double quotes begins an escape; use single quotes"),
    (r"while parsing a flow", "a bracket or brace is not closed, or a comma is missing"),
    (
        r"while parsing a block|mapping values are not allowed|could not find expected ':'",
        "the line does not fit those above; look at its indentation, its colons and its quotes",
    ),
    (r"that cannot start any token", "a text that begins with this character needs quotes"),
)
"""Patterns in what PyYAML says, and what is meant."""


class NotReadableError(ValueError):
    """The text as a whole cannot be read; `problem` says why."""

    def __init__(
        self, message: str, line: int | None, column: int | None = None, *, found: str = "", allowed: str = ""
    ) -> None:
        self.problem = Problem("", found, allowed, message, line=line, column=column)
        super().__init__(str(self.problem))


@dataclass
class Node:
    """A scalar, a list or a mapping as it stands in the text."""

    kind: Literal["scalar", "list", "mapping"]
    line: int
    tag: str | None = None
    text: str = ""
    """Of a scalar."""
    plain: bool = False
    """A scalar without quotes and tag."""
    children: list["Node"] = field(default_factory=list)
    """Entries of a list; of a mapping, keys and values in turn."""
    closed: bool = False


def root_of(text: str) -> Node:
    """The root of the one document in `text`. Raises NotReadableError."""
    size = len(text.encode(errors="replace"))
    if size > MAX_BYTES:
        raise NotReadableError("the file is too large", None, found=f"{size} bytes", allowed=f"at most {MAX_BYTES}")
    refuse_unprintable(text)
    try:
        return _only_document(shallow(yaml.parse(text, Loader=yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        raise _translated(error, text) from error


def refuse_unprintable(text: str) -> None:
    """Raises NotReadableError where a file holds a character that no YAML has."""
    if wrong := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, wrong.start()) + 1
        raise NotReadableError("the file is not text", line, found=f"the character U+{ord(wrong[0]):04X}")


def shallow(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    """The same events, for what recurses over them or over the text. Raises NotReadableError once they are nested too
    deeply: libyaml's loader then ends the process.
    """
    depth = 1
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise too_deep(event.start_mark.line + 1 if event.start_mark is not None else 1)
        yield event


def too_deep(line: int) -> NotReadableError:
    """Lists and mappings within each other, more than anybody writes."""
    levels = f"more than {MAX_DEPTH} levels"
    return NotReadableError("the file is nested too deeply", line, found=levels, allowed=f"at most {MAX_DEPTH}")


def _only_document(events: Iterator[yaml.Event]) -> Node:
    """The root of the only document that is not empty; a `---` at the end of a file begins an empty one."""
    roots: list[Node] = []
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            root = _tree(events)
            if not (root.plain and not root.text):
                roots.append(root)
        if len(roots) > 1:
            raise NotReadableError(
                "the file holds several documents", roots[1].line, allowed="one, in a file of its own"
            )
    if not roots:
        raise NotReadableError("the file is empty", None)
    return roots[0]


def _tree(events: Iterator[yaml.Event]) -> Node:
    """The nodes of one document; an alias is the node of its anchor once more."""
    anchors: dict[str, Node] = {}
    top = Node("list", 1)
    open_nodes = [top]
    for event in events:
        if isinstance(event, yaml.DocumentEndEvent):
            break
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop().closed = True
            continue
        node = _node(event, anchors)
        open_nodes[-1].children.append(node)
        if not node.closed:
            open_nodes.append(node)
    return top.children[0]


def _node(event: yaml.Event, anchors: dict[str, Node]) -> Node:
    """The node that an event begins."""
    mark = event.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    match event:
        case yaml.AliasEvent():
            known = anchors.get(str(event.anchor))
            if known is None or not known.closed:
                wrong = "names an anchor that encloses it" if known else "names no anchor above it"
                raise NotReadableError(f"the alias *{event.anchor} {wrong}", line, column)
            return known
        case yaml.ScalarEvent():
            plain = event.tag is None and bool(event.implicit[0])
            node = Node("scalar", line, event.tag, event.value, plain, closed=True)
        case yaml.SequenceStartEvent():
            node = Node("list", line, event.tag)
        case yaml.MappingStartEvent():
            node = Node("mapping", line, event.tag)
        case _:
            raise AssertionError(f"within a document there is no {event}")
    if event.anchor:
        anchors[event.anchor] = node
    return node


def _translated(error: yaml.MarkedYAMLError, text: str) -> NotReadableError:
    said = f"{error.context or ''} {error.problem or ''}".strip()
    meant = next((meaning for pattern, meaning in _SYNTAX if re.search(pattern, said)), said)
    begins_earlier = "not closed" in meant and error.context_mark is not None
    mark = error.context_mark if begins_earlier else error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    rest = "".join(lines[line - 1 :]).strip()
    found = words(lines[line - 1].strip()) if rest else "the end of the file"
    return NotReadableError(f"the file is not YAML: {meant}", line, column, found=found)
