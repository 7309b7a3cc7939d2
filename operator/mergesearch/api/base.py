"""The base of the resource's models, and the small value types of its fields; pure.

Numbers in a spec are decimal strings: Kubernetes advises against floats in a resource, since not every client reads
them back as the same number. Docstrings of models and attributes become the texts of `kubectl explain`.
"""

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "mergesearch.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "MergeSearch"

GPU = re.compile(r"[^/]+/(gpu(\.shared)?|mig-.+)")
"""Resources that count as GPUs: `nvidia.com/gpu`, `amd.com/gpu`, a share of one that is sliced in time
(`nvidia.com/gpu.shared`) and a slice of a partitioned one (`nvidia.com/mig-1g.10gb`). A share or slice counts as 1,
since nothing here knows how many make a whole: GPU-hours are then hours of slices.
"""


class ApiModel(BaseModel):
    """A frozen part of the resource with camelCase names; unknown fields and non-finite numbers are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def to_document(self) -> dict[str, Any]:
        """As Kubernetes would hold it: camelCase, JSON values, what is unset left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_stored(self) -> str:
        """As a search is kept: one line of JSON, as short as it can be, so without what is at its default."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)


_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(Ki|Mi|Gi|Ti|k|M|G|T)?")
_QUANTITY_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    unit: 2 ** (10 * power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)
}
_DURATION = re.compile(r"(?=.)(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")


def bytes_of(quantity: str) -> int:
    """Bytes of a Kubernetes quantity such as `5Gi`. Raises ValueError."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a size such as 500Mi or 5Gi")
    return int(float(match[1]) * _QUANTITY_FACTORS[match[2] or ""])


def seconds_of(duration: str) -> int:
    """Seconds of a duration such as `24h` or `1h30m`. Raises ValueError."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"{duration!r} is not a duration such as 24h, 90m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def number_of(decimal: str) -> float:
    """The number in a decimal string. Raises ValueError."""
    try:
        value = float(decimal)
    except ValueError:
        raise ValueError(f'{decimal!r} is not a decimal number in quotes, such as "0.5"') from None
    if not math.isfinite(value):
        raise ValueError(f"{decimal!r} is not finite")
    return value


def _positive(decimal: str) -> str:
    if number_of(decimal) <= 0:
        raise ValueError(f"{decimal!r} is not above 0")
    return decimal


def _fraction(decimal: str) -> str:
    if not 0 <= number_of(decimal) <= 1:
        raise ValueError(f"{decimal!r} is not between 0 and 1")
    return decimal


def _size(quantity: str) -> str:
    if bytes_of(quantity) < 2**20:
        raise ValueError(f"{quantity!r} is below 1Mi")
    return quantity


def _duration(duration: str) -> str:
    if seconds_of(duration) <= 0:
        raise ValueError(f"{duration!r} is not above 0")
    return duration


_DECIMAL_PATTERN = r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"

PositiveDecimal = Annotated[
    str,
    Field(max_length=24, pattern=_DECIMAL_PATTERN, json_schema_extra={"format": "positive-decimal"}),
    AfterValidator(_positive),
]
FractionDecimal = Annotated[
    str,
    Field(max_length=24, pattern=_DECIMAL_PATTERN, json_schema_extra={"format": "fraction-decimal"}),
    AfterValidator(_fraction),
]
Size = Annotated[str, Field(max_length=24, json_schema_extra={"format": "size"}), AfterValidator(_size)]
Duration = Annotated[
    str, Field(max_length=24, json_schema_extra={"format": "hours-minutes-seconds"}), AfterValidator(_duration)
]
"""Where a validator of Python decides, `format` tells readers of the schema which."""
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""Lower-case letters, digits, `-` and `.`."""
RelativePath = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^/\x00][^\x00]*$")]
"""A path inside a volume."""
TaskName = Annotated[str, Field(min_length=1, max_length=128)]
ShortText = Annotated[str, Field(max_length=253)]
