"""When a search must not go on by itself: the ordered reasons for a stall that follow from the records; pure."""

from collections import Counter
from collections.abc import Callable

from mergesearch.api.status import Decision, Record, RecordKind, RecordState
from mergesearch.lifecycle import baselines, phrases, records, strategy
from mergesearch.lifecycle.step import Step
from mergesearch.reasons import Reason

SAME_REASON_IN_A_ROW = 3


def stall(step: Step) -> Step:
    """Stall at the first fact that holds; a search that has ended needs nobody."""
    if step.status.completion_time is not None:
        return step
    for fact in FACTS:
        decision = fact(step)
        if decision is not None:
            return step.stall(decision.reason, decision.message)
    return step


def a_baseline_has_failed(step: Step) -> Decision | None:
    """The search would have nothing to beat and nothing to start from."""
    failed = [record for record in baselines.awaited(step.status) if record.state is RecordState.FAILED]
    return Decision(reason=Reason.BASELINES_FAILED, message=_counted("baseline", failed)) if failed else None


def too_many_have_failed(step: Step) -> Decision | None:
    """More candidates than the user allows have failed for good."""
    failed = [record for record in step.status.candidates if record.state is RecordState.FAILED]
    allowed = step.spec.search.max_failures
    if len(failed) <= allowed:
        return None
    message = f"{_counted('candidate', failed)}; search.maxFailures is {allowed}"
    return Decision(reason=Reason.TOO_MANY_FAILURES, message=message)


def the_same_reason_comes_again_and_again(step: Step) -> Decision | None:
    """The last candidates of the open generation to end have all failed for one reason."""
    ended = sorted((r for r in _open_generation(step) if r.finished_at is not None), key=_when)
    last = ended[-SAME_REASON_IN_A_ROW:]
    if len(last) < SAME_REASON_IN_A_ROW or any(record.state is not RecordState.FAILED for record in last):
        return None
    if len({record.reason for record in last}) > 1:
        return None
    return Decision(reason=Reason.REPEATED_FAILURE, message=_words(f"{len(last)} candidates in a row", last))


def most_of_a_generation_has_failed(step: Step) -> Decision | None:
    """A generation of which more than half has failed teaches the optimiser nothing and is not told. One that the
    budget has cut is not told anyway: it counts only where nothing else was scored.
    """
    generation = _open_generation(step)
    spent = len(step.status.candidates) >= step.spec.search.max_evaluations
    if spent and _is_cut(step, generation) and records.scored(step.status.candidates):
        return None
    failed = [record for record in generation if record.state is RecordState.FAILED]
    if 2 * len(failed) <= len(generation):
        return None
    number = (generation[0].generation or 0) + 1
    counted = f"{len(failed)} of the {phrases.count(len(generation), 'candidate')} of generation {number}"
    return Decision(reason=Reason.GENERATION_FAILED, message=_words(counted, failed))


def a_confirmation_has_failed(step: Step) -> Decision | None:
    """Without it nothing is proven."""
    failed = [record for record in step.status.confirmations if record.state is RecordState.FAILED]
    return Decision(reason=Reason.CONFIRMATION_FAILED, message=_counted("confirmation", failed)) if failed else None


FACTS: tuple[Callable[[Step], Decision | None], ...] = (
    a_baseline_has_failed,
    too_many_have_failed,
    the_same_reason_comes_again_and_again,
    most_of_a_generation_has_failed,
    a_confirmation_has_failed,
)


def _open_generation(step: Step) -> tuple[Record, ...]:
    """The last generation that was asked for; none once the search is closed."""
    generations = strategy.generations(step.status)
    return generations[-1] if generations and step.status.closed is None else ()


def _is_cut(step: Step, generation: tuple[Record, ...]) -> bool:
    algorithm = step.status.algorithm
    return algorithm is not None and len(generation) < algorithm.population_size


def _when(record: Record) -> tuple[float, str]:
    return (record.finished_at.timestamp() if record.finished_at else 0.0, record.id)


def _counted(what: str, failed: list[Record]) -> str:
    return _words(phrases.count(len(failed), what), failed)


def _words(counted: str, failed: list[Record] | tuple[Record, ...]) -> str:
    """How many have failed, the commonest reason, and one example."""
    reason, times = Counter(record.reason or Reason.UNEXPECTED for record in failed).most_common(1)[0]
    example = next(record for record in failed if (record.reason or Reason.UNEXPECTED) == reason)
    kind = "" if example.kind is RecordKind.SEARCH else f" ({example.kind})"
    of_them = f", {times} of them" if len(failed) > 1 else ""
    return f"{counted} failed{of_them} with {reason}; {example.id}{kind}: {example.message}"
