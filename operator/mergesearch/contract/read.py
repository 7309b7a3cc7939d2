"""How reports are read again that their process has published, but that nobody has received. Pure."""

from typing import Literal

from mergesearch.contract.model import SearchRef, Sha256, WholeRequest


class ReadRequest(WholeRequest):
    """Emit the reports that answer certain requests, as the process emitted them that wrote them: the pod is gone, or
    its termination message holds a pointer. There is no report of the read itself.
    """

    kind: Literal["read"] = "read"
    version: Literal[1]
    search: SearchRef
    paths: tuple[str, ...]
    """Files of the workspace with reports, one a line, the likeliest first; any of them may be missing."""
    answers: tuple[Sha256, ...]
    """Request hashes of the reports that are wanted; each is emitted once, all others are left out."""
