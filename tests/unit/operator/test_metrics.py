"""What Prometheus reads of an operator."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Blocked, MergeSearchStatus, Phase, RecordState
from mergesearch.lifecycle.children import Child
from mergesearch.reasons import Reason
from mergesearch_operator import families, faults
from mergesearch_operator.cluster import Cluster
from mergesearch_operator.metrics import Metrics
from mergesearch_operator.reconcile import Done, Reconciler, Written
from mergesearch_operator.seen import Seen
from mergesearch_operator.workqueue import WorkQueue
from unit.lifecycle import world
from unit.lifecycle.world import Bench, End
from unit.operator.documents import IMAGES, at, finished
from unit.operator.memory import memory

KEY = ("n", "soup")
OF_SOUP = {"namespace": "n", "name": "soup"}


def read(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every series: by the metric's name, then by its labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(metrics: Metrics, series: str, **labels: str) -> float | None:
    return read(metrics).get(series, {}).get(tuple(sorted(labels.items())))


def with_status(resource: MergeSearch, status: MergeSearchStatus) -> MergeSearch:
    meta = resource.metadata.model_copy(update={"namespace": KEY[0], "name": KEY[1]})
    return resource.model_copy(update={"status": status, "metadata": meta})


def run(metrics: Metrics, **parts: Any) -> Bench:
    """A whole search, each of whose steps the metrics are told of."""
    bench = Bench(world.resource(**parts.pop("parts", {})), **parts)
    while bench.status.completion_time is None:
        before, observed = bench.status, bench.observe()
        bench.status = bench.decide(observed)
        bench.act()
        seen = tuple(Seen(child) for child in observed.children)
        resource = with_status(bench.resource, bench.status)
        if bench.status is not before:
            metrics.on_written(Written(resource, before, seen))
        metrics.on_step(KEY, Done(resource), "", 0.01)
        bench.work()
    return bench


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(WorkQueue())


def test_a_whole_search_is_told_in_numbers(metrics: Metrics) -> None:
    gpus = {"evaluator": {"resources": {"limits": {"nvidia.com/gpu": "2"}}}}
    bench = run(metrics, parts=gpus)
    status = bench.status
    assert status.best is not None
    assert status.confirmed is not None
    expected = {
        "mergesearch_evaluations_total": 24.0,
        "mergesearch_disruptions_total": 0.0,
        "mergesearch_best_fitness": status.best.fitness,
        "mergesearch_confirmed_fitness": status.confirmed.fitness,
        "mergesearch_generation": 2.0,
        "mergesearch_gpu_seconds_total": status.cost.gpu_seconds,
        "mergesearch_active_seconds_total": status.active_seconds,
        "mergesearch_floating_point_operations_total": status.cost.flops,
        "mergesearch_stalled": 0.0,
        "mergesearch_blocked": 0.0,
    }
    assert status.cost.flops > 0
    assert {series: value(metrics, series, **OF_SOUP) for series in expected} == expected
    assert status.cost.gpu_seconds > 0
    best_baseline = max(record.fitness or 0.0 for record in status.baselines)
    assert value(metrics, "mergesearch_best_baseline_fitness", **OF_SOUP) == best_baseline
    assert value(metrics, "mergesearch_searches", phase="Complete") == 1.0
    assert value(metrics, "mergesearch_searches", phase="Searching") == 0.0
    assert value(metrics, "mergesearch_candidates", **OF_SOUP, state="Scored") == 12.0
    stages = {launch.stage for launch in (child.launch for child in bench.started)}
    counted = {stage: value(metrics, "mergesearch_stage_duration_seconds_count", stage=stage) for stage in stages}
    made = {stage: sum(child.launch.stage == stage for child in bench.started) for stage in stages}
    assert counted == made
    assert value(metrics, "mergesearch_stage_duration_seconds_sum", stage="Merge") == 10.0 * made["Merge"]  # type: ignore[index]


def test_tokens_are_told_by_kind_and_gpu_seconds_by_stage(metrics: Metrics) -> None:
    gpus = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    cost = run(metrics, parts={"evaluator": gpus, "merger": gpus}).status.cost
    assert value(metrics, "mergesearch_tokens_total", **OF_SOUP, kind="prompt") == cost.prompt_tokens > 0
    assert value(metrics, "mergesearch_tokens_total", **OF_SOUP, kind="generated") == cost.generated_tokens > 0
    told = {stage: value(metrics, "mergesearch_stage_gpu_seconds_total", **OF_SOUP, stage=stage) for stage in STAGES}
    assert told == cost.gpu_seconds_by_stage
    assert sum(told.values()) == pytest.approx(cost.gpu_seconds)  # type: ignore[arg-type]


STAGES = ("Merge", "Evaluate")


def test_the_share_of_each_budget_that_is_used_is_told_where_there_is_one(metrics: Metrics) -> None:
    gpus = {"evaluator": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}
    limits = {"search": {"maxEvaluations": 8, "maxGpuHours": "0.5", "maxDuration": "2h"}}
    status = run(metrics, parts=gpus | limits).status
    expected = {
        "maxEvaluations": 1.0,
        "maxGpuHours": status.cost.gpu_seconds / 1800,
        "maxDuration": status.active_seconds / 7200,
    }
    found = {name: value(metrics, "mergesearch_budget_used_ratio", **OF_SOUP, budget=name) for name in expected}
    assert found == pytest.approx(expected)
    assert all(0 < share <= 1 for share in expected.values())
    metrics.on_step(KEY, Done(with_status(world.resource(), status)), "", 0.0)
    assert [dict(labels)["budget"] for labels in read(metrics)["mergesearch_budget_used_ratio"]] == ["maxEvaluations"]


def test_a_search_whose_job_cannot_be_made_is_told(metrics: Metrics) -> None:
    blocked = Blocked(launch=1, reason=Reason.FORBIDDEN, message="exceeded quota")
    metrics.on_step(KEY, Done(with_status(world.resource(), MergeSearchStatus(blocked=blocked))), "", 0.0)
    assert value(metrics, "mergesearch_blocked", **OF_SOUP) == 1.0


def test_what_a_step_has_written_counts_once_although_the_step_fails_then(metrics: Metrics) -> None:
    cluster = memory()
    steps = Reconciler(cast("Cluster", cluster), IMAGES, metrics.on_written)
    steps.step(("default", "soup"))
    for job in cluster.jobs_there.values():
        job["status"] = {
            "startTime": at(0),
            "completionTime": at(30),
            "conditions": [finished("Failed", reason="DeadlineExceeded", message="too long")],
        }
        job["status"]["conditions"][0]["lastTransitionTime"] = at(30)
    cluster.faults = lambda act: faults.UnavailableError("x") if act.startswith("DELETE") else None
    cluster.now += timedelta(seconds=31)
    for _ in range(3):
        with pytest.raises(faults.UnavailableError):
            steps.step(("default", "soup"))
    stages = ("PreflightCheckpoints", "PreflightTasks")
    counted = [value(metrics, "mergesearch_stage_duration_seconds_count", stage=stage) for stage in stages]
    assert counted == [1.0, 1.0]
    assert value(metrics, "mergesearch_stage_duration_seconds_sum", stage=stages[0]) == 30.0
    assert value(metrics, "mergesearch_active_seconds_total", namespace="default", name="soup") == 30.0


def test_a_search_whose_every_step_fails_has_its_series_under_another_operator_too(metrics: Metrics) -> None:
    cluster = memory()
    cluster.faults = lambda act: faults.ForbiddenError("exceeded quota: few") if act.startswith("POST soup") else None
    for told in (Metrics(WorkQueue()), metrics):
        with pytest.raises(faults.ForbiddenError):
            Reconciler(cast("Cluster", cluster), IMAGES, told.on_written, told.on_read).step(("default", "soup"))
    assert value(metrics, "mergesearch_searches", phase="Preflight") == 1.0
    assert value(metrics, "mergesearch_stalled", namespace="default", name="soup") == 0.0


def test_a_defect_in_the_metrics_stops_no_step() -> None:
    def broken(_told: object) -> None:
        raise ZeroDivisionError

    cluster = memory()
    Reconciler(cast("Cluster", cluster), IMAGES, broken, broken).step(("default", "soup"))
    assert len(cluster.jobs_there) == 2


def test_every_state_and_phase_has_a_series_so_that_alerts_need_no_absent(metrics: Metrics) -> None:
    metrics.on_step(KEY, Done(world.resource()), "", 0.0)
    found = read(metrics)
    assert {dict(labels)["phase"] for labels in found["mergesearch_searches"]} == {phase.value for phase in Phase}
    states = {dict(labels)["state"] for labels in found["mergesearch_candidates"]}
    assert states == {state.value for state in RecordState}


def test_retries_are_counted_by_their_reason(metrics: Metrics) -> None:
    turn = iter(range(1000))

    def fault(child: Child) -> End | None:
        if child.launch.stage != "Evaluate" or next(turn) % 5:
            return None
        return End(code=1, reason=Reason.OUT_OF_MEMORY, message="no memory left")

    bench = run(metrics, faults=fault)
    assert bench.status.counts.retried > 2
    assert value(metrics, "mergesearch_retries_total", reason="OutOfMemory") == bench.status.counts.retried


def test_what_the_platform_did_is_no_retry_of_another_reason(metrics: Metrics) -> None:
    turn = iter(range(1000))

    def fault(child: Child) -> End | None:
        return End(code=None, disrupted=True) if child.launch.stage == "Evaluate" and next(turn) == 3 else None

    run(metrics, faults=fault)
    assert value(metrics, "mergesearch_disruptions_total", **OF_SOUP) == 1.0
    assert value(metrics, "mergesearch_retries_total", reason="Disrupted") == 1.0


def series_of_soup(metrics: Metrics) -> list[str]:
    return [name for name, series in read(metrics).items() for labels in series if dict(labels).get("name") == "soup"]


@pytest.mark.parametrize("how", ["seen-to-be-gone", "not-in-the-list", "not-readable"])
def test_the_series_of_a_deleted_search_disappear(metrics: Metrics, how: str) -> None:
    run(metrics)
    metrics.on_step(("n", "other"), Done(world.resource()), "", 0.0)
    assert len(series_of_soup(metrics)) > 10
    if how == "not-in-the-list":
        metrics.forget({("n", "other")})
    else:
        metrics.on_step(KEY, Done(unreadable=how == "not-readable"), "", 0.0)
    assert series_of_soup(metrics) == []
    assert value(metrics, "mergesearch_searches", phase="Complete") == 0.0
    assert value(metrics, "mergesearch_searches", phase="Preflight") == 1.0
    assert value(metrics, "mergesearch_unreadable_searches") == (1.0 if how == "not-readable" else 0.0)


def test_an_unreadable_search_that_is_deleted_or_mended_counts_no_more(metrics: Metrics) -> None:
    metrics.on_step(KEY, Done(unreadable=True), "", 0.0)
    metrics.on_step(KEY, Done(world.resource()), "", 0.0)
    assert value(metrics, "mergesearch_unreadable_searches") == 0.0
    metrics.on_step(KEY, Done(unreadable=True), "", 0.0)
    metrics.forget(set())
    assert value(metrics, "mergesearch_unreadable_searches") == 0.0


def test_steps_requests_and_errors_are_counted(metrics: Metrics) -> None:
    metrics.on_step(KEY, None, "Conflict", 0.3)
    metrics.on_request("GET", "jobs", 200, 0.01)
    metrics.on_request("GET", "jobs", 200, 0.01)
    metrics.on_request("PUT", "mergesearches/status", 0, 0.01)
    assert value(metrics, "mergesearch_reconcile_errors_total", reason="Conflict") == 1.0
    assert value(metrics, "mergesearch_reconcile_duration_seconds_count") == 1.0
    assert value(metrics, "mergesearch_reconcile_duration_seconds_bucket", le="0.25") == 0.0
    assert value(metrics, "mergesearch_reconcile_duration_seconds_bucket", le="0.5") == 1.0
    assert value(metrics, "mergesearch_api_requests_total", verb="GET", resource="jobs", code="200") == 2.0
    lost = {"verb": "PUT", "resource": "mergesearches/status", "code": "0"}
    assert value(metrics, "mergesearch_api_requests_total", **lost) == 1.0


def test_the_queue_is_told_as_it_is_when_it_is_read() -> None:
    now = 5.0
    queue = WorkQueue(lambda: now)
    metrics = Metrics(queue)
    assert value(metrics, "mergesearch_queue_depth") == 0.0
    queue.add(KEY)
    now = 12.0
    assert value(metrics, "mergesearch_queue_depth") == 1.0
    assert value(metrics, "mergesearch_queue_oldest_age_seconds") == 7.0


def exercised() -> Metrics:
    """Metrics of which every family has a series."""
    metrics = Metrics(WorkQueue())
    turn = iter(range(1000))
    gpus = {"evaluator": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}
    failing = End(code=1, reason=Reason.OUT_OF_MEMORY)
    run(metrics, faults=lambda _child: failing if next(turn) == 5 else None, parts=gpus)
    metrics.on_step(KEY, None, "Conflict", 0.0)
    metrics.on_request("GET", "jobs", 200, 0.0)
    return metrics


def own_families() -> Iterator[Any]:
    for family in text_string_to_metric_families(generate_latest(exercised().registry).decode()):
        if family.name.startswith("mergesearch_"):
            yield family


def test_the_table_of_families_is_what_is_served() -> None:
    served = {
        family.name: (
            family.type,
            family.documentation,
            {name for one in family.samples for name in one.labels} - {"le"},
        )
        for family in own_families()
    }
    assert served == {family.name: (family.kind, family.text, set(family.labels)) for family in families.ALL}


def test_names_and_units_follow_the_conventions_of_prometheus() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    text = generate_latest(exercised().registry)
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
