"""What is removed at the end. Pure."""

from typing import Literal

from mergesearch.contract.model import CandidateId, Failure, Model, SearchRef, Sha256, WholeRequest


class CleanupRequest(WholeRequest):
    """Remove the weights of the listed candidates; the search is over or was shortened."""

    kind: Literal["cleanup"] = "cleanup"
    version: Literal[1]
    search: SearchRef
    prune: tuple[CandidateId, ...]


class CleanupReport(Model):
    """What was removed."""

    kind: Literal["cleanup"] = "cleanup"
    version: Literal[1]
    request_hash: Sha256
    failure: Failure | None = None
    removed: tuple[str, ...] = ()
