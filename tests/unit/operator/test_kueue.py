"""Kueue's words for a Job that waits, and what happens where there are none."""

from collections.abc import Callable, Iterable

import pytest

from mergesearch_operator import constants, faults, kueue, observe
from mergesearch_operator.client import Document
from mergesearch_operator.cluster import Cluster
from mergesearch_operator.seen import Seen
from support.workloads import not_reserved
from unit.operator.documents import NOW, child_of, job_of

OURS = "the Job is suspended: it waits in a queue"
WORDS = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu"


class Answering(Cluster):
    """A cluster that knows nothing but Workloads, in one version of their API."""

    def __init__(self, answer: Callable[[Document], list[Document]], version: str = "v1beta2") -> None:
        self.answer, self.version = answer, version
        self.known: Document = {}
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []

    def workloads(self, namespace: str, version: str, jobs: Iterable[str]) -> list[Document]:
        self.asked.append((namespace, version, tuple(jobs)))
        if version != self.version:
            raise faults.NotFoundError("the server could not find the requested resource", code=404)
        return self.answer(self.known)


def refuses(error: faults.ApiError) -> Callable[[Document], list[Document]]:
    def answer(_job: Document) -> list[Document]:
        raise error

    return answer


def says(*conditions: Document, of: str = "") -> Callable[[Document], list[Document]]:
    """One Workload, of the Job or of another one."""

    def answer(job: Document) -> list[Document]:
        owner = {"kind": "Job", "uid": of or job["metadata"]["uid"]}
        return [{"metadata": {"name": "w", "ownerReferences": [owner]}, "status": {"conditions": list(conditions)}}]

    return answer


def message(cluster: Answering, *, queue: str = "gpus", suspended: bool = True) -> str | None:
    """What is told of one Job without a pod."""
    resource, child = child_of("PreflightTasks", evaluator={"queueName": queue} if queue else {})
    job = job_of(resource, child)
    job["spec"]["suspend"] = suspended
    cluster.known = job
    seen = observe.see_all(resource, [job], [], NOW)
    (found,) = kueue.explained(cluster, "team", [job], seen)
    assert without_words(found) == without_words(seen[0])
    return found.child.waiting.message if found.child.waiting is not None else None


def without_words(seen: Seen) -> tuple[object, ...]:
    """All but the sentence."""
    waiting = seen.child.waiting
    return seen.child.launch, seen.child.state, seen.name, seen.uid, seen.due, waiting and waiting.reason


LONG = "x" * 5000
CASES: dict[str, tuple[Answering, str]] = {
    "no-quota": (Answering(says(not_reserved("Pending", WORDS))), f"queued: {WORDS}"),
    "no-such-queue": (
        Answering(says(not_reserved("Inadmissible", "LocalQueue gpus doesn't exist"))),
        "queued: Inadmissible: LocalQueue gpus doesn't exist",
    ),
    "older-kueue": (Answering(says(not_reserved("Pending", WORDS)), "v1beta1"), f"queued: {WORDS}"),
    "quota-reserved": (Answering(says(not_reserved("Pending", WORDS) | {"status": "True"})), OURS),
    "no-words": (Answering(says(not_reserved("Pending", ""))), OURS),
    "not-seen-by-kueue-yet": (Answering(lambda _job: []), OURS),
    "no-conditions-yet": (Answering(says()), OURS),
    "workload-of-another-job": (Answering(says(not_reserved("Pending", WORDS), of="another")), OURS),
    "no-kueue": (Answering(lambda _job: [], "none"), OURS),
    "no-right": (Answering(refuses(faults.ForbiddenError("cannot list resource", code=403))), OURS),
    "forbidden-by-policy": (Answering(refuses(faults.RefusedError("denied", code=403))), OURS),
    "conversion-out-of-reach": (Answering(refuses(faults.UnavailableError("webhook", code=500))), OURS),
    "endless-words": (Answering(says(not_reserved("Pending", LONG))), f"queued: {LONG}"[:499] + "…"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_job_in_a_queue_waits_with_kueues_words_where_there_are_any(case: str) -> None:
    cluster, expected = CASES[case]
    assert message(cluster) == expected


def test_only_the_jobs_that_wait_are_asked_for() -> None:
    cluster = Answering(says(not_reserved("Pending", WORDS)))
    message(cluster)
    assert cluster.asked == [("team", "v1beta2", (cluster.known["metadata"]["uid"],))]


@pytest.mark.parametrize(("queue", "suspended"), [("", True), ("gpus", False)], ids=["suspended-by-another", "let-in"])
def test_kueue_is_not_asked_for_what_is_in_no_queue_or_waits_no_more(queue: str, *, suspended: bool) -> None:
    cluster = Answering(says(not_reserved("Pending", WORDS)))
    message(cluster, queue=queue, suspended=suspended)
    assert cluster.asked == []
    assert (constants.QUEUE_NAME in cluster.known["metadata"]["labels"]) is bool(queue)
