"""What the preflight finds, and what follows where it finds something else than before."""

import pytest

from mergesearch.api.status import MAX_MESSAGE, Phase, RecordState, Stage
from mergesearch.contract import Failure, PreflightCheckpointsReport, PreflightTasksReport, TaskFacts
from mergesearch.lifecycle import preflight
from mergesearch.lifecycle.children import Child
from mergesearch.lifecycle.preflight import MAX_VERSIONS, MAX_WARNINGS
from mergesearch.lifecycle.step import MAX_DECISION, Step
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, Process, faults, resource, scored

HALVES = (Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS)


def processes(bench: Bench, stage: Stage) -> list[Process]:
    return [process for process in bench.processes.values() if process.child.launch.stage is stage]


def tasks_reported(bench: Bench) -> tuple[Process, PreflightTasksReport]:
    """The half that loads the tasks, with the report that the next step will read."""
    bench.step()
    (process,) = processes(bench, Stage.PREFLIGHT_TASKS)
    process.start(bench.world, bench.now)
    bench.finish(process)
    (report,) = process.reports
    assert isinstance(report, PreflightTasksReport)
    return process, report


def test_both_halves_run_side_by_side_before_anything_else() -> None:
    bench = Bench(resource())
    bench.step()
    assert [child.launch.stage for child in bench.started] == list(HALVES)
    assert bench.status.phase is Phase.PREFLIGHT


def test_what_was_found_is_remembered() -> None:
    bench = Bench(resource(3))
    bench.world.documents["a"] = (30, 10)
    found = bench.until(lambda status: not status.preflight_due).preflight
    assert len(set(found.fingerprints)) == 3
    assert (found.input_bytes, found.output_bytes, found.parameters, found.free_bytes) == (3000, 1000, 500, 10**9)
    assert [(task.name, [leaf.total for leaf in task.leaves]) for task in found.tasks] == [
        ("a", [30, 10]),
        ("b", [400]),
        ("h", [400]),
    ]
    assert found.versions == {"lm_eval": "0"}


def test_the_merger_is_asked_for_the_memory_of_a_whole_batch() -> None:
    for batch in (1, 4):
        bench = Bench(resource(merger={"batch": batch}))
        found = bench.until(lambda status: not status.preflight_due).preflight
        assert found.merger_memory_bytes == batch * 10**8


def test_the_smallest_gain_that_can_be_proven_follows_from_the_unseen_samples() -> None:
    few, many = Bench(resource()), Bench(resource())
    few.world.documents = {"a": (40,), "b": (40,)}
    gains = [b.until(lambda status: not status.preflight_due).preflight.smallest_gain for b in (few, many)]
    assert gains[0] == pytest.approx(0.1901, abs=1e-4)  # 20 unseen samples of each of two tasks
    assert gains[1] == pytest.approx(0.0657, abs=1e-4)  # 200 of each


def test_the_smallest_gain_allows_for_the_choice_among_the_finalists() -> None:
    gains = [
        Bench(resource(search={"confirm": {"finalists": finalists}}))
        .until(lambda status: not status.preflight_due)
        .preflight.smallest_gain
        for finalists in (1, 3, 8)
    ]
    assert gains == sorted(gains, key=lambda gain: gain or 0.0)
    assert len(set(gains)) == 3


def test_few_unseen_samples_are_warned_of() -> None:
    bench = Bench(resource())
    bench.world.documents = {"a": (40,), "b": (100,)}
    warnings = bench.until(lambda status: not status.preflight_due).preflight.warnings
    assert warnings == ("with fewer than 50 unseen samples intervals and p are rough: a (20)",)


