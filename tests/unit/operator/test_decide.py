"""What the shell refuses before the core is asked at all."""

from datetime import UTC, datetime

from mergesearch.api.status import MergeSearchStatus
from mergesearch.lifecycle.step import Observed
from mergesearch.reasons import Reason
from mergesearch_operator import decisions
from unit.lifecycle.world import resource

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_spec_that_cannot_work_stalls_before_anything_starts_with_all_its_problems() -> None:
    algorithm = {"cmaes": {"populationSize": 4}}
    wrong = resource(search={"maxEvaluations": 2, "algorithm": algorithm}, merge={"tokenizerFrom": "nobody"})
    stalled = decisions.decide(wrong, MergeSearchStatus(), Observed(), NOW)
    assert stalled.stalled is not None
    assert stalled.stalled.reason is Reason.INVALID_SPEC
    assert stalled.launches == ()
    told = stalled.stalled.message.splitlines()
    assert [line.split(":")[0] for line in told] == [
        "spec.merge.tokenizerFrom",
        "spec.search.algorithm.cmaes.populationSize",
    ]
    assert decisions.decide(wrong, stalled, Observed(), NOW) is stalled, "nothing changes while it waits"


def test_a_spec_that_can_work_begins_with_its_preflight() -> None:
    begun = decisions.decide(resource(), MergeSearchStatus(), Observed(), NOW)
    assert begun.stalled is None
    assert len(begun.launches) == 2
