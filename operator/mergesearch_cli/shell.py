"""The local shell: observe, advance, write, act. Killed between any two steps, the next run finds the same state and
carries on.
"""

from datetime import UTC, datetime
from typing import Protocol

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch.errors import CliExitCode
from mergesearch.lifecycle.advance import advance, next_due
from mergesearch.lifecycle.children import children
from mergesearch.lifecycle.step import Observed
from mergesearch_cli.runner import Activity, Runner
from mergesearch_cli.state import StateFolder

LONGEST_WAIT = 1.0
"""Seconds between two looks at deadlines, and between two pictures on the terminal."""


class View(Protocol):
    """Shows people how the search goes."""

    def show(self, resource: MergeSearch, activity: Activity) -> None:
        """Called at least once a LONGEST_WAIT."""


def run(resource: MergeSearch, state: StateFolder, runner: Runner, view: View) -> MergeSearch:
    """Step until the search rests: complete, failed, stalled or suspended. The caller holds the state folder."""
    observed, here = Observed(blind_since=state.seen_at()), on_one_machine(resource)
    while True:
        now = datetime.now(UTC)
        before = resource.status or MergeSearchStatus()
        status = advance(here, before, observed, now)
        if status is not before:
            resource = resource.model_copy(update={"status": status})
            state.write(resource)
        runner.reconcile(children(here, status), resource.spec.search.parallelism)
        state.touch()
        view.show(resource, runner.activity())
        if rests(resource):
            return resource
        due = next_due(status, now)
        runner.wait(LONGEST_WAIT if due is None else min(LONGEST_WAIT, (due - now).total_seconds()))
        observed = runner.observe()


def on_one_machine(resource: MergeSearch) -> MergeSearch:
    """The search as it runs here: one merger writes each merge as a whole, however many nodes share it on a cluster."""
    merger = resource.spec.merger.model_copy(update={"slices": 1})
    return resource.model_copy(update={"spec": resource.spec.model_copy(update={"merger": merger})})


def rests(resource: MergeSearch) -> bool:
    """Whether nothing will happen any more until a person acts."""
    status = resource.status
    if status is None or status.launches:
        return False
    waits = status.stalled is not None or resource.spec.suspend
    return waits or status.completion_time is not None


def exit_code(resource: MergeSearch) -> CliExitCode:
    """What `mergesearch run` says at its end."""
    status = resource.status or MergeSearchStatus()
    if status.failed is not None:
        return CliExitCode.FAILED
    if status.completion_time is not None:
        return CliExitCode.COMPLETE
    return CliExitCode.STALLED if status.stalled is not None else CliExitCode.SUSPENDED
