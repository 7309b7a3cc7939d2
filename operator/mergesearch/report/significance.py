"""When a gain is more than chance explains; pure."""

from mergesearch.api.status import Gain
from mergesearch.report.shapes import Versus

LEVEL = 0.05
"""Of the one-sided test."""


def versus(gain: Gain, choices: int) -> Versus:
    """A gain, and whether it is more than chance explains.

    The winner is the best of `choices` finalists on the very samples that it is tested on, so p is corrected for them
    by Bonferroni; the interval of the gain has to lie above 0 as well.
    """
    corrected = min(1.0, gain.p * max(1, choices))
    return Versus(
        gain=gain.gain,
        low=gain.low,
        high=gain.high,
        p=gain.p,
        corrected_p=corrected,
        significant=gain.gain > 0.0 and gain.low > 0.0 and corrected < LEVEL,
    )
