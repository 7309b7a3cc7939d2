"""When a gain is more than chance explains; pure."""

from mergesearch.api.status import Gain
from mergesearch.lifecycle import proof
from mergesearch.report import wording
from mergesearch.report.shapes import Versus

LEVEL = proof.LEVEL


def versus(gain: Gain, choices: int) -> Versus:
    """A gain, and whether it is more than chance explains.

    The winner is the best of `choices` finalists on the very samples that it is tested on, so p is corrected for that;
    the interval of the gain has to lie above 0 as well.
    """
    return Versus(
        gain=gain.gain,
        low=gain.low,
        high=gain.high,
        p=gain.p,
        corrected_p=proof.corrected_p(gain, choices),
        significant=proof.significant(gain, choices),
    )


def told_p(versus: Versus) -> str:
    """p, and beside it the corrected one where that is what decides."""
    if not versus.p < LEVEL <= versus.corrected_p:
        return wording.p_value(versus.p)
    return f"{wording.p_value(versus.p)} ({wording.p_value(versus.corrected_p)} corrected)"
