"""When a gain is more than chance explains; pure."""

from mergesearch.api.status import Confirmed, Gain
from mergesearch.lifecycle import chance, proof
from mergesearch.report.shapes import Versus

LEVEL = proof.LEVEL


def versus(winner: Confirmed, gain: Gain, choices: int) -> Versus:
    """A gain of the winner, and whether it is more than chance explains.

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
        decides=gain == proof.deciding(winner, choices),
    )


def told_p(versus: Versus) -> str:
    """p, and beside it the corrected one where that is what decides."""
    corrected = chance.corrected(versus.p, versus.corrected_p)
    return chance.value(versus.p) + (f" ({corrected} corrected)" if corrected is not None else "")
