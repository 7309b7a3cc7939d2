"""What people see while a search runs, and what `status` shows of one that does not."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Decision, MergeSearchStatus, RecordKind, RecordState, Stage
from mergesearch.reasons import Reason
from mergesearch.report import rows
from mergesearch.report.summary import summarize
from mergesearch_cli import view
from mergesearch_cli.runner import Activity
from unit.report import histories
from unit.report.histories import History, with_status


@pytest.fixture(scope="module")
def history() -> History:
    return histories.run(histories.manifest(baselines=["Checkpoints", "Uniform", "MergeBest", "Greedy"]))


def pictured(resource: MergeSearch, activity: Activity | None = None, *, held: bool = True) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=160).print(view.picture(resource, activity or Activity(), held=held))
    return [line.strip() for line in output.getvalue().splitlines()]


def labels(lines: list[str]) -> list[str]:
    return [line.split("  ")[0] for line in lines]


def shown(history: History, steps: list[tuple[MergeSearchStatus, Activity]], quiet: float = 600.0) -> list[str]:
    """The lines of a plain view, without their times."""
    output = io.StringIO()
    with view.PlainView(Console(file=output, width=200), timedelta(seconds=quiet)) as plain:
        for status, activity in steps:
            plain.show(with_status(history.resource, status), activity)
    return [line.partition(" ")[2] for line in output.getvalue().splitlines()]


def test_no_row_of_the_picture_is_empty_at_any_moment(history: History) -> None:
    for status in history.statuses:
        for held in (True, False):
            lines = pictured(with_status(history.resource, status), held=held)
            assert not {"candidates", "time", "in flight", "generation", "baselines"} & set(lines), lines


def test_what_can_be_proven_is_said_once_in_the_log_and_in_the_picture_until_the_winner_is_known(
    history: History,
) -> None:
    lines = shown(history, [(status, Activity()) for status in history.statuses])
    (said,) = [line for line in lines if line.startswith("The preflight has passed: a gain of ")]
    assert said.endswith(str(history.end.preflight.provable))
    for status in history.statuses:
        known = bool(status.preflight.tasks) and not status.preflight_due and status.confirmed is None
        assert ("can prove" in labels(pictured(with_status(history.resource, status)))) is known


def test_before_the_first_candidate_the_baselines_are_counted(history: History) -> None:
    before = history.first(lambda status: any(r.state is RecordState.SCORED for r in status.baselines))
    assert "baselines" in labels(pictured(with_status(history.resource, before)))
    assert "candidates" not in labels(pictured(with_status(history.resource, before)))
    assert "baselines" not in labels(pictured(with_status(history.resource, history.end)))


def test_baselines_are_counted_alike_in_the_log_the_picture_and_the_verdict(history: History) -> None:
    for status in history.statuses:
        if not status.baselines or status.candidates or status.phase != "Baselines":
            continue
        resource = with_status(history.resource, status)
        counted = rows.scored_of(status.baselines)
        assert f"; {counted} baselines scored" in view.headline(resource)
        assert f"baselines  {counted} scored" in pictured(resource)
        assert summarize(resource).verdict.startswith(f"Baselines: {counted} baselines scored")
    begun = history.first(lambda status: status.phase == "Baselines")
    assert RecordKind.NOISE in {record.kind for record in begun.baselines}
    assert rows.scored_of(begun.baselines) == f"0 of {len(begun.baselines) - 1}"


def test_a_confirmed_search_shows_its_winner_and_a_running_one_says_that_its_best_is_on_search_samples(
    history: History,
) -> None:
    end = history.end
    assert end.confirmed is not None
    assert end.best is not None
    winner = end.confirmed.model_copy(update={"id": "c0006", "fitness": 0.9})
    found = view.headline(with_status(history.resource, end.model_copy(update={"confirmed": winner})))
    assert found.startswith("Complete; ")
    assert "; winner c0006: 90.0 on unseen samples; best baseline " in found
    assert "search samples" not in found
    before = history.first(lambda status: status.best is not None)
    assert before.best is not None
    line = f"best {before.best.id}: {100 * before.best.fitness:.1f} on search samples"
    assert line in view.headline(with_status(history.resource, before))
    assert line in pictured(with_status(history.resource, before))


def test_where_nothing_new_starts_no_time_is_left(history: History) -> None:
    status = history.first(lambda status: status.counts.scored > 2)
    assert view.time_left(with_status(history.resource, status))
    stalled = Decision(reason=Reason.STORAGE_FULL, message="1 GiB is free, a merge needs 4 GiB")
    suspended = history.resource.model_copy(
        update={"spec": history.resource.spec.model_copy(update={"suspend": True}), "status": status}
    )
    for resting in (
        with_status(history.resource, status.model_copy(update={"stalled": stalled})),
        suspended,
        with_status(history.resource, history.end),
    ):
        assert view.time_left(resting) == ""
        assert "time" not in labels(pictured(resting))


def test_what_no_run_works_on_is_not_shown_as_in_flight(history: History) -> None:
    status = history.first(lambda status: any(launch.stage is Stage.EVALUATE for launch in status.launches))
    resource = with_status(history.resource, status)
    assert "in flight" in labels(pictured(resource))
    lines = pictured(resource, held=False)
    assert "was in flight" in labels(lines)
    assert "in flight" not in labels(lines)
    assert not [line for line in lines if line.endswith(" left")]


def test_every_baseline_is_called_the_same_in_the_live_view_the_status_and_the_report(history: History) -> None:
    for kind in (RecordKind.GREEDY, RecordKind.CHECKPOINT, RecordKind.MERGE_BEST):
        leader = next(record for record in history.end.baselines if record.kind is kind)
        above = leader.model_copy(update={"fitness": 0.9999})
        baselines = tuple(above if record is leader else record for record in history.end.baselines)
        running = {"baselines": baselines, "completion_time": None}
        resource = with_status(history.resource, history.end.model_copy(update=running))
        line = f"best baseline {rows.called(resource, leader)}: 100.0 on search samples"
        assert line in view.headline(resource)
        assert line in pictured(resource)
        row = next(row for row in summarize(resource).rows if row.id == leader.id)
        assert rows.called(resource, leader).removeprefix("checkpoint ") == row.name


def test_workers_that_load_their_libraries_are_announced_once_for_every_start(history: History) -> None:
    status = history.statuses[1]
    silent, up = Activity(starting=("evaluator-0", "merger-0")), Activity()
    lines = shown(history, [(status, silent), (status, silent), (status, up), (status, Activity(("evaluator-0",)))])
    assert lines[1:] == [
        "Starting evaluator-0, merger-0: loading libraries, which takes up to a minute",
        "Starting evaluator-0: loading libraries, which takes up to a minute",
    ]


def test_a_search_that_goes_on_announces_them_too(history: History) -> None:
    status = history.first(lambda status: len(status.candidates) > 2)
    lines = shown(history, [(status, Activity(starting=("evaluator-0",)))])
    assert lines[0].startswith("Searching; generation")
    assert lines[1].startswith("Starting evaluator-0")


def test_after_a_quiet_while_the_children_are_heard_once(history: History) -> None:
    status, doing = history.statuses[1], Activity(doing=("starting vllm", "loading tasks"))
    assert shown(history, [(status, doing)] * 3, quiet=0.0)[1:] == ["  starting vllm; loading tasks"]
    assert shown(history, [(status, doing)] * 3)[1:] == []


def test_a_half_that_still_runs_after_a_stall_is_waited_for_in_one_line(history: History) -> None:
    begun = next(status for status in history.statuses if len(status.launches) == 2)
    stalled = begun.model_copy(
        update={
            "launches": tuple(x for x in begun.launches if x.stage is Stage.PREFLIGHT_TASKS),
            "stalled": Decision(reason=Reason.CHECKPOINT_MISSING, message="m-1: there is no such folder"),
            "phase": "Stalled",
        }
    )
    ended = stalled.model_copy(update={"launches": ()})
    assert shown(history, [(stalled, Activity()), (stalled, Activity()), (ended, Activity())]) == [
        "Stalled (CheckpointMissing): nothing new starts, waiting for the end of: checking the tasks",
        "Stalled (CheckpointMissing)",
    ]
