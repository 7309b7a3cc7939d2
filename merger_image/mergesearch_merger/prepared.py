"""A merge of which all is known but the data. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    def weights(self, candidate: MergeCandidate) -> tuple[float, ...]:
        """Of the checkpoints that are read, in order; one or the other may be 0 for this candidate."""
        return tuple(candidate.weights[column] for column in self.columns)

    def fingerprints(self, candidate: MergeCandidate) -> dict[str, str]:
        """Of the checkpoints that this candidate is made of, by name; the reference's headers are in every layout."""
        pairs = zip(self.read, self.weights(candidate), strict=True)
        read = (checkpoint for checkpoint, weight in pairs if weight != 0.0)
        return {checkpoint.name: checkpoint.fingerprint for checkpoint in (self.reference, *read)}

    def only(self, candidates: Sequence[MergeCandidate]) -> "Prepared":
        """The same for some of the candidates: what none of them needs is not read."""
        kept = [
            number
            for number, column in enumerate(self.columns)
            if any(candidate.weights[column] != 0.0 for candidate in candidates)
        ]
        return replace(
            self,
            candidates=tuple(candidates),
            read=tuple(self.read[number] for number in kept),
            columns=tuple(self.columns[number] for number in kept),
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """A candidate's share of what a pass took, and what summed in it."""

    seconds: float
    bytes_read: int
    peak_bytes: int
    """Resident memory of the process, so far."""
    kernel: str
    """As `kernels.Choice` names it; several with a comma between them where slices took different ones."""
