"""What an unquoted word of YAML means; pure.

A manifest is read here as `kubectl` reads it, so that it means the same on one machine and on a cluster: by the rules
of YAML 1.1 as Kubernetes' parser has them. They differ from PyYAML's: `1e5` is a number, `1:30` and dates are text.
"""

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    word: value
    for names, value in (("y yes true on", True), ("n no false off", False), ("null", None))
    for name in names.split()
    for word in (name, name.capitalize(), name.upper())
} | {"": None, "~": None}
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_OTHER_BASE = re.compile(r"[-+]?0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MAX_DIGITS = 300
"""Longer numbers are refused: nothing in a manifest needs them."""


class AmbiguousScalarError(ValueError):
    """An unquoted word that readers of YAML take for different things; `allowed` says how to write it."""

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


def read(text: str) -> Scalar:
    """The value of an unquoted word. Raises AmbiguousScalarError."""
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise AmbiguousScalarError("this is not a finite number", "a finite number")
    digits = text.replace("_", "") if text[:1] in "+-0123456789" else text
    if _LEADING_ZERO.fullmatch(digits):
        return _leading_zero(text, digits)
    if _DECIMAL.fullmatch(digits):
        return int(_within_limits(digits))
    if _OTHER_BASE.fullmatch(digits):
        return int(_within_limits(digits), 0)
    if _NUMBER.fullmatch(digits):
        number = float(_within_limits(digits))
        if not math.isfinite(number):
            raise AmbiguousScalarError("this number is too large", "a smaller number")
        return number
    return text


def _leading_zero(text: str, digits: str) -> Scalar:
    plain = digits.lstrip("+-").lstrip("0") or "0"
    octal = f" (octal {int(_within_limits(plain), 8)})" if set(plain) <= set("01234567") else ""
    raise AmbiguousScalarError(
        f"a number with a leading zero means {plain} to some readers of YAML and something else{octal} to others",
        f'{plain} without the zero, or "{text}" in quotes',
    )


def _within_limits(digits: str) -> str:
    if len(digits) > MAX_DIGITS:
        raise AmbiguousScalarError(f"this number has {len(digits)} digits", f"at most {MAX_DIGITS} digits")
    return digits