@pytest.mark.parametrize("stage", HALVES)
def test_a_preflight_that_reports_a_failure_stalls_at_once_with_its_reason(stage: Stage) -> None:
    wrong = Failure(reason=Reason.METRIC_MISSING, message="a has no metric acc; it has exact_match")
    bench = Bench(resource(), faults=faults((stage, None, End(code=0, failure=wrong))))
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", "MetricMissing")
    assert status.stalled is not None
    assert status.stalled.message == wrong.message
    assert len(bench.made(stage)) == 1
    assert not bench.made(Stage.EVALUATE)


WRONG = {
    Stage.PREFLIGHT_CHECKPOINTS: Failure(reason=Reason.CHECKPOINT_MISSING, message="m-1: there is no such folder"),
    Stage.PREFLIGHT_TASKS: Failure(reason=Reason.TASK_UNKNOWN, message="lm-eval knows no task 'leters'"),
}


@pytest.mark.parametrize("order", [HALVES, HALVES[::-1], None], ids=["tasks last", "checkpoints last", "together"])
def test_the_problems_of_both_halves_are_told_whichever_ends_first(order: tuple[Stage, ...] | None) -> None:
    bench = Bench(resource())
    bench.step()
    for stage in order or HALVES:
        (process,) = processes(bench, stage)
        process.start(bench.world, bench.now)
        bench.finish(process, End(code=0, failure=WRONG[stage]))
        if order is not None:
            bench.step()
    bench.step()
    assert not bench.status.launches
    assert bench.condition("Stalled") == ("True", "PreflightFailed")
    assert bench.status.stalled is not None
    lines = bench.status.stalled.message.splitlines()
    assert sorted(lines) == sorted(f"{wrong.reason}: {wrong.message}" for wrong in WRONG.values())


def test_the_other_half_goes_on_after_the_first_has_stalled_and_nothing_else_starts() -> None:
    bench = Bench(resource())
    bench.step()
    (process,) = processes(bench, Stage.PREFLIGHT_CHECKPOINTS)
    process.start(bench.world, bench.now)
    bench.finish(process, End(code=0, failure=WRONG[Stage.PREFLIGHT_CHECKPOINTS]))
    bench.step()
    assert bench.condition("Stalled") == ("True", "CheckpointMissing")
    assert [launch.stage for launch in bench.status.launches] == [Stage.PREFLIGHT_TASKS]
    status = bench.rest()
    assert bench.condition("Stalled") == ("True", "CheckpointMissing"), "the tasks are good"
    assert status.preflight_due == (Stage.PREFLIGHT_CHECKPOINTS,)


def test_a_half_that_dies_after_the_other_has_stalled_is_told_as_well() -> None:
    """It will not be tried again, so that nobody could know of it otherwise."""
    dies = End(code=137, message="evaluator-0: killed by SIGKILL")
    missing = End(code=0, failure=WRONG[Stage.PREFLIGHT_CHECKPOINTS])
    bench = Bench(resource(), faults=faults((HALVES[0], None, missing), (HALVES[1], None, dies)))
    status = bench.rest()
    assert status.stalled is not None
    assert "there is no such folder\nProcessDied: evaluator-0: killed by SIGKILL" in status.stalled.message


def test_few_unseen_samples_are_told_beside_a_missing_checkpoint() -> None:
    missing = End(code=0, failure=WRONG[Stage.PREFLIGHT_CHECKPOINTS])
    bench = Bench(resource(), faults=faults((HALVES[0], None, missing)))
    bench.world.documents = {"a": (1,)}
    status = bench.rest()
    assert status.stalled is not None
    assert [line.split(":")[0] for line in status.stalled.message.splitlines()] == [
        "CheckpointMissing",
        "TooFewSamples",
    ]


