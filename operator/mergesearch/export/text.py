"""Text that people have chosen, inside YAML and Markdown: it comes out as it went in, and as nothing else; pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
"""What begins emphasis, code, a link, HTML, a cell of a table, a formula or an entity anywhere in a line."""
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
"""Blanks, and characters that nobody sees but that turn or break a line."""


class Quoted(str):
    """Text that a person has chosen: in quotes, so that every reader of YAML takes it for text."""

    __slots__ = ()


class Raw(str):
    """Markdown that is meant as such."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `Quoted` in double quotes."""


def _represent(dumper: yaml.SafeDumper, text: Quoted) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')


_Dumper.add_representer(Quoted, _represent)


def to_yaml(document: Any) -> str:
    """The document, its keys in their order; floats come back as the same numbers."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31)


def line(text: object) -> str:
    """On one line, without what cannot be seen."""
    return _BLANKS.sub(" ", str(text)).strip()


def markdown(value: object) -> str:
    """Text in Markdown that is read as itself, also in a table; `Raw` stays as it is."""
    return value if isinstance(value, Raw) else _MARKDOWN.sub(r"\\\1", line(value))


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> Raw:
    """A table of GitHub's Markdown; the first so many columns are words, the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(headers) - words)
    lines = [[markdown(header) for header in headers], rule, *([markdown(cell) for cell in row] for row in rows)]
    return Raw("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
