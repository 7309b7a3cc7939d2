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


@pytest.mark.parametrize("place", advice.Place)
def test_a_data_set_out_of_reach_wants_a_network_a_token_or_a_cache_and_no_other_manifest(place: advice.Place) -> None:
    told = advice.after_stall(Reason.DATA_SET_UNREACHABLE, place, scored=False)
    for way in ("the hub", "HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE", "docs/operations.md"):
        assert way in told
    assert "mend it there" not in told


def test_a_disk_that_is_full_wants_room_or_fewer_merges_at_once() -> None:
    here = advice.after_stall(Reason.NO_SPACE, advice.Place.MACHINE, scored=False)
    assert here.startswith("Make room on the workspace, then run the same")
    for field in ("storage.maxPending", "storage.keepBest", "search.confirm.finalists"):
        assert field in here
        assert field in advice.after_stall(Reason.NO_SPACE, advice.Place.CLUSTER, scored=True)
    assert "without --retry" in here
