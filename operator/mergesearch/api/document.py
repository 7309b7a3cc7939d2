"""From the nodes of a manifest to its values, each with its line; pure.

A manifest that is wrong in one place is read to its end: what is wrong is noted and the rest is kept, so that a person
hears of everything at once.
"""

import re
from dataclasses import dataclass

from mergesearch.api import nodes, scalars
from mergesearch.api.problem import Path, Problem, render, words

MAX_VALUES = 100_000
"""Values of the document with every alias written out."""

_TAGS = "tag:yaml.org,2002:"
_SURROGATE = re.compile("[\ud800-\udfff]")
_Pairs = dict[str, tuple[int, nodes.Node]]


@dataclass(frozen=True)
class Place:
    """Where a value stands, and how it is written if it is an unquoted word."""

    line: int
    written: str | None = None


@dataclass(frozen=True)
class Document:
    """The values of a manifest as JSON knows them."""

    value: object
    places: dict[Path, Place]
    problems: tuple[Problem, ...]
    """Keys that stand twice, words that mean different things to different readers, tags."""
    broken: frozenset[Path] = frozenset()
    """Places whose values mean nothing."""
    doubtful: frozenset[Path] = frozenset()
    """Places whose names are doubtful, or of which only the first of several values was kept."""


def read(text: str) -> Document:
    """The one document in `text`. Raises NotReadableError."""
    builder = _Builder()
    value = builder.value(nodes.root_of(text), ())
    found = tuple(dict.fromkeys(builder.problems))
    return Document(value, builder.places, found, frozenset(builder.broken), frozenset(builder.doubtful))


class _Builder:
    """Turns nodes into values and notes their places and problems."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self.broken: set[Path] = set()
        self.doubtful: set[Path] = set()
        self._count = 0

    def value(self, node: nodes.Node, path: Path, line: int | None = None) -> object:
        """The value of `node`, which stands at `path`; `line` is that of its key."""
        self._spend(node, len(path))
        line = node.line if line is None else line
        self.places[path] = Place(line)
        if node.kind == "scalar":
            return self._scalar(node, path, line)
        if node.kind == "mapping":
            self._refuse_tag(node, path, "map")
            pairs = self._pairs(node, path)
            return {name: self.value(child, (*path, name), at) for name, (at, child) in pairs.items()}
        self._refuse_tag(node, path, "seq")
        return [self.value(child, (*path, index)) for index, child in enumerate(node.children)]

    def _pairs(self, node: nodes.Node, path: Path, merges: int = 0) -> _Pairs:
        """Line and value of each key; what `<<` brings in comes last and replaces nothing."""
        result: _Pairs = {}
        merged: list[nodes.Node] = []
        for key, child in zip(node.children[::2], node.children[1::2], strict=True):
            self._spend(key, merges)
            name = "<<" if key.plain and key.text == "<<" else self._key(key, path)
            if name == "<<" and key.plain and not merged:
                merged = child.children if child.kind == "list" else [child]
            elif name in result or (name == "<<" and key.plain):
                first = f", the first in line {result[name][0]}" if name in result else ""
                self._doubt((*path, name), key.line, f"a second one{first}", "each key once", "this key stands twice")
            elif name is not None:
                result[name] = (key.line, child)
        for part in merged:
            if part.kind == "mapping":
                for name, pair in self._pairs(part, path, merges + 1).items():
                    result.setdefault(name, pair)
            else:
                self._note((*path, "<<"), part.line, "something else", "mappings", "<< takes in mappings only")
        return result

    def _key(self, node: nodes.Node, path: Path) -> str | None:
        """A key as text; None, and a note, where it is none."""
        if node.kind != "scalar":
            self._note(path, node.line, "a list or a mapping as a key", "texts as keys", "a key is not a text")
            return None
        text = node.text
        try:
            value = scalars.read(text) if node.plain else text
        except scalars.AmbiguousScalarError as error:
            self._doubt((*path, text), node.line, text, error.allowed, str(error))
            return text
        if isinstance(value, str) or (type(value) is int and str(value) == text):
            return text
        self._doubt((*path, text), node.line, words(value, text), f'"{text}" in quotes', "this key is not a text")
        return text

    def _scalar(self, node: nodes.Node, path: Path, line: int) -> scalars.Scalar:
        text = node.text
        if wrong := _SURROGATE.search(text):
            self._break(path, line, f"the code U+{ord(wrong[0]):04X}", "Unicode text", "half a character is no text")
            return ""
        if not node.plain:
            if node.tag != "!":
                self._refuse_tag(node, path, "str")
            return text
        self.places[path] = Place(line, text)
        try:
            return scalars.read(text)
        except scalars.AmbiguousScalarError as error:
            self._break(path, line, text, error.allowed, str(error))
            return text

    def _refuse_tag(self, node: nodes.Node, path: Path, plain: str) -> None:
        if node.tag is not None and node.tag != _TAGS + plain:
            name = node.tag.replace(_TAGS, "!!")
            self._break(path, node.line, f"the tag {name}", "the value without a tag", "tags are not known here")

    def _spend(self, node: nodes.Node, depth: int) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            found, allowed = f"more than {MAX_VALUES} values", f"at most {MAX_VALUES}"
            raise nodes.NotReadableError(
                "the file is too large with its aliases written out", node.line, found=found, allowed=allowed
            )
        if depth > nodes.MAX_DEPTH:
            raise nodes.too_deep(node.line)

    def _doubt(self, path: Path, line: int, found: str, allowed: str, message: str) -> None:
        self.doubtful.add(path)
        self._note(path, line, found, allowed, message)

    def _break(self, path: Path, line: int, found: str, allowed: str, message: str) -> None:
        self.broken.add(path)
        self._note(path, line, found, allowed, message)

    def _note(self, path: Path, line: int, found: str, allowed: str, message: str) -> None:
        self.places.setdefault(path, Place(line))
        self.problems.append(Problem(render(path), found, allowed, message, line=line))
