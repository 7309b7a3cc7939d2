"""How rules in CEL are written here, and the forms of text that several of them ask for; pure."""

from typing import Any

from mergesearch.api import presets

Rules = dict[str, tuple[dict[str, Any], ...]]
"""Entries of x-kubernetes-validations, by the place to which they are attached."""

DECIMAL = r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


def rule(cel: str, message: str, **more: str) -> dict[str, Any]:
    """One entry of x-kubernetes-validations."""
    return {"rule": cel, "message": message, **more}


def text(pattern: str) -> str:
    """A regular expression as a literal of CEL."""
    if "'" in pattern:
        raise ValueError(f"a quote in {pattern}")
    return f"r'{pattern}'"


def number(value: str, holds: str) -> str:
    """That a decimal text, where it is one, `holds`. Its form is asked for elsewhere, and told once."""
    return f"(!{value}.matches({text(DECIMAL)}) || double({value}) {holds})"


def distinct() -> str:
    """That no entry of a list stands there twice."""
    return "self.all(a, self.exists_one(b, b == a))"


def task_name(task: str) -> str:
    """The name of a task, be it written or its preset's; empty where there is neither."""
    known = ", ".join(f"'{preset}': '{one.name}'" for preset, one in presets.TASKS.items())
    return f"(has({task}.name) ? {task}.name : has({task}.preset) ? {{{known}}}[{task}.preset] : '')"


def objective_names(objective: str) -> str:
    """The names of an objective's tasks."""
    known = ", ".join(
        f"'{preset}': [{', '.join(repr(presets.TASKS[one].name) for one in tasks)}]"
        for preset, tasks in presets.OBJECTIVES.items()
    )
    whole = f"has({objective}.preset) ? {{{known}}}[{objective}.preset] : []"
    return f"(has({objective}.tasks) ? {objective}.tasks.map(t, {task_name('t')}) : {whole})"


def subdomains(*paths: str) -> Rules:
    """That names can be those of Kubernetes' objects."""
    message = "must have lower-case letters, digits, - and ., with a letter or digit at both ends"
    return {path: (rule(f"self.matches({text(SUBDOMAIN)})", message),) for path in paths}
