"""weights.json and candidates.csv: every number as the search has it, for programs; pure."""

import json

from mergesearch.export import recipe
from mergesearch.export.subject import Subject
from mergesearch.report import exact, tables

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
    """All candidates and baselines with their scores, standard errors and weights, as RFC 4180 has it."""
    return tables.to_csv(exact.candidates(subject.summary))
