"""A merge of which all is known but the data. Pure."""

from dataclasses import dataclass

from mergesearch.contract import MergeCandidate
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.layout import Layout


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was read and decided before the first byte is written."""

    candidates: tuple[MergeCandidate, ...]
    """Those that are not there yet."""
    read: tuple[Checkpoint, ...]
    """The checkpoints that have a weight other than 0 in some candidate, in the request's order."""
    columns: tuple[int, ...]
    """Their numbers in the request."""
    reference: Checkpoint
    """The checkpoint whose config and tokenizer the merges carry."""
    layout: Layout
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """A candidate's share of what a pass took."""

    seconds: float
    bytes_read: int
    peak_bytes: int
    """Resident memory of the process, so far."""
