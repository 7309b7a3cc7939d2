"""Where the program stands in an answer to a question of MBPP."""

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
