"""Jobs that were made for another request than this release would make: nothing is charged, nothing wrong is taken."""

from datetime import timedelta
from typing import Any

import pytest

from mergesearch.api.status import MergeSearchStatus, Record, Stage
from mergesearch.contract import Exit, Report, Termination
from mergesearch.lifecycle import children
from mergesearch.reasons import Reason
from mergesearch_operator import constants, resources
from mergesearch_operator.manifests import job as jobs
from unit.lifecycle import world
from unit.operator.documents import Document, container, pod_of
from unit.operator.memory import FIRST, KEY, SECOND, Memory, memory, reconciler, status_of

OTHER = {constants.REQUEST_DIGEST: "of another request"}


def edit(of: Memory, *names: str) -> None:
    """Another release has made these Jobs, or a webhook edits them."""
    for name in names:
        of.jobs_there[name]["metadata"]["annotations"] = dict(OTHER)


@pytest.mark.parametrize("annotations", [OTHER, {}], ids=["another-digest", "no-digest"])
def test_a_live_job_of_another_request_is_deleted_and_made_anew_and_nothing_is_charged(annotations: Document) -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    cluster.jobs_there[FIRST]["metadata"]["annotations"] = annotations
    cluster.acts.clear()
    reconciler(cluster).step(KEY)
    assert cluster.acts == ["PUT status", f"DELETE {FIRST}"]
    status = status_of(cluster)
    assert (status.stage_failures, status.stage_disruptions) == ({}, {Stage.PREFLIGHT_CHECKPOINTS: 1})
    cluster.now += timedelta(minutes=1)
    reconciler(cluster).step(KEY)
    assert sorted(cluster.jobs_there) == [SECOND, "soup-abcde-00003-p"]
    assert status_of(cluster).stalled is None


def test_what_edits_every_job_stalls_the_search_and_does_not_make_jobs_for_ever() -> None:
    cluster = memory()
    for _ in range(40):
        reconciler(cluster).step(KEY)
        edit(cluster, *cluster.jobs_there)
        cluster.now += timedelta(minutes=10)
    stalled = status_of(cluster).stalled
    assert stalled is not None
    assert stalled.reason is Reason.DISRUPTED_TOO_OFTEN
    assert not cluster.jobs_there
    assert sum(act.startswith("POST soup") for act in cluster.acts) == 22, "two halves, eleven times each"


def test_a_job_of_another_request_that_no_list_has_shown_yet_is_seen_by_the_next_step() -> None:
    cluster = memory()
    reconciler(cluster).step(KEY)
    edit(cluster, FIRST)
    listed, cluster.jobs = cluster.jobs, lambda key, uid: []  # type: ignore[method-assign]
    reconciler(cluster).step(KEY)
    assert sorted(cluster.jobs_there) == [FIRST, SECOND]
    cluster.jobs = listed  # type: ignore[method-assign]
    reconciler(cluster).step(KEY)
    assert sorted(cluster.jobs_there) == [SECOND]


def ended_early(request_hash: str | None, code: int) -> tuple[Memory, Record]:
    """A search whose evaluator another release has made, after its end, and the record that it was to score."""
    bench = world.Bench(world.resource())
    status = bench.until(lambda now: any(launch.stage is Stage.EVALUATE for launch in now.launches))
    launch = next(launch for launch in status.launches if launch.stage is Stage.EVALUATE)
    cluster = memory()
    assert cluster.document is not None
    cluster.document["status"] = resources.stored(status)
    cluster.now = bench.now
    reconciler(cluster).step(KEY)
    child = children.child(bench.resource, status, launch)
    made = cluster.jobs_there[child.name]
    edit(cluster, child.name)
    reports: list[Report] = [answer() for answer in bench.world.answers(child.request)]
    if request_hash is not None:
        reports = [report.model_copy(update={"request_hash": request_hash}) for report in reports]
    said = Termination(exit=Exit(code=code), reports=tuple(reports) if code == 0 else ())
    phase = "Succeeded" if code == 0 else "Failed"
    pod = pod_of(made, phase, **container("terminated", exitCode=code, message=said.to_json()))
    cluster.pods = lambda key, uid: [pod]  # type: ignore[method-assign]
    return cluster, _record(status, launch.candidates[0])


def _record(status: MergeSearchStatus, identity: str) -> Record:
    return next(record for record in (*status.baselines, *status.candidates) if record.id == identity)


def test_a_report_that_answers_the_request_all_the_same_counts() -> None:
    cluster, record = ended_early(None, 0)
    reconciler(cluster).step(KEY)
    now = _record(status_of(cluster), record.id)
    assert (now.state, now.attempt, now.charged, now.disruptions) == ("Scored", 1, 0, 0)


@pytest.mark.parametrize(
    ("request_hash", "code"), [("0" * 64, 0), (None, 64), (None, 1)], ids=["another-answer", "refused", "died"]
)
def test_an_ended_job_of_another_request_that_has_no_answer_to_this_one_charges_nobody(
    request_hash: str | None, code: int
) -> None:
    cluster, record = ended_early(request_hash, code)
    reconciler(cluster).step(KEY)
    status = status_of(cluster)
    now = _record(status, record.id)
    assert (now.state, now.attempt, now.charged, now.disruptions) == ("Waiting", 2, 0, 1)
    assert (now.reason, now.fitness) == ("Disrupted", None)
    assert "was made for another request" in now.message
    assert status.stalled is None


END = world.End(code=1, reason=Reason.OUT_OF_MEMORY, message="killed")
SEARCHES: dict[str, dict[str, Any]] = {
    "calm": {},
    "batches": {"merger": {"batch": 3}, "evaluator": {"batch": 2}, "search": {"maxEvaluations": 12, "parallelism": 3}},
    "greedy": {"search": {"maxEvaluations": 12, "baselines": ["Checkpoints", "Uniform", "MergeBest", "Greedy"]}},
}


@pytest.mark.parametrize("parts", SEARCHES.values(), ids=SEARCHES.keys())
def test_the_request_of_a_launch_stays_the_same_as_long_as_the_launch(parts: dict[str, Any]) -> None:
    """Or else our own Jobs would be taken for those of others."""
    bench = world.Bench(
        world.resource(**parts), faults=world.faults((Stage.EVALUATE, None, END), (Stage.MERGE, None, END), times=2)
    )
    digests: dict[int, str] = {}
    while bench.status.completion_time is None:
        bench.step()
        for child in children.children(bench.resource, bench.status):
            found = jobs.request_digest(child)
            assert digests.setdefault(child.launch.number, found) == found, child.name
        bench.work()
    assert len(digests) > 20
