"""Tasks whose answers are programs: whether such a task keeps them out of this process, whether the sandbox works."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import lm_eval.api.registry

from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME
from mergesearch.reasons import Reason
from mergesearch.worker import Progress, Volumes
from mergesearch_evaluator.facts import TaskFacts
from mergesearch_evaluator.problems import Problem
from mergesearch_evaluator.sandbox import client, metric

METRIC = f"{metric.__name__}.{metric.pass_at_1.__name__}"
"""What a task of a user's own names as its metric."""
OURS = {"mbpp": "mergesearch_mbpp", "mbpp_instruct": "mergesearch_mbpp_instruct"}
"""Tasks of lm-eval that would run programs themselves, and those that take their place."""
LOOKED_FOR = 3
"""Entries of each volume that a program in the sandbox must not see."""


def runs_outside(name: str, config: Mapping[str, Any]) -> Problem | None:
    """A task that runs what the model wrote in this process, beside checkpoints and workspace; None for one that does
    not. Its configuration may be read from a file or loaded.
    """
    metrics = [entry.get("metric") for entry in config.get("metric_list") or []]
    if not config.get("process_results") and not config.get("class") and all(map(_harmless, metrics)):
        return None
    instead = f": ask for {OURS[name]}" if name in OURS else f": its metric has to be !function {METRIC}"
    message = f"{name}: would run code that the model writes in the evaluator itself, not in the sandbox{instead}"
    return Problem(Reason.ENGINE_REFUSED, message)


def _harmless(found: object) -> bool:
    if isinstance(found, str):
        # Not resolved yet, a function is the path of a file with its name behind; other names that lm-eval does not
        # know are fetched from the hub.
        return found.endswith(f"/{METRIC}") or found in lm_eval.api.registry.METRIC_REGISTRY
    return found is metric.pass_at_1


def try_sandbox(
    tasks: Iterable[TaskFacts],
    volumes: Volumes,
    progress: Progress,
    check: Callable[[tuple[Path, ...]], None] | None = None,
) -> None:
    """Where a task runs programs, see that the sandbox runs them, stops them and hides the volumes from them; once a
    process. Raises InvalidRequestError and TryAgainError.
    """
    if any(leaf.runs_code for task in tasks for leaf in task.leaves):
        progress("trying the sandbox for code")
        (check or _check)(tuple(volumes.root(name) for name in (CHECKPOINTS_VOLUME, WORKSPACE_VOLUME)))


@functools.cache
def _check(roots: tuple[Path, ...]) -> None:
    # The folder itself may stand for something else inside, as /tmp does; what it holds does not.
    client.check([entry for root in roots for entry in (sorted(root.iterdir())[:LOOKED_FOR] or [root])])
