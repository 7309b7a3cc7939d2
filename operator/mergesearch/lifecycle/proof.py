"""Whether the winner beats its baselines by more than chance explains, and that in a line with its numbers; pure.

The numbers are in the objective's own unit, as the columns of `kubectl get` have them; a report tells the same at
length.
"""

from collections.abc import Sequence

from mergesearch.api.base import number_of
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import Confirmed, Gain, MergeSearchStatus, Record, RecordKind
from mergesearch.lifecycle import chance, phrases, records
from mergesearch.reasons import Reason
from mergesearch.search import power

LEVEL = power.LEVEL
NAMED = 3
"""Baselines that a line names; the others it counts."""
Told = tuple[Reason, str]


def finalists(status: MergeSearchStatus) -> list[Record]:
    """The candidates that were scored on the unseen samples, best first."""
    return records.best_first(record for record in status.confirmations if record.kind is RecordKind.SEARCH)


def choices(status: MergeSearchStatus) -> int:
    """The finalists that the winner was chosen among, by the comparison that decided: more may have been scored since.
    Before anything is decided, all that are scored.
    """
    return _choices(status, status.confirmed)


def _choices(status: MergeSearchStatus, winner: Confirmed | None) -> int:
    known = winner.finalists if winner is not None else None
    return known if known is not None else len(finalists(status))


def corrected_p(gain: Gain, choices: int) -> float:
    """The winner is the best of `choices` finalists on the very samples that it is tested on. The comparison accounts
    for that; of one that did not, by Bonferroni.
    """
    return gain.corrected_p if gain.corrected_p is not None else min(1.0, gain.p * max(1, choices))


def significant(gain: Gain, choices: int) -> bool:
    """Whether a gain is more than chance explains: the 95% interval lies above 0, and the corrected p is small."""
    return gain.gain > 0.0 and gain.low > 0.0 and corrected_p(gain, choices) < LEVEL


def deciding(winner: Confirmed, choices: int) -> Gain | None:
    """The gain that speaks for all: over a baseline that is not clearly beaten, and of several the smallest."""
    return min(winner.gains, key=lambda gain: (significant(gain, choices), gain.gain), default=None)


def smallest_gain(winner: Confirmed) -> float | None:
    """Over the baselines that were confirmed."""
    return min((gain.gain for gain in winner.gains), default=None)


def outcome(spec: MergeSearchSpec, status: MergeSearchStatus, winner: Confirmed) -> Told:
    """What came of the search: `Gain` only where every baseline that was confirmed is beaten."""
    chosen_among = _choices(status, winner)
    score = f"{winner.id} has {winner.fitness:.4f} on unseen samples"
    if winner.reused:
        score += " that had decided an earlier confirmation"
    if (goal := spec.objective.goal) is not None:
        score += f", {'as much as' if number_of(goal) <= winner.fitness else 'less than'} the goal of {goal}"
    lacking, weakest = _not_compared(status, winner), deciding(winner, chosen_among)
    if lacking or weakest is None:
        others = f"it was not compared with {_listed(spec, status, lacking)}" if lacking else "there was no baseline"
        return Reason.UNPROVEN, f"nothing is proven: {score}, but {others}"
    open_ones = sorted((g for g in winner.gains if not significant(g, chosen_among)), key=lambda gain: gain.gain)
    numbers = f"{score}, {weakest.gain:+.4f} against {_called(spec, status, weakest.baseline)}"
    numbers += f" (95% interval {weakest.low:+.4f}..{weakest.high:+.4f}, {_p(weakest, chosen_among)})"
    if not open_ones:
        beaten = _listed(spec, status, [gain.baseline for gain in winner.gains])
        return Reason.GAIN, f"gain over {beaten}: {numbers}"
    parts = {
        "no gain": [gain.baseline for gain in open_ones if gain.gain <= 0.0],
        "no significant gain": [gain.baseline for gain in open_ones if gain.gain > 0.0],
    }
    claims = (f"{claim} over {_listed(spec, status, ids)}" for claim, ids in parts.items() if ids)
    return Reason.BASELINE_BETTER if weakest.gain < 0.0 else Reason.NO_GAIN, f"{', '.join(claims)}: {numbers}"


def _not_compared(status: MergeSearchStatus, winner: Confirmed) -> list[str]:
    """Baselines that were scored on the unseen samples and have no gain."""
    compared = {gain.baseline for gain in winner.gains}
    return [record.id for record in records.rivals(status.confirmations) if record.id not in compared]


def _listed(spec: MergeSearchSpec, status: MergeSearchStatus, ids: Sequence[str]) -> str:
    words = [_called(spec, status, identity) for identity in ids[:NAMED]]
    if len(ids) > NAMED:
        words.append(f"{len(ids) - NAMED} more")
    return phrases.listed(words)


def _called(spec: MergeSearchSpec, status: MergeSearchStatus, identity: str) -> str:
    found: Record | None = records.find(status, "unseen", identity)
    if found is None or found.kind is not RecordKind.CHECKPOINT:
        return identity
    return f"checkpoint {spec.checkpoints[found.members[0]].name}"


def _p(gain: Gain, choices: int) -> str:
    corrected = chance.corrected(gain.p, corrected_p(gain, choices))
    more = f", {corrected} when corrected for {phrases.count(choices, 'finalist')}" if corrected is not None else ""
    return chance.equals(gain.p) + more
