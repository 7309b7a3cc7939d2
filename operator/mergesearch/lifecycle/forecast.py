"""What a search will cost, before it starts and while it runs: processes, bytes, disk, time, GPU-hours; pure."""

import math
from dataclasses import dataclass

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus, Record, RecordState, Stage
from mergesearch.lifecycle import accounting, expectations, requests, strategy, timing

STAGES_WITHOUT_RECORDS = 4
"""Two halves of the preflight, the comparison, the cleanup."""


@dataclass(frozen=True)
class Forecast:
    """An upper bound on counts and bytes of a search in which nothing fails and no goal is refuted; seconds and
    GPU-hours are None where nobody knows the seconds of an evaluation.
    """

    baselines: int
    candidates: int
    confirmations: int
    merges: int
    merger_processes: int
    evaluator_processes: int
    bytes_read: int
    bytes_written: int
    workspace_bytes: int
    """Largest need at any time."""
    seconds: float | None
    gpu_hours: float | None

    @property
    def evaluations(self) -> int:
        """All of them."""
        return self.baselines + self.candidates + self.confirmations


def forecast(
    spec: MergeSearchSpec,
    input_bytes: int,
    output_bytes: int,
    *,
    evaluation_seconds: float | None = None,
    dearer: float = 1.0,
    bytes_per_second: float = 5e8,
) -> Forecast:
    """What the whole search will cost.

    `input_bytes` is the size of all checkpoints, `output_bytes` that of one merge; `evaluation_seconds` is the time of
    one evaluation on the search samples on one evaluator, `dearer` how many times as long a confirmation takes, and
    `bytes_per_second` what the volumes deliver.
    """
    count, wanted = len(spec.checkpoints), spec.search.baselines
    soups = sum(name in wanted for name in ("Uniform", "MergeBest")) + (count - 1 if "Greedy" in wanted else 0)
    singles = count + 1 if "Checkpoints" in wanted else 0
    candidates = spec.search.max_evaluations
    merged_again = soups if spec.search.confirm.baselines == "All" else min(soups, 3)
    compared = merged_again + (count if spec.search.confirm.baselines == "All" else min(singles, 1))
    finalists = min(spec.search.confirm.finalists, candidates)
    merges = soups + candidates + merged_again
    size, room = strategy.begin(spec).population_size, spec.storage.max_pending
    generations = [min(size, candidates - asked) for asked in range(0, candidates, size)]
    # Batches never mix the phases, and greedy soups come one by one, up to their confirmation.
    sealed = math.ceil(finalists / spec.merger.batch)
    merger_processes = sum(_processes(one, spec.merger.batch, room) for one in generations) + soups + merged_again
    evaluator_processes = (
        sum(_processes(one, spec.evaluator.batch, room) for one in generations)
        + _processes(finalists + compared, spec.evaluator.batch, room)
        + ("Greedy" in wanted)
        + singles
        + soups
    )
    read, written = merger_processes * input_bytes, merges * output_bytes
    seconds = hours = None
    if evaluation_seconds is not None:
        merging = (read + written) / bytes_per_second
        counts = timing.Counts(singles, soups, generations, finalists + compared)
        in_turn = timing.search_evaluations(spec, counts) + dearer * timing.confirmations(spec, counts)
        together = singles + soups + candidates + dearer * counts.confirmations
        seconds = merging + in_turn * evaluation_seconds
        gpu_seconds = merging * accounting.gpus_of(spec, Stage.MERGE)
        gpu_seconds += together * evaluation_seconds * accounting.gpus_of(spec, Stage.EVALUATE)
        hours = gpu_seconds / 3600
    return Forecast(
        baselines=singles + soups,
        candidates=candidates,
        confirmations=finalists + compared,
        merges=merges,
        merger_processes=merger_processes + sealed,
        evaluator_processes=evaluator_processes + STAGES_WITHOUT_RECORDS,
        bytes_read=read,
        bytes_written=written,
        workspace_bytes=requests.merges_at_once(spec) * output_bytes,
        seconds=seconds,
        gpu_hours=hours,
    )


def _processes(size: int, batch: int, room: int) -> int:
    """Processes for so many candidates; where there is no room for all of them, each may come by itself."""
    return math.ceil(size / batch) if size <= room else size


def seconds_left(spec: MergeSearchSpec, status: MergeSearchStatus) -> float | None:
    """Seconds until the end where processes stay up, from what this search has measured; None before the first
    evaluation has ended.
    """
    each, later = (expectations.usual_seconds(spec, status, kind) for kind in ("search", "unseen"))
    if each is None or later is None or status.completion_time is not None:
        return None
    to_ask = 0 if status.closed is not None else spec.search.max_evaluations - len(status.candidates)
    to_confirm = 0 if status.confirmations else spec.search.confirm.finalists + 3
    searching = to_ask + sum(map(_left, (*status.baselines, *status.candidates)))
    confirming = to_confirm + sum(map(_left, status.confirmations))
    return (searching * each + confirming * later) / spec.search.parallelism


def _left(record: Record) -> float:
    """How much of a record's evaluation is still to be done; one that runs is taken to be half-way."""
    if record.ended:
        return 0.0
    return 0.5 if record.state is RecordState.EVALUATING else 1.0
