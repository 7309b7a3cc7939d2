"""weights.json and candidates.csv: every number as the search has it, for programs; pure."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from mergesearch.api.status import Record, RecordKind
from mergesearch.export import recipe
from mergesearch.export.subject import Subject
from mergesearch.lifecycle import records, strategy

WEIGHTS_FILE = "weights.json"
CANDIDATES_FILE = "candidates.csv"
WEIGHTS_VERSION = 1
"""Grows when a field of weights.json changes its meaning."""


def weights(subject: Subject) -> str:
    """What the merge is made of, and what it was proven to be made of."""
    spec, confirmed = subject.resource.spec, subject.status.confirmed
    document = {
        "version": WEIGHTS_VERSION,
        "search": {"name": subject.summary.name, "uid": subject.summary.uid, "seed": spec.search.seed},
        "candidate": subject.id,
        "kind": subject.record.kind.value,
        "winner": subject.is_winner,
        "better": confirmed.better.id if subject.is_winner and confirmed and confirmed.better else None,
        "verdict": subject.summary.verdict,
        "method": "linear",
        "normalize": False,
        "dtype": spec.merge.dtype,
        "summedIn": recipe.DTYPES[spec.merge.dtype][0],
        "tokenizerFrom": subject.tokenizer.name,
        "weights": {source.name: source.weight for source in subject.sources},
        "checkpoints": [
            {
                "name": source.name,
                "volume": source.volume,
                "path": source.path,
                "fingerprint": source.fingerprint,
            }
            for source in subject.sources
        ],
        "path": subject.path,
        "weightsDigest": confirmed.weights_digest if subject.is_winner and confirmed else None,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def candidates(subject: Subject) -> str:
    """All candidates and baselines with their scores, standard errors and weights, as RFC 4180 has it.

    Headers begin with a word of ours, so that no spreadsheet takes a task's name for a formula.
    """
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(_headers(subject))
    status = subject.status
    for record in (*status.baselines, *status.candidates):
        writer.writerow([_cell(value) for value in _row(subject, record)])
    return written.getvalue()


def _headers(subject: Subject) -> list[str]:
    tasks = subject.summary.tasks
    held_in = [task for task in tasks if not task.held_out]
    headers = ["id", "kind", "generation", "state", "same as", "search fitness"]
    headers += [f"search {task.name}{end}" for end in ("", " stderr") for task in held_in]
    headers += ["unseen fitness"]
    headers += [
        f"{'held-out' if task.held_out else 'unseen'} {task.name}{end}" for end in ("", " stderr") for task in tasks
    ]
    return [*headers, *(f"weight {source.name}" for source in subject.sources)]


def _row(subject: Subject, record: Record) -> Iterator[Any]:
    tasks = subject.summary.tasks
    held_in = sum(not task.held_out for task in tasks)
    # The noise floor is another evaluation on the search samples: it is never confirmed.
    known = records.find(subject.status, "unseen", record.id) if record.kind is not RecordKind.NOISE else None
    yield from (record.id, record.kind.value, record.generation, record.state.value, record.same_as)
    yield from _scored(record, held_in)
    yield from _scored(known, len(tasks))
    yield from strategy.weights(subject.resource.spec, record)


def _scored(record: Record | None, count: int) -> Iterator[float | None]:
    scores: tuple[float, ...] = record.scores if record is not None else ()
    errors: tuple[float | None, ...] = record.errors if record is not None else ()
    yield record.fitness if record is not None else None
    for values in (scores, errors):
        yield from (*values[:count], *[None] * (count - len(values)))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
