"""Asking for the next generation when the last one is complete; pure."""

from mergesearch.api.status import AlgorithmStatus, Record, RecordKind, encode_vector
from mergesearch.lifecycle import baselines, reuse, stopping, strategy
from mergesearch.lifecycle.step import Step
from mergesearch.search import optimizer


def propose(step: Step) -> Step:
    """Ask for candidates until some of them have weights that are not scored yet, or the search is closed.

    All that can be decided without a process is decided here, so that nothing is started beside it that would be in the
    way of what follows.
    """
    while True:
        before = len(step.status.candidates)
        step = ask(stopping.close(reuse.take(step)))
        if len(step.status.candidates) == before:
            return step


def ask(step: Step) -> Step:
    """Record the next vectors, before anything is made from them.

    A generation is asked for only when the one before has ended. The last one is cut by the budget; when the budget
    grows, its missing members come first.
    """
    status = step.status
    if status.closed is not None or status.stalled is not None or step.spec.suspend or not baselines.ready(step):
        return step
    algorithm = status.algorithm or strategy.begin(step.spec)
    wanted = _wanted(step, algorithm.population_size)
    if not wanted:
        return step
    told = strategy.told(status, algorithm.population_size)
    plan = strategy.build(step.spec, status, algorithm)
    vectors = optimizer.ask(plan, told, wanted)
    first = len(status.candidates) + 1
    asked = tuple(
        Record(id=f"c{first + n:04d}", kind=RecordKind.SEARCH, generation=len(told), x=encode_vector(x))
        for n, x in enumerate(vectors)
    )
    step = step.change(algorithm=_with_versions(algorithm), candidates=(*status.candidates, *asked))
    return step.change(diverged=True) if not status.diverged and optimizer.drifted(plan, told) else step


def _wanted(step: Step, population_size: int) -> range:
    """Indices within their generation of the members to ask for now."""
    status = step.status
    left = step.spec.search.max_evaluations - len(status.candidates)
    generations = strategy.generations(status)
    last = generations[-1] if generations else ()
    if left <= 0 or not all(record.ended for record in last):
        return range(0)
    begun = len(last) if len(last) < population_size else 0
    return range(begun, min(population_size, begun + left))


def _with_versions(algorithm: AlgorithmStatus) -> AlgorithmStatus:
    return algorithm if algorithm.versions else algorithm.model_copy(update={"versions": optimizer.versions()})
