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
from prometheus_client.registry import Collector

from mergesearch.api.base import number_of, seconds_of
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus, Phase, RecordState
from mergesearch.lifecycle import records
from mergesearch.reasons import Reason
from mergesearch_operator import events, families
from mergesearch_operator.cluster import Key
from mergesearch_operator.families import Family
from mergesearch_operator.reconcile import Done, Written
from mergesearch_operator.seen import Seen
from mergesearch_operator.workqueue import WorkQueue

# It has no types.
_disable_created_metrics: Callable[[], None] = disable_created_metrics
MetricFamily = GaugeMetricFamily | CounterMetricFamily
Known = list[tuple[Key, MergeSearchStatus]]
Labelled = Iterable[tuple[str, float]]
"""Values of a series by its last label."""


class Metrics:
    """All series of one operator."""

    def __init__(self, queue: WorkQueue) -> None:
        _disable_created_metrics()
        self.registry = CollectorRegistry()
        self._searches = Searches()
        self.registry.register(self._searches)
        self.registry.register(Queue(queue))
        self._retries = self._counter(families.RETRIES)
        self._stages = self._histogram(families.STAGE_DURATION)
        self._steps = self._histogram(families.STEP_DURATION)
        self._errors = self._counter(families.STEP_ERRORS)
        self._requests = self._counter(families.REQUESTS)
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

    def on_read(self, resource: MergeSearch) -> None:
        """A search was read. Its step may fail at once, as it does again and again while something is forbidden."""
        self._searches.put((resource.metadata.namespace, resource.metadata.name), resource)

    def on_written(self, written: Written) -> None:
        """A status was written. What it says is counted here and nowhere else: its step may fail after that."""
        meta = written.resource.metadata
        self._searches.put((meta.namespace, meta.name), written.resource)
        for reason in retried(written):
            self._retries.labels(reason.value).inc()
        for launch, seconds_run in ended(written):
            self._stages.labels(launch.stage.value).observe(seconds_run)

    def forget(self, there: set[Key]) -> None:
        """Only these searches exist."""
        self._searches.keep(there)

    def _counter(self, family: Family) -> CounterMetric:
        return CounterMetric(family.name, family.text, family.labels, registry=self.registry)

    def _histogram(self, family: Family) -> Histogram:
        return Histogram(family.name, family.text, family.labels, buckets=family.buckets, registry=self.registry)


def ended(written: Written) -> Iterator[tuple[Launch, float]]:
    """The launches that a step has folded, with their running times in seconds."""
    after = written.resource.status or MergeSearchStatus()
    left = {launch.number for launch in after.launches}
    seen: dict[int, Seen] = {one.child.launch: one for one in written.seen}
    for launch in written.before.launches:
        child = seen[launch.number].child if launch.number in seen else None
        if launch.number not in left and child is not None and child.started_at and child.ended_at:
            yield launch, max(0.0, (child.ended_at - child.started_at).total_seconds())


def retried(written: Written) -> Iterator[Reason]:
    """Why records were sent back in a step; a suspension is no reason."""
    status = written.resource.status or MergeSearchStatus()
    for before, after in events.changed_records(written.before, status):
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

    def collect(self) -> Iterable[MetricFamily]:
        """Everything, anew."""
        with self._lock:
            searches, unreadable = sorted(self._known.items(), key=lambda item: item[0]), len(self._unreadable)
        known = [(key, resource.status or MergeSearchStatus()) for key, resource in searches]
        yield _phases(known)
        yield _one(families.UNREADABLE, unreadable)
        yield _candidates(known)
        for family, value in OF_EACH_SEARCH.items():
            yield _of_each(family, value, known)
        for family, values in BY_LABEL.items():
            yield _by_label(family, [(key, values(status)) for key, status in known])
        yield _by_label(families.BUDGET_USED, [(key, _budgets(resource)) for key, resource in searches])


class Queue(Collector):
    """The state of the work queue when it is scraped."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue

    def collect(self) -> Iterable[MetricFamily]:
        """Depth and age."""
        yield _one(families.QUEUE_DEPTH, len(self._queue))
        yield _one(families.QUEUE_AGE, self._queue.oldest())


def _empty(family: Family) -> MetricFamily:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    return kind(family.name, family.text, labels=family.labels)


def _one(family: Family, value: float) -> MetricFamily:
    made = _empty(family)
    made.add_metric([], value)
    return made


def _phases(known: Known) -> MetricFamily:
    made, found = _empty(families.SEARCHES), Counter(status.phase for _, status in known)
    for phase in Phase:
        made.add_metric([phase.value], found[phase])
    return made


def _candidates(known: Known) -> MetricFamily:
    made = _empty(families.CANDIDATES)
    for key, status in known:
        found = Counter(record.state for record in status.candidates)
        for state in RecordState:
            made.add_metric([*key, state.value], found[state])
    return made


def _of_each(family: Family, value: Callable[[MergeSearchStatus], float | None], known: Known) -> MetricFamily:
    """One number for each search; a search that has none yet has no series."""
    made = _empty(family)
    for key, status in known:
        number = value(status)
        if number is not None:
            made.add_metric(list(key), number)
    return made


def _by_label(family: Family, known: Iterable[tuple[Key, Labelled]]) -> MetricFamily:
    """Some numbers for each search."""
    made = _empty(family)
    for key, values in known:
        for label, number in values:
            made.add_metric([*key, label], number)
    return made


def _budgets(resource: MergeSearch) -> Labelled:
    """The share of each budget that is used: of evaluations those that have ended, of GPU-hours what is booked."""
    search, status = resource.spec.search, resource.status or MergeSearchStatus()
    ended = sum(record.ended for record in status.candidates)
    yield "maxEvaluations", ended / search.max_evaluations
    if search.max_gpu_hours is not None:
        yield "maxGpuHours", status.cost.gpu_seconds / (3600 * number_of(search.max_gpu_hours))
    if search.max_duration is not None:
        yield "maxDuration", status.active_seconds / seconds_of(search.max_duration)


def _scored(status: MergeSearchStatus) -> float:
    return sum(record.state is RecordState.SCORED for record in records.everything(status))


def _best_baseline(status: MergeSearchStatus) -> float | None:
    best = records.best_first(status.baselines)
    return best[0].fitness if best else None


def _generation(status: MergeSearchStatus) -> float | None:
    generations = [record.generation for record in status.candidates if record.generation is not None]
    return max(generations, default=None)


OF_EACH_SEARCH: dict[Family, Callable[[MergeSearchStatus], float | None]] = {
    families.EVALUATIONS: _scored,
    families.DISRUPTIONS: lambda status: status.counts.disrupted,
    families.BEST: lambda status: status.best.fitness if status.best is not None else None,
    families.BEST_BASELINE: _best_baseline,
    families.CONFIRMED: lambda status: status.confirmed.fitness if status.confirmed is not None else None,
    families.GENERATION: _generation,
    families.GPU_SECONDS: lambda status: status.cost.gpu_seconds,
    families.ACTIVE_SECONDS: lambda status: status.active_seconds,
    families.FLOPS: lambda status: status.cost.flops,
    families.STALLED: lambda status: float(status.stalled is not None),
    families.BLOCKED: lambda status: float(status.blocked is not None),
}
BY_LABEL: dict[Family, Callable[[MergeSearchStatus], Labelled]] = {
    families.STAGE_GPU_SECONDS: lambda status: sorted(status.cost.gpu_seconds_by_stage.items()),
    families.TOKENS: lambda status: (
        ("prompt", status.cost.prompt_tokens),
        ("generated", status.cost.generated_tokens),
    ),
}
