"""Renders docs/bad-manifests.md from the table of bad manifests: every message is what MergeSearch really says.

`make generate` writes it.
"""

from mergesearch.api import manifest
from unit.api.bad_manifests import SECTIONS, BadManifest

INTRODUCTION = """# Bad manifests

What `mergesearch validate` and every other command answer when a manifest is wrong, in their own words: the line, the
path in the YAML, what is wrong, what was found and what is allowed. All problems of a file are told at once, nothing is
started, and the exit code is 2. The messages belong to one of two good manifests, the [least that a search
needs](../tests/unit/api/minimal.yaml) and one with [every field](../tests/unit/api/full.yaml), with the text of the
second column in them.

Generated from `tests/unit/api/bad_manifests.py` by `make generate`.
"""
HEAD = "| Somebody ... | In the file | Message |\n|---|---|---|\n"


def render() -> str:
    """The text of the page."""
    parts = [f"\n## {title}\n\n{HEAD}{''.join(map(_row, cases))}" for title, cases in SECTIONS]
    return INTRODUCTION + "".join(parts)


def _row(case: BadManifest) -> str:
    messages = "<br>".join(_cell(str(problem)) for problem in manifest.problems(case.text))
    return f"| {case.did} | {_written(case)} | {messages} |\n"


def _written(case: BadManifest) -> str:
    """The lines that were changed, one piece of code each; what was only removed is named as missing."""
    text = case.shown or case.new
    if not text.strip():
        return f"no {_code(case.old.strip())}" if case.old else "nothing"
    return "<br>".join(_code(line) for line in text.splitlines() if line.strip())


def _code(line: str) -> str:
    return f"`{line.rstrip()}`".replace("|", "\\|")


def _cell(message: str) -> str:
    return message.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
