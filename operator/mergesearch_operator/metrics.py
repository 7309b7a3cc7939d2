"""What Prometheus reads: the operator's own work, and the state of every search.

Counters and histograms are fed by what happens; the series of searches are read from the last status of each when they
are scraped, so that those of a deleted search are gone with it.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus, Phase, Record, RecordState
from mergesearch.lifecycle import records
from mergesearch.reasons import Reason
from mergesearch_operator import events
from mergesearch_operator.cluster import Key
from mergesearch_operator.observe import Seen
from mergesearch_operator.reconcile import Done
from mergesearch_operator.workqueue import WorkQueue

# It has no types.
_disable_created_metrics: Callable[[], None] = disable_created_metrics
STAGE_BUCKETS = (5, 15, 30, 60, 120, 300, 600, 1200, 2400, 4800, 9600)
STEP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OF_A_SEARCH = ("namespace", "name")


class Metrics:
    """All series of one operator."""

    def __init__(self, queue: WorkQueue) -> None:
        _disable_created_metrics()
        self.registry = CollectorRegistry()
        self._searches = Searches()
        self.registry.register(self._searches)
        self.registry.register(Queue(queue))
        self._steps = Histogram(
            "mergesearch_reconcile_duration_seconds",
            "Time that one step of one search has taken.",
            buckets=STEP_BUCKETS,
            registry=self.registry,
        )
        self._errors = CounterMetric(
            "mergesearch_reconcile_errors", "Steps that have failed.", ["reason"], registry=self.registry
        )
        self._requests = CounterMetric(
            "mergesearch_api_requests",
            "Requests to the API server; code 0 stands for no answer.",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self._stages = Histogram(
            "mergesearch_stage_duration_seconds",
            "Running time of the Jobs of a stage.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self._retries = CounterMetric(
            "mergesearch_retries",
            "Tries beyond the first, of candidates, baselines and confirmations, by what made them necessary.",
            ["reason"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def on_request(self, verb: str, resource: str, code: int, seconds: float) -> None:  # noqa: ARG002
        """A request to the API server was answered or lost."""
        self._requests.labels(verb, resource, str(code)).inc()

    def on_step(self, key: Key, done: Done | None, error: str, seconds: float) -> None:
        """A step has come to its end."""
        self._steps.observe(seconds)
        if error:
            self._errors.labels(error).inc()
        if done is None:
            return
        if done.resource is None:
            self._searches.remove(key, unreadable=done.unreadable)
            return
        self._searches.put(key, done.resource)
        for reason in retried(done):
            self._retries.labels(reason.value).inc()
        for launch, seconds_run in ended(done):
            self._stages.labels(launch.stage.value).observe(seconds_run)

    def forget(self, there: set[Key]) -> None:
        """Only these searches exist."""
        self._searches.keep(there)


def ended(done: Done) -> Iterator[tuple[Launch, float]]:
    """The launches that this step has folded, with their running times in seconds."""
    if done.before is None or done.resource is None or done.resource.status is None:
        return
    left = {launch.number for launch in done.resource.status.launches}
    seen: dict[int, Seen] = {one.child.launch: one for one in done.seen}
    for launch in done.before.launches:
        child = seen[launch.number].child if launch.number in seen else None
        if launch.number not in left and child is not None and child.started_at and child.ended_at:
            yield launch, max(0.0, (child.ended_at - child.started_at).total_seconds())


def retried(done: Done) -> Iterator[Reason]:
    """Why records were sent back in this step; a suspension is no reason."""
    if done.before is None or done.resource is None or done.resource.status is None:
        return
    for before, after in events.changed_records(done.before, done.resource.status):
        if after.attempt > before.attempt and after.reason is not None:
            yield after.reason


class Searches(Collector):
    """Series of the searches, from the last status of each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Key, MergeSearch] = {}
        self._unreadable: set[Key] = set()

    def put(self, key: Key, resource: MergeSearch) -> None:
        """The search as it is now."""
        with self._lock:
            self._known[key] = resource
            self._unreadable.discard(key)

    def remove(self, key: Key, *, unreadable: bool) -> None:
        """The search is gone, or written by a release that this one does not understand."""
        with self._lock:
            self._known.pop(key, None)
            self._unreadable.discard(key)
            self._unreadable |= {key} if unreadable else set()

    def keep(self, there: set[Key]) -> None:
        """All others are gone."""
        with self._lock:
            self._known = {key: resource for key, resource in self._known.items() if key in there}
            self._unreadable &= there

    def collect(self) -> Iterable[Metric]:
        """Everything, anew."""
        with self._lock:
            known, unreadable = sorted(self._known.items()), len(self._unreadable)
        yield _phases(known)
        yield GaugeMetricFamily(
            "mergesearch_unreadable_searches", "Searches that this release cannot read and leaves alone.", unreadable
        )
        for make in PER_SEARCH:
            yield make(known)


