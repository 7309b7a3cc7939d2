"""The examples of MBPP's prompts, which a test compares with lm-eval's, and how a program is found in an answer."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"```(?:\w+[ \t]*)?\n(.*?)(?:\n?```|\Z)", re.DOTALL)
"""A language is one only where the line ends after it: lm-eval's own pattern takes the `def` of a program that begins
at once for a language, and gives models that answer so a score of 0.
"""
EXAMPLES = "examples.json"
"""The documents 2, 3 and 4 of the data set, which no split for tests holds."""


def examples() -> list[dict[str, Any]]:
    """The documents that every prompt shows."""
    found = json.loads((Path(__file__).parent / EXAMPLES).read_text(encoding="utf-8"))
    return [{**document, "is_fewshot": True} for document in found]


def in_blocks(answers: Sequence[Sequence[str]], _documents: Sequence[Any]) -> list[list[str]]:
    """The program in each answer."""
    return [[in_block(answer) for answer in several] for several in answers]


def in_block(answer: str) -> str:
    """What stands in the first block of code, or follows where it is not closed. The prompt has opened one already,
    though some models open another.
    """
    first = BLOCK.search(answer if answer.lstrip().startswith("```") else f"```\n{answer}")
    return first.group(1) if first else ""