def test_few_samples_of_one_task_are_told_beside_the_wrong_metric_of_another() -> None:
    bench = Bench(resource(objective={"tasks": [{"name": "a", "metric": "acc"}, {"name": "b", "metric": "acx"}]}))
    bench.world.documents = {"a": (1,)}
    process, report = tasks_reported(bench)
    wrong = Failure(reason=Reason.METRIC_MISSING, message="b has no metric acx; it has acc")
    # Of h nothing is known: it could not be loaded.
    process.reports = [report.model_copy(update={"failure": wrong, "tasks": report.tasks[:2]})]
    bench.step()
    assert bench.condition("Stalled") == ("True", "MetricMissing")
    assert bench.status.stalled is not None
    assert bench.status.stalled.message.splitlines() == [
        "b has no metric acx; it has acc",
        "TooFewSamples: spec.objective.tasks[0]: a has 1 document; at least 2 are needed, one to search and one unseen",
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [("b", "spec.objective.tasks[1].name: b"), ("h", "spec.heldOut.tasks[0].name: h")],
    ids=["a task of the objective", "a held-out task"],
)
def test_a_task_that_nobody_knows_is_told_with_its_field_and_what_another_name_needs(wrong: str, field: str) -> None:
    bench = Bench(resource())
    process, report = tasks_reported(bench)
    unknown = Failure(reason=Reason.TASK_UNKNOWN, message=f"lm-eval knows no task {wrong!r} (nearest: x)")
    rest = tuple(task for task in report.tasks if task.name != wrong)
    process.reports = [report.model_copy(update={"failure": unknown, "tasks": rest})]
    bench.step()
    assert bench.status.stalled is not None
    assert bench.status.stalled.message.splitlines() == [
        unknown.message,
        f"{field} cannot be loaded; on a cluster another name needs a new search",
    ]


@pytest.mark.parametrize(
    ("reason", "message", "transient"),
    [
        (Reason.ENGINE_REFUSED, "b runs code that a model has written: set spec.evaluator.allowCodeExecution", False),
        (Reason.DATA_SET_UNREACHABLE, "b cannot be loaded: the hub does not answer", True),
        (Reason.TASK_UNKNOWN, "b cannot be loaded: the hub does not answer", True),
    ],
    ids=["refused", "out of reach", "may pass"],
)
def test_a_task_whose_name_is_right_is_not_told_that_it_needs_another(
    reason: Reason, message: str, transient: bool
) -> None:
    failure = Failure(reason=reason, message=message, transient=transient)
    bench = Bench(resource())
    _, report = tasks_reported(bench)
    known = report.model_copy(update={"tasks": tuple(task for task in report.tasks if task.name != "b")})
    step = Step(resource=bench.resource, status=bench.status, observed=bench.observe(), now=bench.now)
    assert preflight.failure_of(step, known, failure) == failure


@pytest.mark.parametrize(
    ("stage", "reason", "told"),
    [
        (HALVES[0], Reason.NO_SPACE, "NoSpace"),
        (HALVES[1], Reason.DATA_SET_UNREACHABLE, "DataSetUnreachable"),
        (HALVES[1], Reason.SANDBOX_LOST, "PreflightFailed"),
    ],
    ids=["space", "a data set", "what has no way out of its own"],
)
def test_what_a_preflight_finds_again_and_again_stalls_with_the_reason_that_has_a_way_out(
    stage: Stage, reason: Reason, told: str
) -> None:
    failure = Failure(reason=reason, message="it is so", transient=True)
    bench = Bench(resource(), faults=faults((stage, None, End(code=0, failure=failure))))
    assert bench.rest().stalled is not None
    assert bench.condition("Stalled") == ("True", told)
    assert len(bench.made(stage)) == 3


@pytest.mark.parametrize("lengths", [(2000, 2000), (2000, 50), (50, 2000)], ids=["both long", "first", "second"])
def test_long_lists_of_problems_leave_room_for_each_other(lengths: tuple[int, int]) -> None:
    both = [
        Failure(reason=Reason.PREFLIGHT_FAILED, message=word * size) for word, size in zip("xy", lengths, strict=True)
    ]
    ends = [(stage, None, End(code=0, failure=failure)) for stage, failure in zip(HALVES, both, strict=True)]
    status = Bench(resource(), faults=faults(*ends)).rest()
    assert status.stalled is not None
    message = status.stalled.message
    assert len(message) <= MAX_DECISION
    shown = [message.count(word) for word in "xy"]
    assert all(found >= min(size, 900) for found, size in zip(shown, lengths, strict=True))