Known = list[tuple[Key, MergeSearch]]


class Queue(Collector):
    """The state of the work queue when it is scraped."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue

    def collect(self) -> Iterable[Metric]:
        """Depth and age."""
        yield GaugeMetricFamily(
            "mergesearch_queue_depth", "Searches that are due for a step or in one.", value=len(self._queue)
        )
        yield GaugeMetricFamily(
            "mergesearch_queue_oldest_age_seconds",
            "How long the search that has waited longest has been due.",
            value=self._queue.oldest(),
        )


def _phases(known: Known) -> Metric:
    family = GaugeMetricFamily("mergesearch_searches", "Searches by phase.", labels=["phase"])
    found = Counter((resource.status or MergeSearchStatus()).phase for _, resource in known)
    for phase in Phase:
        family.add_metric([phase.value], found[phase])
    return family


def _candidates(known: Known) -> Metric:
    family = GaugeMetricFamily(
        "mergesearch_candidates", "Candidates of a search by state.", labels=[*OF_A_SEARCH, "state"]
    )
    for key, resource in known:
        found = Counter(record.state for record in _status(resource).candidates)
        for state in RecordState:
            family.add_metric([*key, state.value], found[state])
    return family


def _single(
    name: str, text: str, value: Callable[[MergeSearchStatus], float | None], *, counter: bool = False
) -> Callable[[Known], Metric]:
    """A family with one number for each search; a search that has none yet has no series."""

    def family(known: Known) -> Metric:
        kind = CounterMetricFamily if counter else GaugeMetricFamily
        made = kind(name, text, labels=list(OF_A_SEARCH))
        for key, resource in known:
            number = value(_status(resource))
            if number is not None:
                made.add_metric(list(key), number)
        return made

    return family


def _status(resource: MergeSearch) -> MergeSearchStatus:
    return resource.status or MergeSearchStatus()


def _scored(some: Iterable[Record]) -> int:
    return sum(record.state is RecordState.SCORED for record in some)


def _best_baseline(status: MergeSearchStatus) -> float | None:
    best = records.best_first(status.baselines)
    return best[0].fitness if best else None


def _generation(status: MergeSearchStatus) -> float | None:
    generations = [record.generation for record in status.candidates if record.generation is not None]
    return max(generations, default=None)


PER_SEARCH: tuple[Callable[[Known], Metric], ...] = (
    _candidates,
    _single(
        "mergesearch_evaluations",
        "Evaluations of a search that gave a score, baselines and confirmations included.",
        lambda status: _scored(records.everything(status)),
        counter=True,
    ),
    _single(
        "mergesearch_best_fitness",
        "Best fitness of a candidate on the search samples.",
        lambda status: status.best.fitness if status.best is not None else None,
    ),
    _single("mergesearch_best_baseline_fitness", "Best fitness of a baseline on the search samples.", _best_baseline),
    _single("mergesearch_generation", "Generation that the search is in, from 0.", _generation),
    _single(
        "mergesearch_gpu_seconds",
        "Wall time of the search's processes times the GPUs that they asked for.",
        lambda status: status.cost.gpu_seconds,
        counter=True,
    ),
    _single(
        "mergesearch_stalled",
        "1 while a search waits for a person.",
        lambda status: float(status.stalled is not None),
    ),
)
"""Families with series for each search."""
