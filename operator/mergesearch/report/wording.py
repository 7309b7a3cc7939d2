"""How people read numbers: points, intervals, p, shares, durations; pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from mergesearch.lifecycle import chance
from mergesearch.report.shapes import Scale, TaskFacts, Versus

POINTS = Scale(factor=100.0, digits=1, unit="points")
PLAIN = Scale(factor=1.0, digits=2, unit="")
NOTHING = "–"
"""In a table where there is no number."""

FINGERPRINT_DIGITS = 12
FINGERPRINT = re.compile(r"(?<![\w/])[0-9a-f]{64}(?![\w/])")
"""In a sentence; one that is part of a path stays, since nothing would be found by its beginning."""


def scale_of(scores: Iterable[float]) -> Scale:
    """Points where all scores are fractions, else the numbers as they are."""
    return POINTS if all(0.0 <= score <= 1.0 for score in scores) else PLAIN


def score(value: float | None, scale: Scale) -> str:
    """`0.8412` as `84.1`."""
    return NOTHING if value is None else _without_minus_zero(f"{value * scale.factor:.{scale.digits}f}")


def signed(value: float | None, scale: Scale) -> str:
    """`0.052` as `+5.2`; what rounds to 0 has no sign."""
    if value is None:
        return NOTHING
    text = f"{value * scale.factor:+.{scale.digits}f}"
    return text[1:] if float(text) == 0.0 else text


def with_unit(text: str, scale: Scale) -> str:
    """`+5.2` as `+5.2 points`."""
    return f"{text} {scale.unit}".rstrip()


def interval(versus: Versus, scale: Scale) -> str:
    """`+3.1..+7.4`."""
    return f"{signed(versus.low, scale)}..{signed(versus.high, scale)}"


def decimal(value: float | None, digits: int = 3) -> str:
    """`0.3536` as `0.354`: correlations, volumes, r²."""
    return NOTHING if value is None else _without_minus_zero(f"{value:.{digits}f}")


def slope(value: float, first: Scale, second: Scale) -> str:
    """Of the second score over the first, in what people read them in."""
    return decimal(value * second.factor / first.factor, 2)


def task(facts: TaskFacts) -> str:
    """A task as it stands beside an axis: `mbpp (points)`."""
    return f"{facts.name} ({facts.scale.unit})" if facts.scale.unit else facts.name


def correlation(rho: float | None, p: float | None) -> str:
    """`ρ = -0.354, p = 0.18`, or that there is none."""
    if rho is None or p is None:
        return "no ρ: few checkpoints are scored, or all alike"
    return f"ρ = {decimal(rho)}, {chance.equals(p)}"


def flops(value: float) -> str:
    """`1.84e+18` as `1.84e18`."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def small_share(value: float) -> str:
    """Two digits that count: `0.1` as `10%`, `0.000234` as `0.023%`; below that `less than 0.001%`."""
    if value < 1e-5:
        return "less than 0.001%"
    return f"{100.0 * value:.2g}%" if value < 0.995 else share(value)


def share(value: float | None) -> str:
    """`0.461` as `46%`."""
    return NOTHING if value is None else f"{100 * value:.0f}%"


def weight(value: float) -> str:
    """Four digits; an exact 0 is told from a small number."""
    return "0" if value == 0.0 else f"{value:.4f}"


def short_weight(value: float) -> str:
    """Two digits; an exact 0 is told from a small number."""
    return "0" if value == 0.0 else f"{value:.2f}".removeprefix("0") if value >= 0.005 else "<.01"


def duration(seconds: float) -> str:
    """`9.4 s`, `12 min 3 s`, `5 h 40 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(when: datetime | None) -> str:
    """`2026-01-31 17:05 UTC`."""
    return NOTHING if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def brief(text: str) -> str:
    """With the first digits of fingerprints, which are enough to tell two apart."""
    return FINGERPRINT.sub(lambda found: fingerprint(found.group()) + "…", text)


def fingerprint(value: str | None) -> str:
    """Its first digits."""
    return NOTHING if value is None else value[:FINGERPRINT_DIGITS]


def sentence(text: str) -> str:
    """With a full stop at its end."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _without_minus_zero(text: str) -> str:
    return text[1:] if text.startswith("-") and float(text) == 0.0 else text