def test_the_same_problem_of_both_halves_is_told_once() -> None:
    wrong = Failure(reason=Reason.CHECKPOINT_MISSING, message="volume 'checkpoints' is not a folder")
    ends = [(stage, None, End(code=0, failure=wrong)) for stage in HALVES]
    bench = Bench(resource(), faults=faults(*ends))
    status = bench.rest()
    assert status.stalled is not None
    assert (status.stalled.reason, status.stalled.message) == (wrong.reason, wrong.message)


@pytest.mark.parametrize("stage", HALVES)
def test_a_preflight_that_fails_in_passing_is_tried_three_times(stage: Stage) -> None:
    wrong = Failure(reason=Reason.UNEXPECTED, message="a glitch", transient=True)
    bench = Bench(resource(), faults=faults((stage, None, End(code=0, failure=wrong)), times=2))
    assert bench.rest().phase is Phase.COMPLETE
    assert len(bench.made(stage)) == 3
    bench = Bench(resource(), faults=faults((stage, None, End(code=0, failure=wrong)), times=3))
    bench.rest()
    assert bench.condition("Stalled") == ("True", "PreflightFailed")
    assert len(bench.made(stage)) == 3


def test_only_the_half_that_failed_is_asked_again() -> None:
    bench = Bench(resource(), faults=faults((Stage.PREFLIGHT_TASKS, None, End(code=137)), times=1))
    bench.rest()
    assert [len(bench.made(stage)) for stage in HALVES] == [1, 2]


WRONG_LISTS = {"none": slice(0, 0), "one too few": slice(0, 2), "another order": slice(None, None, -1)}


@pytest.mark.parametrize("stage", HALVES)
@pytest.mark.parametrize("part", WRONG_LISTS.values(), ids=WRONG_LISTS.keys())
def test_a_report_that_does_not_list_what_was_asked_for_is_refused(stage: Stage, part: slice) -> None:
    bench = Bench(resource())
    bench.step()
    (process,) = processes(bench, stage)
    process.start(bench.world, bench.now)
    bench.finish(process)
    report = process.reports[0]
    assert isinstance(report, PreflightCheckpointsReport | PreflightTasksReport)
    field = "checkpoints" if isinstance(report, PreflightCheckpointsReport) else "tasks"
    process.reports = [report.model_copy(update={field: getattr(report, field)[part]})]
    bench.step()
    assert stage in bench.status.preflight_due
    assert bench.status.stage_failures == {stage: 1}
    assert bench.rest().phase is Phase.COMPLETE


def test_warnings_and_versions_are_kept_within_their_bounds() -> None:
    bench = Bench(resource())
    bench.step()
    for process in bench.processes.values():
        process.start(bench.world, bench.now)
        bench.finish(process)
        report = process.reports[0]
        more: dict[str, object] = {"warnings": tuple(f"{i} {report.kind} {'w' * 500}" for i in range(20))}
        if isinstance(report, PreflightTasksReport):
            more["versions"] = {f"package-{i}": "1" for i in range(20)}
        process.reports = [report.model_copy(update=more)]
    bench.step()
    found = bench.status.preflight
    assert len(found.warnings) == MAX_WARNINGS
    assert {len(warning) for warning in found.warnings} == {MAX_MESSAGE}
    assert len(found.versions) == MAX_VERSIONS


# --- A second preflight ---


