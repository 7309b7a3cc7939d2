"""The checker refuses what cannot be: a check that lets everything pass would prove nothing."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from mergesearch.api.status import Decision, Launch, MergeSearchStatus, RecordKind, RecordState, Stage, encode_vector
from mergesearch.lifecycle.step import Observed
from mergesearch.reasons import Reason
from unit.lifecycle import consistency
from unit.lifecycle.world import START, Bench, resource, scored

SEARCH = resource(search={"parallelism": 2})
STALLED = Decision(reason=Reason.STORAGE_FULL, message="no room")
Change = Callable[[MergeSearchStatus], MergeSearchStatus]


@pytest.fixture(scope="module")
def midway() -> MergeSearchStatus:
    """Two candidates of the second generation are at work."""
    bench = Bench(SEARCH)
    bench.until(lambda status: scored(status, 4) and any(r.state is RecordState.EVALUATING for r in status.candidates))
    return bench.status


@pytest.fixture(scope="module")
def complete() -> MergeSearchStatus:
    return Bench(SEARCH).rest()


def of(name: str, index: int = 0, **fields: Any) -> Change:
    """A record of a list with other fields."""

    def change(status: MergeSearchStatus) -> MergeSearchStatus:
        records = list(getattr(status, name))
        records[index] = records[index].model_copy(update=fields)
        return status.model_copy(update={name: tuple(records)})

    return change


def whole(**fields: Any) -> Change:
    """A status with other fields."""
    return lambda status: status.model_copy(update=fields)


def launch(**fields: Any) -> Change:
    """A further launch."""

    def change(status: MergeSearchStatus) -> MergeSearchStatus:
        more = Launch(number=status.next_launch, stage=Stage.EVALUATE, created_at=START).model_copy(update=fields)
        return status.model_copy(update={"launches": (*status.launches, more), "next_launch": more.number + 1})

    return change


def without_launches(status: MergeSearchStatus) -> MergeSearchStatus:
    return status.model_copy(update={"launches": ()})


def counted_wrong(status: MergeSearchStatus) -> MergeSearchStatus:
    return status.model_copy(update={"counts": status.counts.model_copy(update={"scored": 1, "failed": 3})})


def cost(**fields: object) -> Change:
    """A status whose search has cost something else."""
    return lambda status: status.model_copy(update={"cost": status.cost.model_copy(update=fields)})


def another_condition(status: MergeSearchStatus) -> MergeSearchStatus:
    return status.model_copy(update={"conditions": (*status.conditions, status.conditions[0])})


def ready(status: MergeSearchStatus) -> MergeSearchStatus:
    first = status.conditions[0].model_copy(update={"status": "True"})
    return status.model_copy(update={"conditions": (first, *status.conditions[1:])})


def gap(status: MergeSearchStatus) -> MergeSearchStatus:
    candidates = tuple(r.model_copy(update={"generation": (r.generation or 0) * 2}) for r in status.candidates)
    return status.model_copy(update={"candidates": candidates})


IMPOSSIBLE: dict[str, tuple[Change, str]] = {
    "an id twice": (of("candidates", 1, id="c0001"), "ids are not unique"),
    "a candidate among the baselines": (of("baselines", 0, kind=RecordKind.SEARCH), "one of kind Search"),
    "a score of what only waits": (of("candidates", 0, state=RecordState.WAITING), "Waiting with scores"),
    "scored without scores": (of("candidates", 0, scores=(), errors=()), "Scored with scores"),
    "a score too few": (of("candidates", 0, scores=(0.5,), errors=(None,)), "1 scores and 1 errors for 2 tasks"),
    "a score that is no number": (of("candidates", 0, scores=(math.nan, 0.5)), "scores \\(nan"),
    "a fitness that does not follow": (of("candidates", 0, fitness=0.5), "fitness 0.5 of"),
    "the same weights scored twice": (
        lambda status: of("candidates", 1, x=status.candidates[0].x)(status),
        "c0001 and c0002 have the same weights",
    ),
    "scores of other weights": (of("candidates", 1, same_as="c0001"), "has the scores of c0001, and not its weights"),
    "scores of nobody": (of("candidates", 1, same_as="c0099"), "a Search has the scores of None"),
    "scores of a checkpoint": (of("candidates", 1, same_as="checkpoint-m-0"), "a Search has the scores of None"),
    "scores of another that have cost something": (of("candidates", 1, same_as="c0001"), "has cost something"),
    "tokens that nobody has booked": (of("candidates", 0, prompt_tokens=10**9), "prompt_tokens: "),
    "tokens of one kind": (of("candidates", 0, generated_tokens=None), "tokens of one kind"),
    "operations that do not follow": (cost(flops=1.0), "1.0 operations"),
    "more GPU-seconds by stage than in all": (cost(gpu_seconds_by_stage={Stage.MERGE: 9.0}), "GPU-seconds"),
    "a Pareto set of too few": (whole(pareto=("c0001",)), "pareto"),
    "ended without a time": (of("candidates", 0, finished_at=None), "finished at None"),
    "failed for no reason": (
        of("candidates", 0, state=RecordState.FAILED, scores=(), errors=(), fitness=None),
        "failed for no reason",
    ),
    "at work in no launch": (without_launches, "in no launch"),
    "merged without weights": (of("candidates", -1, state=RecordState.MERGED, merged=False), "without weights"),
    "merged without a hash": (of("candidates", 0, merged=True, merge_hash=None), "merged without a hash"),
    "two launches of a candidate": (launch(candidates=("c0005",)), "is in launches"),
    "a launch of nothing": (launch(), "has candidates"),
    "a launch of somebody unknown": (launch(candidates=("c0099",)), "which is not there"),
    "a launch of what has not begun": (launch(stage=Stage.MERGE, candidates=("c0001",)), "in a launch of Merge"),
    "a stage twice": (
        lambda status: launch(stage=Stage.CLEANUP)(launch(stage=Stage.CLEANUP)(status)),
        "Cleanup runs twice",
    ),
    "a launch of the future": (whole(next_launch=2), "the next is 2"),
    "weights in use are removed": (launch(stage=Stage.CLEANUP, prunes=("c0005",)), "which are in use"),
    "a generation left out": (gap, "generations"),
    "a generation too large": (
        lambda status: status.model_copy(
            update={"algorithm": status.algorithm and status.algorithm.model_copy(update={"population_size": 3})}
        ),
        "the population is 3",
    ),
    "a generation asked for too early": (
        of("candidates", 0, state=RecordState.WAITING, scores=(), errors=(), fitness=None, finished_at=None),
        "before the last had ended",
    ),
    "a vector of another dimension": (of("candidates", 0, x=encode_vector((0.5,))), "a vector"),
    "candidates of no algorithm": (whole(algorithm=None), "of the algorithm None"),
    "counts that do not add up": (counted_wrong, "counts"),
    "a condition twice": (another_condition, "conditions"),
    "ready before the end": (ready, "condition Ready is True"),
    "a best that is not the best": (whole(best=None), "best None"),
    "children after the end": (whole(completion_time=START), "children ought to exist"),
    "complete without a winner": (whole(completion_time=START, launches=()), "confirmed None"),
    "a confirmation without a round": (whole(rounds=1), "1 confirmations"),
    "work before the preflight": (whole(preflight_due=(Stage.PREFLIGHT_TASKS,)), "before the preflight"),
    "a retry that nobody asked for": (whole(retry="again"), "retry again"),
    "a message too long": (of("candidates", 0, message="m" * 500), "message"),
}


@pytest.mark.parametrize(("change", "sentence"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_cannot_be_is_refused(midway: MergeSearchStatus, change: Change, sentence: str) -> None:
    consistency.check(SEARCH, midway, 12)
    with pytest.raises(AssertionError, match=sentence):
        consistency.check(SEARCH, change(midway), 12)


def test_more_candidates_than_allowed_are_refused(midway: MergeSearchStatus) -> None:
    with pytest.raises(AssertionError, match="never more than 7 were allowed"):
        consistency.check(SEARCH, midway, 7)


IMPOSSIBLE_AT_THE_END: dict[str, tuple[Change, str]] = {
    "the winner's weights are gone": (
        lambda status: status.model_copy(
            update={"candidates": tuple(r.model_copy(update={"merged": False}) for r in status.candidates)}
        ),
        "are not there",
    ),
    "a winner that was not confirmed": (whole(confirmations=()), "which is no finalist"),
    "confirmed before it was scored": (of("confirmations", 0, id="c0099"), "of nothing that is scored"),
    "not closed": (whole(closed=None), "closed None"),
    "failed but not over": (
        lambda status: status.model_copy(update={"failed": status.closed, "completion_time": None}),
        "failed, but not over",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), IMPOSSIBLE_AT_THE_END.values(), ids=IMPOSSIBLE_AT_THE_END.keys())
def test_what_cannot_be_at_the_end_is_refused(complete: MergeSearchStatus, change: Change, sentence: str) -> None:
    consistency.check(SEARCH, complete, 12)
    with pytest.raises(AssertionError, match=sentence):
        consistency.check(SEARCH, change(complete), 12)


IMPOSSIBLE_STEPS: dict[str, tuple[Change, str]] = {
    "a record goes": (
        lambda status: status.model_copy(update={"candidates": status.candidates[1:]}),
        "went or changed places",
    ),
    "a vector changes": (of("candidates", 4, x=encode_vector((0.1, 0.2, 0.3))), "another candidate"),
    "an attempt goes back": (of("candidates", 4, attempt=0), "attempts go back"),
    "back without an attempt": (of("candidates", 4, state=RecordState.WAITING), "in the same attempt"),
    "what was told changes": (of("candidates", 0, fitness=0.1), "was told as"),
    "launch numbers go back": (whole(next_launch=1), "numbers go back"),
    "an old launch returns": (launch(number=1, candidates=("c0007",)), "are not new"),
    "too many evaluators": (
        lambda status: launch(candidates=("c0008",))(launch(candidates=("c0007",))(status)),
        "the parallelism is 2",
    ),
    "a batch too large": (launch(candidates=("c0007", "c0008")), "has 2 candidates"),
    "a finalist is removed": (launch(stage=Stage.MERGE, candidates=("c0008",), prunes=("c0007",)), "are needed"),
    "a start in a stalled search": (
        lambda status: launch(candidates=("c0008",))(status).model_copy(update={"stalled": STALLED}),
        "in a search that rests",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), IMPOSSIBLE_STEPS.values(), ids=IMPOSSIBLE_STEPS.keys())
def test_a_step_that_cannot_be_taken_is_refused(midway: MergeSearchStatus, change: Change, sentence: str) -> None:
    consistency.check_step(SEARCH, midway, midway, Observed(), START)
    with pytest.raises(AssertionError, match=sentence):
        consistency.check_step(SEARCH, midway, change(midway), Observed(), START)


def test_more_merges_than_there_is_room_for_are_refused(midway: MergeSearchStatus) -> None:
    small = SEARCH.model_copy(
        update={
            "spec": SEARCH.spec.model_copy(
                update={"storage": SEARCH.spec.storage.model_copy(update={"max_pending": 1})}
            )
        }
    )
    midway = of("candidates", 7, state=RecordState.WAITING, merged=False)(midway)
    after = launch(stage=Stage.MERGE, candidates=("c0008",))(midway)
    with pytest.raises(AssertionError, match="merges pending, at most 1"):
        consistency.check_step(small, midway, after, Observed(), START)
