"""Whether the status of a search is whole: what holds at every moment of a search, whoever has written it; pure.

A text that was cut off or changed may still be a document that the models take. What does not hold here would be told
as another state of the search, or break what reads it.
"""

from collections.abc import Callable, Iterator, Sequence

from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import HeldOutTask
from mergesearch.api.status import MergeSearchStatus, Phase, Record, RecordKind, RecordState
from mergesearch.lifecycle import phrases, samples, strategy

Fact = Callable[[MergeSearch, MergeSearchStatus], Iterator[str]]
"""Yields a sentence for each place at which it does not hold."""
AFTER_THE_PREFLIGHT = (Phase.BASELINES, Phase.SEARCHING, Phase.CONFIRMING)
AT_THE_END = (Phase.COMPLETE, Phase.FAILED)


def lacking(resource: MergeSearch) -> str | None:
    """What of a search does not hold, with its place; None if it is whole, or has not begun."""
    status = resource.status or MergeSearchStatus()
    return next((found for fact in FACTS for found in fact(resource, status)), None)


def _the_search_has_a_name(resource: MergeSearch, _: MergeSearchStatus) -> Iterator[str]:
    if not resource.metadata.name.isprintable():
        yield f"metadata.name is {resource.metadata.name!r}, which holds more than letters and signs"


def _records_say_what_they_are_made_of(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    count = len(resource.spec.checkpoints)
    for place, record in _origins(status):
        if not (record.x if record.kind is RecordKind.SEARCH else record.members):
            yield f"{place}, {record.id}, does not say what it is made of"
        elif any(not 0 <= position < count for position in record.members):
            listed = ", ".join(map(str, record.members))
            yield f"{place}.members of {record.id} is {listed}; the search has {phrases.count(count, 'checkpoint')}"
        else:
            yield from _vector(resource, place, record)


def _vector(resource: MergeSearch, place: str, record: Record) -> Iterator[str]:
    count = len(resource.spec.checkpoints)
    try:
        found = len(strategy.weights(resource.spec, record))
    except ValueError as error:
        yield f"{place}.x of {record.id} cannot be decoded: {error}"
    else:
        if found != count:
            numbers = phrases.count(found, "number")
            yield f"{place}.x of {record.id} holds {numbers}; the search has {phrases.count(count, 'checkpoint')}"


def _scores_are_those_of_the_tasks(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    held_in = len(resource.spec.objective.tasks)
    everything = held_in + len(resource.spec.held_out.tasks)
    wanted = [(held_in, place, record) for place, record in _origins(status)]
    wanted += [(everything, place, record) for place, record in _placed("confirmations", status.confirmations)]
    for tasks, place, record in wanted:
        if record.state is not RecordState.SCORED:
            continue
        if record.fitness is None:
            yield f"{place}, {record.id}, is scored and has no fitness"
        for name, found in (("scores", len(record.scores)), ("errors", len(record.errors))):
            if found != tasks:
                yield f"{place}.{name} of {record.id} has {found} for {phrases.count(tasks, 'task')}"


def _what_is_named_is_there(_: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    known = {record.id for _, record in _origins(status)}
    for place, name in _named(status):
        if name not in known:
            yield f"{place} is of {name}, which is no baseline or candidate of the status"


def _candidates_are_counted(_: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    counted, held = status.counts.total, len(status.candidates)
    if counted != held:
        yield f"status.counts knows {counted} candidates, status.candidates holds {held}"


def _candidates_have_an_algorithm(_: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    if status.candidates and status.algorithm is None:
        yield f"status.algorithm is missing beside {phrases.count(len(status.candidates), 'candidate')}"


def _what_was_found_first_is_of_this_spec(resource: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    spec, found = resource.spec, status.preflight
    if found.fingerprints and len(found.fingerprints) != len(spec.checkpoints):
        checkpoints = phrases.count(len(spec.checkpoints), "checkpoint")
        yield f"status.preflight.fingerprints has {len(found.fingerprints)} for {checkpoints}"
    wanted: tuple[HeldOutTask, ...] = (*spec.objective.tasks, *spec.held_out.tasks)
    if found.tasks and [task.name for task in found.tasks] != [task.name for task in wanted]:
        names = phrases.listed([task.name for task in wanted])
        yield f"status.preflight.tasks is of {phrases.listed([task.name for task in found.tasks])}, the spec of {names}"
    elif any(leaf.total < 0 for task in found.tasks for leaf in task.leaves):
        yield "status.preflight.tasks has a leaf with fewer than 0 documents"
    else:
        yield from (f"status.preflight.tasks: {problem}" for problem in samples.problems(spec, found.tasks))


def _it_has_begun(_: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    """Kubernetes prints fields by name, and of those that are there once anything has begun this is the last. A search
    of which the API server does not take the first status is stalled before that.
    """
    begun = status.stalled is None or status.next_launch > 1
    if status.start_time is None and begun and status != MergeSearchStatus():
        yield "status.startTime is missing"


def _the_phase_is_that_of_the_rest(_: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    """Phase and preflight are left out where they are at their defaults, so one of them may be missing."""
    if status.completion_time is not None and status.phase not in AT_THE_END:
        yield f"status.phase is {_or_missing(status.phase)}, and status.completionTime {status.completion_time}"
    if status.phase is Phase.PREFLIGHT and not status.preflight_due:
        yield f"status.phase is {_or_missing(status.phase)}, and nothing of the preflight is due"
    if status.phase in AFTER_THE_PREFLIGHT and status.preflight_due:
        due = phrases.listed([str(stage) for stage in status.preflight_due])
        yield f"status.preflightDue is missing or holds {due} in the phase {status.phase}"


def _conditions_are_told(_: MergeSearch, status: MergeSearchStatus) -> Iterator[str]:
    if not status.conditions and next(_origins(status), None) is not None:
        yield "status.conditions is empty, though there are records"


def _or_missing(phase: Phase) -> str:
    return f"{phase} or missing" if phase is MergeSearchStatus().phase else phase


def _placed(name: str, some: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    return ((f"status.{name}[{index}]", record) for index, record in enumerate(some))


def _origins(status: MergeSearchStatus) -> Iterator[tuple[str, Record]]:
    """What says itself what it is made of, with its place."""
    yield from _placed("baselines", status.baselines)
    yield from _placed("candidates", status.candidates)


def _named(status: MergeSearchStatus) -> Iterator[tuple[str, str]]:
    """Places that speak of a record, each with its id."""
    yield from (("status.pareto", name) for name in status.pareto)
    yield from ((place, record.id) for place, record in _placed("confirmations", status.confirmations))
    if status.best is not None:
        yield "status.best", status.best.id
    if status.confirmed is not None:
        yield "status.confirmed", status.confirmed.id
        for index, gain in enumerate(status.confirmed.gains):
            yield f"status.confirmed.gains[{index}]", gain.baseline
        if status.confirmed.better is not None:
            yield "status.confirmed.better", status.confirmed.better.id


FACTS: tuple[Fact, ...] = (
    _the_search_has_a_name,
    _records_say_what_they_are_made_of,
    _scores_are_those_of_the_tasks,
    _candidates_are_counted,
    _what_is_named_is_there,
    _candidates_have_an_algorithm,
    _what_was_found_first_is_of_this_spec,
    _the_phase_is_that_of_the_rest,
    _it_has_begun,
    _conditions_are_told,
)
"""In the order in which they are told: what is cut off may lack several."""
