"""The resource as a whole; pure."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from mergesearch.api.base import ApiModel
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus
from mergesearch.contract import SearchRef


class Metadata(ApiModel):
    """The part of Kubernetes' metadata that a search uses; anything else in it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the search."""
    namespace: str = "default"
    """Namespace."""
    uid: str = ""
    """Given by the API server; on one machine by the state folder."""
    generation: int = 1
    """Counts changes of the spec."""


class MergeSearch(ApiModel):
    """Searches for the weights of a linear merge of checkpoints that scores best on your tasks."""

    api_version: Literal["mergesearch.io/v1alpha1"]
    """Version of the resource."""
    kind: Literal["MergeSearch"]
    """Kind of the resource."""
    metadata: Metadata
    """Name and identity."""
    spec: MergeSearchSpec
    """What to merge, what to optimise, and what it may cost."""
    status: MergeSearchStatus | None = None
    """What the search remembers."""

    @property
    def ref(self) -> SearchRef:
        """How requests name this search."""
        return SearchRef(name=self.metadata.name, uid=self.metadata.uid)
