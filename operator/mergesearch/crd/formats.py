"""Rules in CEL for what a structural schema cannot say of one value, or not in words that help: forms and formats of
`api/base.py`, and a map's keys; pure.
"""

from typing import Any

from mergesearch.api.check_search import MAX_DURATION
from mergesearch.crd.cel import DECIMAL, rule, text

Schema = dict[str, Any]

_SIZE = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"
_DURATION = r"^([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$"
_YEAR = f"{MAX_DURATION // 3600}h"

FORMATS: dict[str, tuple[Schema, ...]] = {
    # Where the form is wrong the first half is false, and the second, which would be an error, is not asked.
    "positive-decimal": (
        rule(
            f"self.matches({text(DECIMAL)}) && double(self) > 0.0",
            'must be a decimal number above 0, in quotes, such as "0.5"',
        ),
    ),
    "fraction-decimal": (
        rule(
            f"self.matches({text(DECIMAL)}) && double(self) <= 1.0",
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
"""By the `format` that the models give to a text. They ask for its `pattern` as well."""

FORMS = {
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": (
        "must have lower-case letters, digits, - and ., with a letter or digit at both ends"
    ),
    r"^[^/\x00][^\x00]*$": "must be a path inside the volume, not beginning with /",
}
"""Patterns of the models, and what a person is told instead of the pattern."""


def form(pattern: str) -> Schema:
    """That a text has the form of one of `FORMS`."""
    return rule(f"self.matches({text(pattern)})", FORMS[pattern])


def key_form(pattern: str) -> Schema:
    """That every key of a map has this form."""
    return rule(f"self.all(key, key.matches({text(pattern)}))", f"every name {FORMS[pattern]}")


def key_length(keys: Schema) -> tuple[Schema, ...]:
    """That every key of a map is as long as it may be."""
    least, most = keys.get("minLength", 0), keys["maxLength"]
    bounds = f"self.all(key, size(key) >= {least} && size(key) <= {most})"
    return (rule(bounds, f"every name must have {least} to {most} characters"),)
