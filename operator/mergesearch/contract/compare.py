"""The paired statistics of the confirmation: finalists against baselines. Pure."""

from typing import Literal

from pydantic import Field

from mergesearch.contract.model import Aggregate, CandidateId, Failure, Model, SearchRef, Sha256, WholeRequest


class CompareCandidate(Model):
    """One scored candidate of the confirmation."""

    id: CandidateId
    evaluation_hash: Sha256
    """What the candidate's report on the unseen split must echo."""


class CompareRequest(WholeRequest):
    """Paired statistics over per-sample scores of the unseen split: every finalist against every baseline."""

    kind: Literal["compare"] = "compare"
    version: Literal[1]
    search: SearchRef
    finalists: tuple[CompareCandidate, ...] = Field(min_length=1)
    baselines: tuple[CompareCandidate, ...] = ()
    tasks: tuple[str, ...]
    """The held-in tasks, in spec order."""
    task_weights: tuple[float, ...]
    aggregate: Aggregate = "Mean"
    seed: int = 0
    resamples: int = Field(default=10_000, ge=100, le=100_000)


class Comparison(Model):
    """A finalist against one baseline on the same unseen samples, in the objective's unit."""

    candidate: CandidateId
    baseline: CandidateId
    gain: float
    low: float
    """Lower end of the 95% interval of the gain, by paired bootstrap; it allows for the choice among the finalists."""
    high: float
    p: float
    """One-sided: how likely a gain at least this large is if the baseline were as good."""
    corrected_p: float | None = None
    """How likely it is that the largest of all finalists' gains over this baseline is at least that large, if none were
    better; None in the report of an evaluator that knew no such number."""


class CompareReport(Model):
    """The paired statistics of the confirmation."""

    kind: Literal["compare"] = "compare"
    version: Literal[1]
    request_hash: Sha256
    failure: Failure | None = None
    comparisons: tuple[Comparison, ...] = ()
