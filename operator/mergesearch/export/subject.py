"""Which merge of a search is exported, and what is known of it; pure."""

import difflib
import re
from dataclasses import dataclass

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, Record, RecordKind, RecordState
from mergesearch.errors import InvalidManifestError
from mergesearch.lifecycle import phrases, records, requests, strategy
from mergesearch.reasons import Reason
from mergesearch.report import rows, summary
from mergesearch.report.advice import Place
from mergesearch.report.shapes import Summary

SHOWN = 3
"""Candidates that a message names: those whose ids are most like what was asked for."""
NUMBERED = re.compile(r"[cC]?([0-9]{1,9})")
"""An id of a candidate, or how a person writes it."""


@dataclass(frozen=True)
class Source:
    """A checkpoint of the search, and its share in the merge."""

    name: str
    volume: str
    path: str
    fingerprint: str | None
    weight: float
    """As it was merged, to the last bit."""


@dataclass(frozen=True)
class Subject:
    """The merge that is exported."""

    resource: MergeSearch
    status: MergeSearchStatus
    summary: Summary
    record: Record
    """On the search samples."""
    unseen: Record | None
    """On the unseen samples and the held-out tasks; None where it was not scored there."""
    sources: tuple[Source, ...]
    """All checkpoints, in spec order."""

    @property
    def id(self) -> str:
        """Under which status, report and workspace know it."""
        return self.record.id

    @property
    def is_winner(self) -> bool:
        """Whether the confirmation has chosen it."""
        return self.status.confirmed is not None and self.status.confirmed.id == self.id

    @property
    def merged(self) -> tuple[Source, ...]:
        """The checkpoints that are in it, in the order in which the merger sums."""
        return tuple(source for source in self.sources if source.weight != 0.0)

    @property
    def tokenizer(self) -> Source:
        """The checkpoint whose config, tokenizer and chat template it carries; its weight may be 0."""
        name = requests.tokenizer_from(self.resource.spec)
        return next(source for source in self.sources if source.name == name)

    @property
    def path(self) -> str | None:
        """Its folder on the workspace, where the status says that it stays."""
        confirmed = self.status.confirmed
        if confirmed is None:
            return None
        if confirmed.id == self.id:
            return confirmed.path
        return confirmed.better.path if confirmed.better is not None and confirmed.better.id == self.id else None


def choose(resource: MergeSearch, candidate: str | None, place: Place = Place.CLUSTER) -> Subject:
    """The winner, or the merge with this id. Raises InvalidManifestError where there is none."""
    status = resource.status or MergeSearchStatus()
    found = summary.summarize(resource, place)
    record = _winner(resource, status, found) if candidate is None else _named(resource, status, candidate)
    unseen = records.find(status, "unseen", record.id)
    return Subject(
        resource=resource,
        status=status,
        summary=found,
        record=record,
        unseen=unseen if unseen is not None and unseen.state is RecordState.SCORED else None,
        sources=tuple(
            Source(name=facts.name, volume=facts.volume, path=facts.path, fingerprint=facts.fingerprint, weight=weight)
            for facts, weight in zip(found.rebuild.checkpoints, strategy.weights(resource.spec, record), strict=True)
        ),
    )


def _winner(resource: MergeSearch, status: MergeSearchStatus, found: Summary) -> Record:
    if status.confirmed is None:
        best, name = status.best, resource.metadata.name
        other = f"; the best so far is {best.id}: --candidate {best.id} exports that" if best is not None else ""
        if status.failed is not None:
            raise _wrong(f"{name}: there is no winner, and there will be none. {found.verdict} {_instead(status)}")
        message = f"{name}: there is no winner yet. {found.verdict} Export it once it is complete{other}"
        raise InvalidManifestError(message, reason=Reason.NOT_YET)
    return _named(resource, status, status.confirmed.id)


def _named(resource: MergeSearch, status: MergeSearchStatus, candidate: str) -> Record:
    record = records.find(status, "search", candidate) or records.find(status, "again", candidate)
    if record is None:
        raise _wrong(
            f"--candidate {candidate}: {resource.metadata.name} has no such candidate; {_there_are(status, candidate)}"
        )
    if record.kind in records.AS_THEY_ARE:
        source = resource.spec.checkpoints[record.members[0]]
        where = f"{source.volume}/{source.path}"
        raise _wrong(
            f"--candidate {candidate}: this is {rows.called(resource, record)} as it is, no merge: it lies in {where}"
        )
    return record


def _instead(status: MergeSearchStatus) -> str:
    """What of a search without a winner can be exported."""
    if status.best is not None:
        return f"Its best candidate is {status.best.id}: --candidate {status.best.id} exports that, unconfirmed."
    merges = _merges(status)
    return f"Its merges can be exported, such as --candidate {merges[0]}." if merges else "It has no merge to export."


def _merges(status: MergeSearchStatus) -> list[str]:
    return [r.id for r in (*status.candidates, *status.baselines) if r.kind not in records.AS_THEY_ARE]


def _nearest(wanted: str, merges: list[str]) -> list[str]:
    """By their numbers where one was asked for, else by their letters."""
    asked = NUMBERED.fullmatch(wanted)
    numbers = {name: int(found[1]) for name in merges if (found := NUMBERED.fullmatch(name))}
    if asked is not None and numbers:
        number = int(asked[1])
        return sorted(numbers, key=lambda name: (abs(numbers[name] - number), name))[:SHOWN]
    return difflib.get_close_matches(wanted, merges, n=SHOWN, cutoff=0.0)


def _there_are(status: MergeSearchStatus, wanted: str) -> str:
    merges = _merges(status)
    if not merges:
        return "it has none so far"
    near = _nearest(wanted, merges)
    if len(near) == len(merges):
        return f"it has {phrases.listed(near)}"
    return f"nearest of its {phrases.count(len(merges), 'merge')} are {phrases.listed(near)}"


def _wrong(message: str) -> InvalidManifestError:
    return InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)


def kind_in_words(kind: RecordKind) -> str:
    """What a merge is, in a sentence about it."""
    return {
        RecordKind.SEARCH: "a candidate",
        RecordKind.UNIFORM: "the uniform merge, a baseline: all checkpoints with equal weights",
        RecordKind.MERGE_BEST: "merge-best, a baseline: the best checkpoint of each task, with equal weights",
        RecordKind.GREEDY: "a greedy soup, a baseline: checkpoints added as long as the fitness does not fall",
    }[kind]
