"""Where the program stands in an answer to a question of MBPP."""

import ast
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mergesearch_evaluator.builtin_tasks.mergesearch_mbpp import programs

PROGRAM = "def double(n):\n    return 2 * n"
ANSWERS = {
    "goes on in the block of the prompt": f"{PROGRAM}\n```",
    "begins with a line end": f"\n{PROGRAM}\n```",
    "says more after it": f"{PROGRAM}\n```\nIt doubles `n`.\n```python\nprint(1)\n```",
    "is not closed": PROGRAM,
    "opens a block of its own": f"```python\n{PROGRAM}\n```",
    "opens a block without a language": f"```\n{PROGRAM}\n```",
    "opens a block after a line end": f"\n```python\n{PROGRAM}\n```\nDone.",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_program_of_an_answer_is_found_where_it(answer: str) -> None:
    assert programs.in_block(answer).strip() == PROGRAM


@pytest.mark.parametrize("first", ["import math", "from math import gcd", "x = 1", "class A: pass"])
def test_the_first_word_of_a_program_is_no_language(first: str) -> None:
    assert programs.in_block(f"{first}\n{PROGRAM}\n```") == f"{first}\n{PROGRAM}"


LOST_BY_LM_EVAL = {
    "goes on in the block of the prompt",
    "says more after it",
    "is not closed",
    "opens a block of its own",
    "opens a block without a language",
    "opens a block after a line end",
}
"""As the user guide says: a program that begins at once, one that is not closed, one in a block of its own."""


def of_lm_eval() -> Callable[[str], str]:
    """lm-eval's own function; its module fetches a metric when it is imported, so the function is taken alone."""
    (folder,) = importlib.util.find_spec("lm_eval").submodule_search_locations or []  # type: ignore[union-attr]
    tree = ast.parse((Path(folder) / "tasks" / "mbpp" / "utils.py").read_text(encoding="utf-8"))
    (function,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "extract_code_blocks")
    names: dict[str, Any] = {"re": re}
    exec(compile(ast.Module([function], []), "utils", "exec"), names)
    found: Callable[[str], str] = names["extract_code_blocks"]
    return found


@pytest.mark.parametrize("answer", ANSWERS)
def test_where_lm_eval_finds_another_program_is_known(answer: str) -> None:
    same = of_lm_eval()(ANSWERS[answer]).strip() == programs.in_block(ANSWERS[answer]).strip()

    assert same is (answer not in LOST_BY_LM_EVAL)
