"""Which merge is exported, and what is said where there is none."""

import re

import pytest

from mergesearch.api.status import Decision
from mergesearch.errors import InvalidManifestError
from mergesearch.export import subject
from mergesearch.lifecycle import strategy
from mergesearch.reasons import Reason
from unit.export import searches
from unit.report.histories import History


def test_the_winner_is_exported_if_nothing_else_is_asked_for(history: History) -> None:
    chosen = searches.winner(history)
    assert history.end.confirmed is not None
    assert chosen.id == history.end.confirmed.id
    assert chosen.is_winner
    assert tuple(s.weight for s in chosen.sources) == strategy.weights(history.resource.spec, chosen.record)


@pytest.mark.parametrize("candidate", ["uniform", "merge-best", "c0001", "c0014"])
def test_any_merge_can_be_exported(history: History, candidate: str) -> None:
    chosen = subject.choose(searches.finished(history), candidate)
    assert chosen.id == candidate
    assert sum(source.weight for source in chosen.sources) == pytest.approx(1.0)


def test_before_there_is_a_winner_the_message_says_where_the_search_is_and_what_can_be_exported(
    history: History,
) -> None:
    middle = history.first(lambda status: status.best is not None)
    assert middle.best is not None
    resource = searches.finished(history, middle)
    with pytest.raises(InvalidManifestError, match=r"quick: there is no winner yet\. Searching: ") as told:
        subject.choose(resource, None)
    assert f"--candidate {middle.best.id}" in str(told.value)
    assert subject.choose(resource, middle.best.id).id == middle.best.id


def test_a_search_that_has_not_begun_has_no_winner_and_no_candidate(history: History) -> None:
    with pytest.raises(InvalidManifestError, match="there is no winner yet"):
        subject.choose(history.resource, None)
    with pytest.raises(InvalidManifestError, match="it has none so far"):
        subject.choose(history.resource, "c0001")


def test_an_unknown_candidate_is_told_with_those_that_there_are(history: History) -> None:
    with pytest.raises(InvalidManifestError, match=re.escape("--candidate c9999: quick has no such candidate")) as told:
        subject.choose(searches.finished(history), "c9999")
    assert str(told.value).count("c00") == 3, "not all of them"
    assert "c0014" in str(told.value), "the highest is nearest"
    assert "nearest of its 16 merges are " in str(told.value)


ASKED = {
    "c5": "c0005, c0004 and c0006",
    "12": "c0012, c0011",
    "c014": "c0014",
    "C0003": "c0003",
    "unifrom": "uniform",
    "merge_best": "merge-best",
}


@pytest.mark.parametrize(("asked", "meant"), ASKED.items(), ids=ASKED.keys())
def test_the_one_that_was_meant_comes_first(history: History, asked: str, meant: str) -> None:
    with pytest.raises(InvalidManifestError, match=f"nearest of its 16 merges are {meant}"):
        subject.choose(searches.finished(history), asked)


def test_a_checkpoint_as_it_is_is_no_merge(history: History) -> None:
    ids = [record.id for record in history.end.baselines if len(record.members) == 1]
    assert len(ids) >= 5
    for identity in ids[:5]:
        with pytest.raises(InvalidManifestError, match=r"no merge: it lies in checkpoints/m-"):
            subject.choose(searches.finished(history), identity)


def test_of_a_search_that_has_failed_nobody_waits_for_a_winner(history: History) -> None:
    failed = Decision(reason=Reason.BUDGET_SPENT_UNCONFIRMED, message="nothing could be confirmed")
    early = history.first(lambda status: status.best is None and bool(status.baselines))
    later = history.first(lambda status: status.best is not None)
    assert later.best is not None
    unconfirmed = f"--candidate {later.best.id} exports that, unconfirmed."
    for status, way in ((early, "Its merges can be exported, such as --candidate uniform."), (later, unconfirmed)):
        resource = searches.finished(history, status.model_copy(update={"failed": failed}))
        with pytest.raises(InvalidManifestError, match="there is no winner, and there will be none") as told:
            subject.choose(resource, None)
        assert str(told.value).endswith(way)
        assert "once it is complete" not in str(told.value)
