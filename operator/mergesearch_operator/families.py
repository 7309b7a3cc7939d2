"""Every metric: its name, kind, labels and what it says. docs/reference/metrics.md is made from this table; pure.

Names follow Prometheus' conventions: base units, and counters end in `_total`, which the client library adds.
"""

from dataclasses import dataclass
from typing import Literal

OF_A_SEARCH = ("namespace", "name")
"""Series with these labels vanish with their search."""
STAGE_BUCKETS = (5, 15, 30, 60, 120, 300, 600, 1200, 2400, 4800, 9600)
STEP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True)
class Family:
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """As Prometheus shows it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


SEARCHES = Family("mergesearch_searches", "gauge", ("phase",), "Searches by phase.")
UNREADABLE = Family(
    "mergesearch_unreadable_searches", "gauge", (), "Searches that this release cannot read and leaves alone."
)
CANDIDATES = Family(
    "mergesearch_candidates", "gauge", (*OF_A_SEARCH, "state"), "Candidates of a search by state, without baselines."
)
EVALUATIONS = Family(
    "mergesearch_evaluations",
    "counter",
    OF_A_SEARCH,
    "Evaluations of a search that gave a score, baselines and confirmations included.",
)
DISRUPTIONS = Family(
    "mergesearch_disruptions",
    "counter",
    OF_A_SEARCH,
    "Times that the platform ended a process of a search, or that merged weights were lost.",
)
BEST = Family("mergesearch_best_fitness", "gauge", OF_A_SEARCH, "Best fitness of a candidate on the search samples.")
BEST_BASELINE = Family(
    "mergesearch_best_baseline_fitness", "gauge", OF_A_SEARCH, "Best fitness of a baseline on the search samples."
)
CONFIRMED = Family(
    "mergesearch_confirmed_fitness",
    "gauge",
    OF_A_SEARCH,
    "Fitness of the winner on the unseen samples, once it is known.",
)
GENERATION = Family("mergesearch_generation", "gauge", OF_A_SEARCH, "Generation that a search is in, from 0.")
GPU_SECONDS = Family(
    "mergesearch_gpu_seconds",
    "counter",
    OF_A_SEARCH,
    "Wall time of a search's processes times the GPUs that they asked for.",
)
STAGE_GPU_SECONDS = Family(
    "mergesearch_stage_gpu_seconds",
    "counter",
    (*OF_A_SEARCH, "stage"),
    "GPU-seconds of a search by what the processes did, since this release runs it.",
)
TOKENS = Family(
    "mergesearch_tokens",
    "counter",
    (*OF_A_SEARCH, "kind"),
    "Tokens that models have read (prompt) and written (generated) in a search's evaluations that gave a score.",
)
FLOPS = Family(
    "mergesearch_floating_point_operations",
    "counter",
    OF_A_SEARCH,
    "Floating-point operations of these tokens, 2 for each token and parameter; without attention and merges.",
)
BUDGET_USED = Family(
    "mergesearch_budget_used_ratio",
    "gauge",
    (*OF_A_SEARCH, "budget"),
    "Used share of each budget of a search: maxEvaluations, and maxGpuHours and maxDuration where they are set.",
)
BLOCKED = Family(
    "mergesearch_blocked",
    "gauge",
    OF_A_SEARCH,
    "1 while a Job of a search cannot be made, as for a quota, a missing right or a volume that is being deleted.",
)
ACTIVE_SECONDS = Family(
    "mergesearch_active_seconds",
    "counter",
    OF_A_SEARCH,
    "Time in which a process of a search ran, up to when the one that runs now has started.",
)
STALLED = Family("mergesearch_stalled", "gauge", OF_A_SEARCH, "1 while a search waits for a person.")
RETRIES = Family(
    "mergesearch_retries",
    "counter",
    ("reason",),
    "Tries beyond the first, of candidates, baselines and confirmations, by what made them necessary.",
)
STAGE_DURATION = Family(
    "mergesearch_stage_duration_seconds", "histogram", ("stage",), "Running time of the Jobs of a stage.", STAGE_BUCKETS
)
STEP_DURATION = Family(
    "mergesearch_reconcile_duration_seconds",
    "histogram",
    (),
    "Time that one step of one search has taken.",
    STEP_BUCKETS,
)
STEP_ERRORS = Family("mergesearch_reconcile_errors", "counter", ("reason",), "Steps that have failed.")
REQUESTS = Family(
    "mergesearch_api_requests",
    "counter",
    ("verb", "resource", "code"),
    "Requests to the API server; code 0 stands for no answer. Watches are not among them.",
)
QUEUE_DEPTH = Family("mergesearch_queue_depth", "gauge", (), "Searches that are due for a step or in one.")
QUEUE_AGE = Family(
    "mergesearch_queue_oldest_age_seconds",
    "gauge",
    (),
    "How long the search that has waited longest has been due, its step included.",
)

ALL = (
    SEARCHES,
    UNREADABLE,
    CANDIDATES,
    EVALUATIONS,
    DISRUPTIONS,
    BEST,
    BEST_BASELINE,
    CONFIRMED,
    GENERATION,
    GPU_SECONDS,
    STAGE_GPU_SECONDS,
    TOKENS,
    FLOPS,
    BUDGET_USED,
    ACTIVE_SECONDS,
    STALLED,
    BLOCKED,
    RETRIES,
    STAGE_DURATION,
    STEP_DURATION,
    STEP_ERRORS,
    REQUESTS,
    QUEUE_DEPTH,
    QUEUE_AGE,
)
"""In the order of the documentation."""
