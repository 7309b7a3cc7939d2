"""Which way out fits a stall, its place and its time."""

import pytest

from mergesearch.reasons import Reason
from mergesearch.report import advice


@pytest.mark.parametrize(
    "reason", [Reason.TASK_UNKNOWN, Reason.TASK_UNREADABLE, Reason.METRIC_MISSING, Reason.METRIC_UNSUPPORTED]
)
def test_what_the_manifest_asks_of_a_task_is_mended_there_only_where_and_while_it_can_be_edited(reason: Reason) -> None:
    early = advice.after_stall(reason, advice.Place.MACHINE, scored=False)
    assert "mend it there and run the same command again, without --retry" in early
    for place, scored in (
        (advice.Place.MACHINE, True),
        (advice.Place.CLUSTER, False),
        (advice.Place.CLUSTER, True),
    ):
        fixed = advice.after_stall(reason, place, scored=scored)
        assert "new search" in fixed
        assert "the tasks of this one cannot be changed" in fixed
