"""How p is told: rounded, never as 0, and with the corrected one beside it where that is what decides; pure."""

from mergesearch.search import power

LEAST = 0.0001
"""What the comparison cannot tell from a smaller p: it draws 10,000 resamples, and counts one more."""
MOST_DIGITS = 6
"""More than that many resamples can tell apart."""


def value(p: float) -> str:
    """Two digits that count: `0.31`, `0.021`, `0.0002`; more where p would look like the level but is not; `<0.0001`
    where no resample was as extreme.
    """
    if p < LEAST:
        return f"<{LEAST:g}"
    digits = 2 if p >= 0.0995 else 3 if p >= 0.00995 else 4
    text = f"{p:.{digits}f}"
    while float(text) == power.LEVEL != p and digits < MOST_DIGITS:
        digits += 1
        text = f"{p:.{digits}f}"
    return text


def equals(p: float) -> str:
    """`p = 0.021`, or `p < 0.0001`."""
    text = value(p)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def corrected(p: float, corrected_p: float) -> str | None:
    """The corrected p where it is what keeps a gain from being claimed; None where p says the same by itself."""
    return value(corrected_p) if p < power.LEVEL <= corrected_p else None
