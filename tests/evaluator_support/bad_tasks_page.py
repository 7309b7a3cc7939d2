"""Renders docs/bad-tasks.md from the table of bad tasks; the tests hold the evaluator to every word of it."""

from evaluator_support.bad_tasks import CASES, Case

INTRODUCTION = """# Bad tasks and engine arguments

What the evaluator answers when a task, a metric or an engine argument is wrong. All of it stands in the preflight's
report, every problem at once, before anything expensive starts; an evaluation that is asked the same ends with exit
code 64 before it loads a model. An ellipsis stands for paths and lists that are left out here.

Generated from `tests/evaluator_support/bad_tasks.py` by `make generate`.

| What is wrong | Reason | Message |
|---|---|---|
"""


def render() -> str:
    """The text of the page."""
    return INTRODUCTION + "".join(_row(case) for case in CASES)


def _row(case: Case) -> str:
    message = " … ".join(case.words).replace("|", "\\|")
    return f"| {case.id.replace('-', ' ')} | `{case.reason}` | {message} |\n"