def second_preflight(bench: Bench) -> set[int]:
    """Evaluators are at work; the preflight alone is done once more. Returns the numbers of what was at work."""
    bench.until(lambda status: scored(status, 2) and any(r.state is RecordState.EVALUATING for r in status.candidates))
    working = {launch.number for launch in bench.status.launches}
    bench.retry()
    bench.step()
    for stage in HALVES:
        for process in processes(bench, stage):
            process.start(bench.world, bench.now)
            bench.finish(process)
    bench.step()
    return working


def test_an_unchanged_preflight_ends_nothing_and_warns_of_nothing() -> None:
    bench = Bench(resource(search={"parallelism": 2}))
    working = second_preflight(bench)
    assert working <= {launch.number for launch in bench.status.launches}
    assert bench.status.preflight.warnings == ()


@pytest.mark.parametrize("baselines", [["Checkpoints"], []], ids=["baselines are scored", "candidates are scored"])
@pytest.mark.parametrize(
    ("what", "reason", "words"),
    [
        ("b", "TasksChanged", "the documents of b are not those"),
        ("m-1", "CheckpointChanged", "the content of m-1 is not that"),
    ],
    ids=["documents", "checkpoint"],
)
def test_what_has_changed_stalls_until_it_is_restored(what: str, reason: str, words: str, baselines: list[str]) -> None:
    bench = Bench(resource(search={"baselines": baselines}))
    bench.until(lambda status: scored(status, 2))
    bench.world.contents[what] = "changed"
    bench.retry()
    bench.rest()
    assert bench.condition("Stalled") == ("True", reason)
    assert bench.status.stalled is not None
    assert words in bench.status.stalled.message
    bench.retry()
    bench.rest()
    assert bench.condition("Stalled") == ("True", reason), "another retry alone mends nothing"
    bench.world.contents.clear()
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE


@pytest.mark.parametrize("what", ["b", "m-1"], ids=["documents", "checkpoint"])
def test_what_changes_before_anything_is_scored_is_taken_as_it_is(what: str) -> None:
    bench = Bench(resource(), faults=faults((Stage.EVALUATE, None, End(code=64, reason=Reason.TASK_UNKNOWN))))
    bench.rest()
    before = bench.status.preflight
    bench.world.contents[what] = "changed"
    bench.faults = lambda _child: None
    bench.retry()
    assert bench.rest().phase is Phase.COMPLETE
    found = bench.status.preflight
    assert (found.tasks, found.fingerprints) != (before.tasks, before.fingerprints)


def test_what_runs_on_documents_that_have_changed_is_ended_before_it_is_scored() -> None:
    bench = Bench(resource())
    bench.until(lambda status: any(r.state is RecordState.EVALUATING for r in status.baselines))
    old = {launch.number for launch in bench.status.launches}
    bench.world.contents["b"] = "changed"
    bench.retry()
    bench.step()
    for stage in HALVES:
        for process in processes(bench, stage):
            process.start(bench.world, bench.now)
            bench.finish(process)
    bench.step()
    assert not old & {launch.number for launch in bench.status.launches}
    assert bench.rest().phase is Phase.COMPLETE


def test_a_task_without_leaves_is_no_task() -> None:
    bench = Bench(resource())
    process, report = tasks_reported(bench)
    empty = tuple(TaskFacts(name=task.name, leaves=()) for task in report.tasks)
    process.reports = [report.model_copy(update={"tasks": empty})]
    bench.step()
    assert bench.condition("Stalled") == ("True", "TooFewSamples")
    assert bench.status.stalled is not None
    assert "h has no documents" in bench.status.stalled.message


def children_of(bench: Bench, stage: Stage) -> list[Child]:
    return [child for child in bench.started if child.launch.stage is stage]


def test_the_second_preflight_asks_without_the_fingerprints_of_the_first() -> None:
    """It is to find what is there, not to compare."""
    bench = Bench(resource())
    bench.until(lambda status: scored(status, 1))
    bench.retry()
    bench.rest()
    first, second = (child.request for child in children_of(bench, Stage.PREFLIGHT_CHECKPOINTS))
    assert first == second
