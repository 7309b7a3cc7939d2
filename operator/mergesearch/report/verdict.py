"""What came of a search, in one sentence of plain words; pure.

A gain is claimed only if the winner beats every baseline that was confirmed by more than chance explains; the weakest
of its gains speaks. Nothing that was scored on the search samples alone is called proven.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mergesearch.api.base import number_of
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Confirmed, MergeSearchStatus, Phase, RecordState
from mergesearch.lifecycle import chance, phrases
from mergesearch.report import advice, rows, wording
from mergesearch.report.shapes import Outcome, Role, Row, Scale, Versus

UNSEEN = "samples the search never saw"


@dataclass(frozen=True)
class Verdict:
    """The outcome with its sentence."""

    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Facts:
    """What the sentences are made of."""

    resource: MergeSearch
    status: MergeSearchStatus
    rows: tuple[Row, ...]
    scale: Scale
    choices: int
    """Finalists that the winner was chosen among."""
    place: advice.Place = advice.Place.CLUSTER
    """Where it runs."""


def verdict(facts: Facts) -> Verdict:
    """The first that holds."""
    return next((found for fact in FACTS if (found := fact(facts)) is not None), is_running(facts))


def has_failed(facts: Facts) -> Verdict | None:
    """It has ended without a result."""
    failed = facts.status.failed
    if failed is None:
        return None
    return Verdict(Outcome.FAILED, f"Failed: {wording.sentence(wording.brief(failed.message))} {advice.FAILED}")


def is_complete(facts: Facts) -> Verdict | None:
    """The winner is decided, and nothing is left to do."""
    status = facts.status
    return decided(facts, status.confirmed) if status.completion_time is not None and status.confirmed else None


def is_stalled(facts: Facts) -> Verdict | None:
    """A person has to act."""
    stalled = facts.status.stalled
    if stalled is None:
        return None
    status = facts.status
    scored = any(record.scores for record in (*status.baselines, *status.candidates, *status.confirmations))
    advised = advice.after_stall(stalled.reason, facts.place, scored=scored)
    message = wording.brief(stalled.message)
    if "\n" in message:
        # A list of problems: what to do is no part of its last line.
        return Verdict(Outcome.STALLED, f"Stalled ({stalled.reason}):\n{message}\n{advised}")
    return Verdict(Outcome.STALLED, f"Stalled ({stalled.reason}): {wording.sentence(message)} {advised}")


def is_suspended(facts: Facts) -> Verdict | None:
    """A person has stopped it."""
    if not facts.resource.spec.suspend:
        return None
    return Verdict(Outcome.SUSPENDED, f"Suspended: {_progress(facts)} {advice.SUSPENDED[facts.place]}")


def has_not_started(facts: Facts) -> Verdict | None:
    """Nobody has seen it yet."""
    return Verdict(Outcome.NOT_STARTED, "The search has not started yet.") if facts.status.start_time is None else None


FACTS: tuple[Callable[[Facts], Verdict | None], ...] = (
    has_failed,
    is_complete,
    is_stalled,
    is_suspended,
    has_not_started,
)


def is_running(facts: Facts) -> Verdict:
    """None of these."""
    return Verdict(Outcome.RUNNING, f"{facts.status.phase}: {_progress(facts)}")


def weakest(rows: Sequence[Row]) -> tuple[Row, Versus] | None:
    """The baseline whose comparison decides."""
    return next(((row, row.versus) for row in rows if row.versus is not None and row.versus.decides), None)


def decided(facts: Facts, winner: Confirmed) -> Verdict:
    """The verdict on the winner."""
    found = weakest(facts.rows)
    score = wording.score(winner.fitness, facts.scale)
    where = f"{UNSEEN}, though these had decided an earlier confirmation" if winner.reused else UNSEEN
    missing = [row for row in _baselines(facts.rows) if row.on_unseen is not None and row.versus is None]
    if found is None or missing:
        others = f"it was not compared with {_names(missing)}" if missing else "no baseline was compared with it"
        return Verdict(Outcome.UNPROVEN, f"Nothing is proven: {winner.id} has {score} on {where}, but {others}.")
    row, versus = found
    against = wording.score(row.on_unseen.fitness if row.on_unseen is not None else None, facts.scale)
    numbers = _numbers(versus, facts)
    if versus.significant:
        beaten = f"{winner.id} beats {_beaten(facts.rows)} on {where}"
        return Verdict(Outcome.GAIN, f"{beaten}: {score} against {against} for {_name(row)}, {numbers}.")
    claim = "No significant gain" if versus.gain > 0.0 else "No gain"
    words = f"{claim} over {_name(row)}: {winner.id} has {score} against {against} on {where}, {numbers}."
    clearly = [row for row in facts.rows if row.versus is not None and row.versus.significant]
    if clearly:
        words += f" It beats {_listed(clearly)}."
    return Verdict(Outcome.NO_GAIN, words)


def notes(facts: Facts, smallest_gain: float | None) -> tuple[str, ...]:
    """Sentences that the verdict has to be read with."""
    status, winner = facts.status, facts.status.confirmed
    if winner is None:
        return ()
    found = weakest(facts.rows)
    if status.completion_time is None:
        return (f"An earlier confirmation stands: {decided(facts, winner).sentence}",)
    some = []
    if any(record.state is not RecordState.SCORED for record in status.confirmations):
        some.append("A later confirmation was not finished within the budget; this one stands.")
    goal = facts.resource.spec.objective.goal
    if goal is not None:
        held = "reached" if winner.fitness >= number_of(goal) else "not reached"
        some.append(f"The goal of {wording.score(number_of(goal), facts.scale)} is {held} on unseen samples.")
    if found is not None and not found[1].significant and smallest_gain is not None:
        size = wording.with_unit(wording.score(smallest_gain, facts.scale), facts.scale)
        some.append(
            f"With so many unseen samples a true gain of about {size} is proven four times in five, a smaller one less "
            "often; more unseen samples prove smaller ones."
        )
    if found is not None and found[1].gain < 0.0:
        kept = winner.better is not None and winner.better.id == found[0].id and winner.better.path
        where = f"; its merged weights stay in {kept} on the workspace" if kept else ""
        some.append(f"On unseen samples {_name(found[0])} is the better choice{where}.")
    if winner.reused:
        some.append(
            "The same unseen samples had decided an earlier confirmation of this search, so they are no longer quite "
            "unseen: p is smaller than it should be."
        )
    return tuple(some)


def _numbers(versus: Versus, facts: Facts) -> str:
    gain = wording.with_unit(wording.signed(versus.gain, facts.scale), facts.scale)
    words = f"gain {gain}, 95% interval {wording.interval(versus, facts.scale)}, {chance.equals(versus.p)}"
    corrected = chance.corrected(versus.p, versus.corrected_p)
    if corrected is not None:
        words += f" ({corrected} when corrected for the choice among {facts.choices} finalists)"
    return words


def _baselines(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.role.is_candidate]


def _name(row: Row) -> str:
    return f"checkpoint {row.name}" if row.role is Role.CHECKPOINT else row.name


def _names(rows: Sequence[Row]) -> str:
    return phrases.listed([_name(row) for row in rows])


def _beaten(rows: Sequence[Row]) -> str:
    """What the winner was compared with; `every` only where nothing was left out."""
    every = _baselines(rows)
    compared = [row for row in every if row.versus is not None]
    if len(compared) == len(every) and any(row.role is Role.CHECKPOINT for row in compared):
        return "every checkpoint and baseline"
    return _listed(compared)


def _listed(compared: Sequence[Row]) -> str:
    """Checkpoints first; a single one that was compared is the best of them."""
    checkpoints = [row for row in compared if row.role is Role.CHECKPOINT]
    words = [row.name for row in compared if row.role is not Role.CHECKPOINT]
    if len(checkpoints) == 1:
        words.insert(0, f"the best checkpoint ({checkpoints[0].name})")
    elif checkpoints:
        words.insert(0, phrases.count(len(checkpoints), "checkpoint"))
    return phrases.listed(words)


def _progress(facts: Facts) -> str:
    """Where it is, and the best so far on the search samples."""
    status = facts.status
    doing = {
        Phase.PREFLIGHT: "checkpoints and tasks are being checked, nothing is scored yet",
        Phase.BASELINES: f"{rows.scored_of(status.baselines)} baselines scored",
        Phase.CONFIRMING: f"{rows.scored_of(status.confirmations)} confirmations scored on {UNSEEN}",
    }.get(status.phase) or _searched(facts)
    best = status.best
    if best is None:
        return f"{doing}."
    over = ""
    if best.gain is not None:
        gain = wording.with_unit(wording.signed(best.gain, facts.scale), facts.scale)
        over = f" ({gain} over the best baseline there)"
    proven = "" if status.confirmed is not None else "; nothing is proven yet"
    return (
        f"{doing}; {best.id} leads with {wording.score(best.fitness, facts.scale)} on the search samples{over}{proven}."
    )


def _searched(facts: Facts) -> str:
    status, allowed = facts.status, facts.resource.spec.search.max_evaluations
    words = f"{status.counts.scored} of {phrases.count(allowed, 'candidate')} scored"
    return f"{words}, {status.counts.failed} failed" if status.counts.failed else words
