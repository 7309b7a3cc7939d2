"""A search as the API server has it, and as it is written back; pure."""

from pydantic import ValidationError

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import STATUS_VERSION, MergeSearchStatus
from mergesearch.reasons import Reason
from mergesearch_operator.client import Document


class UnreadableError(ValueError):
    """This release cannot read a search, and leaves it alone."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def parse(document: Document) -> MergeSearch:
    """The search. Raises UnreadableError."""
    version = document.get("status", {}).get("version", STATUS_VERSION)
    if isinstance(version, int) and version > STATUS_VERSION:
        known = f"of a newer release; this one knows {STATUS_VERSION} and leaves it alone"
        raise UnreadableError(Reason.NEWER_STATUS, f"its status has version {version}, {known}")
    try:
        return MergeSearch.model_validate(document)
    except ValidationError as error:
        message = f"this release cannot read it and leaves it alone: {error}"
        raise UnreadableError(Reason.UNREADABLE, message) from error


def stored(status: MergeSearchStatus) -> Document:
    """A status as it is written: short, but with what the columns of `kubectl get` show."""
    compact: Document = status.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    shown = {"version": status.version, "phase": status.phase.value, "counts": status.counts.to_document()}
    return compact | shown


def full_name(document: Document) -> str:
    """Namespace and name, for people."""
    return f"{document['metadata']['namespace']}/{document['metadata']['name']}"
