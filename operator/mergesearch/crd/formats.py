"""Rules in CEL for what a structural schema cannot say of one value: the formats of `api/base.py`, and a map's keys;
pure.
"""

from typing import Any

from mergesearch.api.check_search import MAX_DURATION

Schema = dict[str, Any]

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_DECIMAL = r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?$"
_SIZE = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"
_DURATION = r"^([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$"
_YEAR = f"{MAX_DURATION // 3600}h"


def rule(cel: str, message: str, **more: str) -> Schema:
    """One entry of x-kubernetes-validations."""
    return {"rule": cel, "message": message, **more}


def text(pattern: str) -> str:
    """A regular expression as a literal of CEL."""
    if "'" in pattern:
        raise ValueError(f"a quote in {pattern}")
    return f"r'{pattern}'"


FORMATS: dict[str, tuple[Schema, ...]] = {
    # Where the form is wrong the first half is false, and the second, which would be an error, is not asked.
    "positive-decimal": (
        rule(
            f"self.matches({text(_DECIMAL)}) && double(self) > 0.0",
            'must be a decimal number above 0, in quotes, such as "0.5"',
        ),
    ),
    "fraction-decimal": (
        rule(
            f"self.matches({text(_DECIMAL)}) && double(self) <= 1.0",
            'must be a decimal number from 0 to 1, in quotes, such as "0.5"',
        ),
    ),
    "size": (
        rule(
            f"self.matches({text(_SIZE)}) && quantity(self).compareTo(quantity('1Mi')) >= 0",
            "must be a size of at least 1Mi, such as 500Mi or 5Gi",
        ),
    ),
    "hours-minutes-seconds": (
        rule(
            f"size(self) > 0 && self.matches({text(_DURATION)}) && duration(self) > duration('0s')"
            f" && duration(self) <= duration('{_YEAR}')",
            "must be a duration of at most a year in hours, minutes and seconds, such as 24h, 90m or 1h30m",
        ),
    ),
}
"""By the `format` that the models give to a text."""


def key_pattern(pattern: str) -> Schema:
    """Every key of a map has this form."""
    return rule(f"self.all(key, key.matches({text(pattern)}))", f"every name must match {pattern}")


def key_length(keys: Schema) -> list[Schema]:
    """Every key of a map is as long as it may be, or one of some words."""
    least, most = keys.get("minLength", 0), keys.get("maxLength")
    if "enum" in keys:
        return [rule(f"self.all(key, key in {keys['enum']})", f"every name must be one of {', '.join(keys['enum'])}")]
    if most is None:
        raise ValueError(f"keys without a bound: {keys}")
    return [
        rule(
            f"self.all(key, size(key) >= {least} && size(key) <= {most})",
            f"every name must have {least} to {most} characters",
        )
    ]
