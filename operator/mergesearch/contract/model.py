"""What all messages are made of: frozen JSON documents, their hashes, and the names that several of them use. Pure."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from mergesearch.reasons import Reason

CONTRACT_VERSION = 1

CandidateId = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Dtype = Literal["bfloat16", "float16", "float32"]
ShortDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""The first 16 digits of a SHA-256: enough to notice a change, short enough for a status of many leaf tasks."""
Aggregate = Literal["Mean", "WeightedMean", "GeometricMean", "Minimum"]
"""How the scores of several tasks make one fitness."""


class Model(BaseModel):
    """A frozen JSON document with camelCase names; unknown fields and non-finite numbers are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )

    def to_json(self) -> str:
        """One line of JSON; what is None is left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class WholeRequest(Model):
    """A request that is met as a whole, by one report."""

    def hash(self) -> str:
        """The request hash."""
        return digest(plain(self))


def digest(*parts: Any) -> str:
    """SHA-256 over the canonical JSON of `parts`; floats are written so that they read back as the same number."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def plain(model: Model) -> dict[str, Any]:
    """The model in JSON's terms, for a hash."""
    return model.model_dump(mode="json", by_alias=True)


class SearchRef(Model):
    """The search that a request belongs to."""

    name: str = Field(max_length=253)
    uid: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")


class VolumePath(Model):
    """A file or folder inside a named volume."""

    volume: str
    path: str


class Checkpoint(Model):
    """One input of the merge: a Hugging Face folder."""

    name: str
    location: VolumePath
    fingerprint: Sha256 | None = None
    """As the preflight saw it; where given, the merger compares and refuses a checkpoint that has changed."""


class Failure(Model):
    """Why there is no result."""

    reason: Reason
    message: str = Field(max_length=2000)
    transient: bool = False
    """The same request may succeed later."""
