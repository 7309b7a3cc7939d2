"""Searches that an earlier release has left in mid-run: read, brought to their end, and nothing of them lost."""

import json
from typing import Any

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, Phase, decode_vector
from mergesearch.lifecycle.children import children
from mergesearch.lifecycle.step import Observed
from mergesearch_operator import decisions, resources
from mergesearch_operator.manifests import job
from unit.lifecycle.world import Bench
from unit.operator import golden_statuses as golden

LISTS = ("baselines", "candidates", "confirmations")
ENDS = ("Scored", "Failed")
CASES = [(release, moment) for release in golden.releases() for moment in golden.kept(release)]
IDENTITY = {"id", "kind", "generation", "x", "members", "startedAt"}
"""What a record is about, and since when."""
every_moment = pytest.mark.parametrize(
    ("release", "moment"), CASES, ids=[f"{release} {moment}" for release, moment in CASES]
)


def lost(old: Any, new: Any, where: str = "status") -> list[str]:
    """Places where something that was there is not there any more, or is another. What is new is fine."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [f"{where}.{name}" for name in old if name not in new]
        return gone + [at for name in old if name in new for at in lost(old[name], new[name], f"{where}.{name}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return [at for i, (one, other) in enumerate(pairs) for at in lost(one, other, f"{where}[{i}]")]
    return [] if old == new else [where]


def without_words(status: golden.Document) -> golden.Document:
    """The reason and message of a condition are told anew by each release."""
    kept = [{k: v for k, v in one.items() if k not in ("reason", "message")} for one in status["conditions"]]
    return {**status, "conditions": kept}


def whole(request: golden.Document) -> str:
    """All that a request says, in its order, as its digest is taken of it: what is None is left out."""

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: plain(value) for name, value in part.items() if value is not None}
        return [plain(value) for value in part] if isinstance(part, list) else part

    return json.dumps(plain(request))


def changed_history(old: golden.Document, new: golden.Document) -> list[str]:
    """What of the records, the algorithm and the start is lost or changed. A record that has not ended goes on: of it,
    only what it scores has to stay, and no try is forgotten. Of one that has, all but its weights on the workspace.
    """
    found = [
        at
        for part in ("algorithm", "startTime", "version")
        if part in old
        for at in lost(old[part], new.get(part), part)
    ]
    for part in LISTS:
        now = {record["id"]: record for record in new.get(part, [])}
        for record in old.get(part, []):
            names = set(record) - {"merged", "mergeHash"} if record.get("state") in ENDS else IDENTITY
            stays = {name: value for name, value in record.items() if name in names}
            found += lost(stays, now.get(record["id"]), f"{part}[{record['id']}]")
            if now.get(record["id"], {}).get("attempt", 1) < record.get("attempt", 1):
                found.append(f"{part}[{record['id']}].attempt")
    return found


def until_the_end(bench: Bench) -> MergeSearchStatus:
    """Send it on as a person would, and let it run. A search that is complete gets a larger budget."""
    if bench.status.completion_time is not None:
        more = bench.resource.spec.search.max_evaluations + golden.POPULATION
        bench.edit("search", max_evaluations=more)
    bench.edit(suspend=False)
    if bench.status.stalled is not None:
        bench.retry()
    return bench.rest()


@every_moment
def test_what_an_earlier_release_has_written_is_read_and_written_back_whole(release: str, moment: str) -> None:
    written = golden.read(release, moment)["resource"]
    found = MergeSearch.model_validate(written)
    assert found.status is not None
    assert lost(written["status"], resources.stored(found.status)) == []
    assert lost(written["spec"], found.spec.to_document(), "spec") == []


@every_moment
def test_nothing_is_decided_anew_where_nothing_has_happened_since(release: str, moment: str) -> None:
    bench = golden.restored(golden.read(release, moment))
    same = decisions.decide(bench.resource, bench.status, bench.observe(), bench.now)
    old, new = resources.stored(bench.status), resources.stored(same)
    assert lost(without_words(old), without_words(new)) == []


@every_moment
def test_jobs_of_an_earlier_release_are_known_by_their_names(release: str, moment: str) -> None:
    kept = golden.read(release, moment)
    found = MergeSearch.model_validate(kept["resource"])
    assert found.status is not None
    assert {child.name for child in children(found, found.status)} == {child["name"] for child in kept["children"]}


@every_moment
def test_what_such_a_job_reports_answers_what_this_release_would_ask(release: str, moment: str) -> None:
    """Else a report that comes after the upgrade is refused, and its work is done again."""
    kept = golden.read(release, moment)
    found = MergeSearch.model_validate(kept["resource"])
    assert found.status is not None
    asked = {child.name: golden.hashes(child.request) for child in children(found, found.status)}
    assert asked == {child["name"]: child["hashes"] for child in kept["children"]}


@every_moment
def test_such_a_job_is_adopted_since_it_was_made_for_the_very_same_request(release: str, moment: str) -> None:
    """Else every Job is ended and made anew at the upgrade."""
    kept = golden.read(release, moment)
    found = MergeSearch.model_validate(kept["resource"])
    assert found.status is not None
    made_for = {child["name"]: child for child in kept["children"]}
    for child in children(found, found.status):
        assert whole(json.loads(child.request.model_dump_json())) == whole(made_for[child.name]["request"])
        # The first moments were kept without it.
        assert made_for[child.name].get("digest") in (None, job.request_digest(child))


@every_moment
def test_a_search_of_an_earlier_release_comes_to_its_end_with_its_history(release: str, moment: str) -> None:
    kept = golden.read(release, moment)
    bench = golden.restored(kept)
    status = until_the_end(bench)
    assert status.phase is Phase.COMPLETE, (status.stalled, status.failed)
    assert not status.diverged
    assert changed_history(kept["resource"]["status"], resources.stored(status)) == []
    assert len(status.candidates) == bench.resource.spec.search.max_evaluations


@every_moment
def test_the_candidates_that_follow_are_those_of_the_release_that_began(release: str, moment: str) -> None:
    status = until_the_end(golden.restored(golden.read(release, moment)))
    first = golden.read(release, golden.COMPLETE)["resource"]["status"]["candidates"]
    for record, its in zip(status.candidates, first, strict=False):
        # Numerical libraries may differ in the last digit of what is proposed.
        assert decode_vector(record.x or "") == pytest.approx(decode_vector(its["x"]), rel=1e-5), record.id


@every_moment
def test_no_candidate_that_was_scored_is_merged_or_scored_again(release: str, moment: str) -> None:
    kept = golden.read(release, moment)
    bench = golden.restored(kept)
    until_the_end(bench)
    ended = {
        part: {r["id"] for r in kept["resource"]["status"].get(part, []) if r.get("state") in ENDS} for part in LISTS
    }
    for child in bench.started:
        if child.launch.stage == "Evaluate":
            again = (
                ended["confirmations"] if child.launch.split == "unseen" else ended["baselines"] | ended["candidates"]
            )
            assert not again & set(child.launch.candidates)


def test_the_present_release_reads_what_it_writes_at_each_moment() -> None:
    """So the moments of the next release can be kept by the script as it stands."""
    for reach in golden.MOMENTS.values():
        bench = golden.begun()
        reach(bench)
        again = golden.restored(golden.kept_of(bench))
        assert again.status == bench.status
        assert again.observe() == bench.observe()


def test_an_empty_observation_of_a_kept_search_changes_no_record() -> None:
    """An operator that starts while no Job is left makes them again and gives nothing up."""
    for release, moment in CASES:
        kept = golden.read(release, moment)["resource"]
        found = MergeSearch.model_validate(kept)
        assert found.status is not None
        after = decisions.decide(found, found.status, Observed(), golden.restored(golden.read(release, moment)).now)
        for part in LISTS:
            assert getattr(after, part) == getattr(found.status, part), (release, moment, part)
